// A request and its answer as plain values: what the server passes to the routes, and tests make by
// hand.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace cnet::api {

inline constexpr uid_t kNobody = static_cast<uid_t>(-1);

struct Request {
    std::string method;
    std::string path; // still percent-encoded
    std::map<std::string, std::string> query;
    std::string body;
    uid_t peer_uid = kNobody; // SO_PEERCRED: who connected
};

// The rest of a body that is made while it is sent: the next part, empty after the last. An error
// breaks the connection off, so that nobody takes what there was for the whole.
using Pieces = std::function<Result<std::string>()>;

struct Response {
    int status = 200;
    std::string body;  // JSON
    std::string allow; // methods, with a 405
    Pieces pieces = {};
    std::string route = {}; // what the request was, of all there are: "/v1/networks/{name}"
    std::string content_type = "application/json";
};

using Handler = std::function<Response(const Request&)>;

// {"error": {"kind", "message"}} with the status that belongs to the kind.
Response error_response(const Error& error);
// The same with a status of its own and the kind by its name.
Response error_response(int status, std::string_view kind, std::string_view message);

// "%2F" to "/"; nothing when malformed or when a byte would be NUL.
std::optional<std::string> percent_decode(std::string_view text);

} // namespace cnet::api
