#include "userspace/plugin/daemon.h"

#include <thread>

namespace cnet::plugin {
namespace {

constexpr std::chrono::milliseconds kBetweenTries{20};

Code code_of(long status) {
    switch (status) {
    case 400:
        return Code::kConfig;
    case 404:
        return Code::kNoContainer;
    case 409:
        return Code::kTaken;
    case 507:
        return Code::kExhausted;
    default:
        return Code::kRefused;
    }
}

// Nobody listens, for now, or the daemon died before it had answered.
bool may_come_back(const Error& error) {
    return error.errno_value() == ENOENT || error.errno_value() == ECONNREFUSED ||
           error.errno_value() == 0;
}

Fault unreachable(const Error& error) {
    if (may_come_back(error)) return {Code::kTryAgain, error.message(), "is cnetd running?"};
    return {Code::kRefused, error.message()};
}

} // namespace

Fault Answer::fault() const {
    if (body.is_object()) {
        const auto error = body.find("error");
        if (error != body.end() && error->is_object()) {
            const auto message = error->find("message");
            if (message != error->end() && message->is_string())
                return {code_of(status), message->get<std::string>()};
        }
    }
    return {Code::kRefused,
            "cnetd answered HTTP status " + std::to_string(status) + " without saying why"};
}

Result<client::HttpResponse> Daemon::send(const std::string& method, const std::string& target,
                                          const std::string& body) {
    if (!client_) {
        auto client = client::HttpClient::open(socket_);
        if (!client) return client.error();
        client_ = std::move(*client);
    }
    return client_->request(method, target, body);
}

Outcome<Answer> Daemon::call(const std::string& method, const std::string& target,
                             const Json& body) {
    constexpr auto kReplace = Json::error_handler_t::replace;
    const std::string text = body.is_null() ? "" : body.dump(-1, ' ', true, kReplace);
    const auto deadline = std::chrono::steady_clock::now() + patience_;
    bool repeated = false;
    while (true) {
        auto response = send(method, target, text);
        if (response) {
            Json answer = Json::parse(response->body, nullptr, false);
            if (answer.is_discarded())
                return Fault{Code::kRefused,
                             "cnetd's answer to " + method + " " + target + " is not JSON"};
            return Answer{response->status, std::move(answer), repeated};
        }
        if (!may_come_back(response.error()) || std::chrono::steady_clock::now() >= deadline)
            return unreachable(response.error());
        if (response.error().errno_value() == 0) repeated = true;
        client_.reset();
        std::this_thread::sleep_for(kBetweenTries);
    }
}

Outcome<Json> Daemon::get(const std::string& target) {
    auto answer = call("GET", target);
    if (!answer) return answer.fault();
    if (answer->status == 404) return Json();
    if (!answer->ok()) return answer->fault();
    return std::move(answer->body);
}

Done Daemon::remove(const std::string& target) {
    auto answer = call("DELETE", target);
    if (!answer) return answer.fault();
    if (answer->ok() || answer->status == 404) return {};
    return answer->fault();
}

} // namespace cnet::plugin
