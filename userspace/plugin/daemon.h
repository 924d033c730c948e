// Requests to cnetd that outlast its restart: while it does not answer they are sent again, for as
// long as `patience` lasts. A request may then have been carried out although its answer was lost,
// which Answer::repeated says.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "userspace/client/http_client.h"
#include "userspace/plugin/json.h"
#include "userspace/plugin/outcome.h"

namespace cnet::plugin {

struct Answer {
    long status = 0;
    Json body;
    bool repeated = false;

    bool ok() const { return status >= 200 && status < 300; }
    bool conflict() const { return status == 409; }
    // What the daemon says went wrong, under the code of its class.
    Fault fault() const;
};

class Daemon {
public:
    static constexpr std::chrono::seconds kPatience{10};

    explicit Daemon(std::filesystem::path socket, std::chrono::milliseconds patience = kPatience)
        : socket_(std::move(socket)), patience_(patience) {}

    // Any answer is a value, a refusal too; a Fault says that there was none.
    Outcome<Answer> call(const std::string& method, const std::string& target,
                         const Json& body = {});
    // What there is at `target`; a refusal is a Fault, but 404 is null.
    Outcome<Json> get(const std::string& target);
    // Absent is success.
    Done remove(const std::string& target);

private:
    Result<client::HttpResponse> send(const std::string& method, const std::string& target,
                                      const std::string& body);

    std::filesystem::path socket_;
    std::chrono::milliseconds patience_;
    std::optional<client::HttpClient> client_; // connects with the first request
};

} // namespace cnet::plugin
