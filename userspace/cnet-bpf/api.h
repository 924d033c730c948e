// The daemon's API (docs/api.md): requests to cnetd, its answers as JSON and an exit status.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "userspace/client/http_client.h"
#include "userspace/cnet-bpf/exit_status.h"
#include "userspace/cnet-bpf/json.h"

namespace cnet::cli {

struct Reply {
    ExitStatus status = kDone;
    std::string message; // one sentence, unless kDone
    Json body;

    bool ok() const { return status == kDone; }
};

class Api {
public:
    // `start_hint` says how to start a daemon that does not answer.
    Api(std::filesystem::path socket, std::string start_hint)
        : socket_(std::move(socket)), start_hint_(std::move(start_hint)) {}

    // `target` is path and query, percent-encoded: "/v1/ports?endpoint=web".
    Reply get(const std::string& target);
    Reply send(const std::string& method, const std::string& target, const Json& body = {});
    // Before the process becomes another program, which shall not inherit the connection.
    void disconnect() { client_.reset(); }

private:
    Reply request(const std::string& method, const std::string& target, const std::string& body);
    Reply unreachable(const Error& error) const;

    std::filesystem::path socket_;
    std::string start_hint_;
    std::optional<client::HttpClient> client_; // connects with the first request
};

} // namespace cnet::cli
