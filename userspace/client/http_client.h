// HTTP/1.1 on a unix socket, one connection kept for several requests.
//
// An error means that there was no answer: Error::message() is a sentence about the socket, and
// errno_value() the kernel's reason for not connecting, ETIMEDOUT, or 0 when an answer did not come
// whole: the request may have been carried out then.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::client {

struct HttpResponse {
    long status = 0;
    std::string body;
};

class HttpClient {
public:
    static constexpr std::chrono::seconds kTimeout{120}; // for a whole request

    static Result<HttpClient> open(const std::filesystem::path& socket);

    // `target` is path and query, percent-encoded; `body` is JSON, sent unless empty.
    Result<HttpResponse> request(const std::string& method, const std::string& target,
                                 const std::string& body);

private:
    using Clock = std::chrono::steady_clock;

    explicit HttpClient(std::filesystem::path socket) : socket_(std::move(socket)) {}
    // A server may have closed the connection while it was idle.
    bool is_usable() const;
    Status connect();
    Status send(std::string_view bytes, Clock::time_point deadline);
    // What has arrived by now, appended to `bytes`; false at the end of the stream.
    Result<bool> receive(std::string& bytes, Clock::time_point deadline);
    Status wait(short events, Clock::time_point deadline) const;
    Result<HttpResponse> exchange(std::string_view request, Clock::time_point deadline);
    Error no_answer(const std::string& why) const;

    std::filesystem::path socket_;
    UniqueFd connection_;
};

} // namespace cnet::client
