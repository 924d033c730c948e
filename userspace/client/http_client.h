// HTTP/1.1 on a unix socket, one connection kept for several requests.
//
// An error means that there was no answer: Error::message() is a sentence about the socket, and
// errno_value() the kernel's reason where it gave one. Any answer, an HTTP error too, is a value.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "userspace/base/result.h"

namespace cnet::client {

struct HttpResponse {
    long status = 0;
    std::string body;
};

class HttpClient {
public:
    static constexpr long kTimeoutSeconds = 120;

    static Result<HttpClient> open(const std::filesystem::path& socket);

    // `target` is path and query, percent-encoded; `body` is JSON, sent unless empty.
    Result<HttpResponse> request(const std::string& method, const std::string& target,
                                 const std::string& body);

private:
    struct Close {
        void operator()(void* handle) const;
    };
    HttpClient(std::unique_ptr<void, Close> handle, std::filesystem::path socket)
        : handle_(std::move(handle)), socket_(std::move(socket)) {}
    Status set_up();
    Error no_answer(int curl_code) const;

    std::unique_ptr<void, Close> handle_; // CURL is void
    std::filesystem::path socket_;
};

} // namespace cnet::client
