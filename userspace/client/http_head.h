// The head of an HTTP/1.1 response, as far as a client of cnetd needs it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace cnet::client {

struct HttpHead {
    long status = 0;
    std::optional<size_t> content_length;
    bool chunked = false;
    bool keeps_connection = true;

    bool ends_with_connection() const { return !content_length && !chunked; }
};

// `text` is everything up to the empty line. None when it is not such a head, or when the body
// comes in a coding that nobody asked for.
std::optional<HttpHead> parse_head(std::string_view text);

} // namespace cnet::client
