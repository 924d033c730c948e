#include "userspace/cnet-bpf/api.h"

namespace cnet::cli {
namespace {

Reply failure(ExitStatus status, std::string message) {
    return {status, std::move(message), {}};
}

Reply refusal(long http_status, const Json& body) {
    ExitStatus status = http_status == 404 ? kNotFound : kRefused;
    if (body.is_object()) {
        auto error = body.find("error");
        if (error != body.end() && error->is_object()) {
            auto message = error->find("message");
            if (message != error->end() && message->is_string()) {
                return failure(status, message->get_ref<const std::string&>());
            }
        }
    }
    return failure(status, "cnetd answered HTTP status " + std::to_string(http_status) +
                               " without saying why");
}

} // namespace

Reply Api::get(const std::string& target) {
    return request("GET", target, {});
}

Reply Api::send(const std::string& method, const std::string& target, const Json& body) {
    // Arguments are bytes of any kind; what is not UTF-8 cannot be a name of ours anyway.
    constexpr auto kReplace = Json::error_handler_t::replace;
    return request(method, target, body.is_null() ? "" : body.dump(-1, ' ', true, kReplace));
}

Reply Api::request(const std::string& method, const std::string& target, const std::string& body) {
    if (!client_) {
        auto client = client::HttpClient::open(socket_);
        if (!client) return failure(kUnreachable, client.error().message());
        client_ = std::move(*client);
    }
    auto response = client_->request(method, target, body);
    if (!response) return unreachable(response.error());

    Json answer = Json::parse(response->body, nullptr, false);
    if (response->status >= 400) return refusal(response->status, answer);
    if (answer.is_discarded()) {
        return failure(kRefused, "cnetd's answer to " + method + " " + target + " is not JSON");
    }
    return {kDone, {}, std::move(answer)};
}

Reply Api::unreachable(const Error& error) const {
    switch (error.errno_value()) {
    case EACCES:
    case EPERM:
        return failure(kUnreachable, error.message() + "; it is for root and the group cnet");
    case ENOENT:
    case ECONNREFUSED:
        return failure(kUnreachable, error.message() + "; is cnetd running? " + start_hint_);
    default:
        return failure(kUnreachable, error.message());
    }
}

} // namespace cnet::cli
