// The body of an HTTP/1.1 response as it arrives: of a stated length, in chunks, or up to the end
// of the connection.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "userspace/client/http_head.h"

namespace cnet::client {

class HttpBody {
public:
    explicit HttpBody(const HttpHead& head) : head_(head) {}

    // False when it is not what the head says.
    [[nodiscard]] bool add(std::string_view bytes);
    // The connection has ended. False when the body is not whole.
    [[nodiscard]] bool end() const { return is_whole() || head_.ends_with_connection(); }
    bool is_whole() const;
    size_t size() const { return body_.size(); }            // so far, without what was taken
    std::string take() { return std::exchange(body_, {}); } // what has come since

private:
    bool add_chunks(std::string_view bytes);
    // What they take from `bytes`, 0: not enough is there yet.
    size_t take_size(std::string_view bytes);
    size_t take_data(std::string_view bytes);

    enum class Next { kSize, kData, kTrailer, kNothing };

    HttpHead head_;
    std::string body_;
    std::string rest_; // of an unfinished line
    Next next_ = Next::kSize;
    size_t left_ = 0; // of the chunk, and of the line end behind it
    bool wrong_ = false;
};

} // namespace cnet::client
