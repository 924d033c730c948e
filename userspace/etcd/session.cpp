#include "userspace/etcd/session.h"

#include <algorithm>
#include <optional>

namespace cnet::etcd {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Between rounds over members of which none has a leader; an election takes a second or two.
constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{500};

// Of gRPC.
enum Code : int64_t {
    kInvalidArgument = 3,
    kNotFoundCode = 5,
    kAlreadyExists = 6,
    kPermissionDenied = 7,
    kResourceExhausted = 8,
    kFailedPrecondition = 9,
    kOutOfRange = 11,
    kUnimplemented = 12,
    kUnauthenticated = 16,
};

bool says_any(const std::string& message, std::initializer_list<std::string_view> parts) {
    return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
        return message.find(part) != std::string::npos;
    });
}

// Tokens are lost with time, with a member's restart, and with any change of users and roles.
bool is_about_token(const std::string& message) {
    return says_any(message,
                    {"invalid auth token", "user name is empty", "revision of auth store is old"});
}

// Refused before it was proposed to the cluster, by a member that cannot do so now.
bool was_not_proposed(const std::string& message) {
    return says_any(message, {"no leader", "raft proposal dropped", "too many requests",
                              "not capable", "not supported for learner", "future revision"});
}

// Refusals that every member would repeat; nothing for all others.
std::optional<ErrorKind> final_kind(const Refusal& refusal) {
    switch (refusal.code) {
    case kInvalidArgument:
        return says_any(refusal.message, {"authentication failed"}) ? ErrorKind::kDenied
                                                                    : ErrorKind::kInvalid;
    case kNotFoundCode:
        return ErrorKind::kNotFound;
    case kAlreadyExists:
        return ErrorKind::kConflict;
    case kPermissionDenied:
    case kUnauthenticated:
        return ErrorKind::kDenied;
    case kResourceExhausted:
        return ErrorKind::kExhausted;
    case kOutOfRange:
        return says_any(refusal.message, {"compacted"}) ? ErrorKind::kNotFound
                                                        : ErrorKind::kInvalid;
    case kFailedPrecondition:
    case kUnimplemented:
        return ErrorKind::kSystem;
    default:
        return {};
    }
}

} // namespace

Error Session::about(ErrorKind kind, const std::string& what) const {
    return {kind, "etcd at " + endpoints_.front() + ": " + what};
}

void Session::put_behind_others() {
    std::rotate(endpoints_.begin(), endpoints_.begin() + 1, endpoints_.end());
}

void Session::forget_token() {
    token_.clear();
    logged_in_ = false;
}

Result<Json> Session::call(const std::string& path, const Json& request, Repeat repeat) {
    std::string body = request.dump();
    Deadline deadline = steady_clock::now() + config_.request_timeout;
    for (milliseconds pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
        bool alive = false;
        Error last(ErrorKind::kUnavailable, "");
        for (auto left = static_cast<int>(endpoints_.size()); left > 0; left--) {
            auto now = steady_clock::now();
            // A member that hangs must leave time for the others.
            Deadline limit = repeat == Repeat::kYes ? now + (deadline - now) / left : deadline;
            Answer answer = ask_as_user(path, body, limit);
            if (answer.kind == Answer::Kind::kDone) return std::move(answer.body);
            bool open = answer.kind == Answer::Kind::kElsewhere ||
                        (answer.kind == Answer::Kind::kUnknown && repeat == Repeat::kYes);
            if (open || answer.kind == Answer::Kind::kUnknown) put_behind_others();
            if (!open) return answer.error;
            last = Error(ErrorKind::kUnavailable, answer.error.message());
            if (stop_.stop_requested() || steady_clock::now() >= deadline) return last;
            alive = alive || answer.alive;
        }
        if (!alive || steady_clock::now() + pause >= deadline) return last;
        transport_.pause(pause, stop_);
    }
}

Answer Session::ask_as_user(const std::string& path, const std::string& body, Deadline deadline) {
    Answer answer = log_in(deadline, stop_);
    if (answer.kind != Answer::Kind::kDone) return answer;
    answer = ask(path, body, deadline, stop_);
    if (answer.kind != Answer::Kind::kTokenRefused || config_.user.empty()) return answer;
    forget_token();
    answer = log_in(deadline, stop_);
    if (answer.kind != Answer::Kind::kDone) return answer;
    return ask(path, body, deadline, stop_);
}

Answer Session::log_in(Deadline deadline, const std::stop_token& stop) {
    if (logged_in_ || config_.user.empty()) return {};
    Json request = {{"name", config_.user}, {"password", config_.password}};
    // A user or password that is not UTF-8 is none that etcd knows.
    std::string body = request.dump(-1, ' ', false, Json::error_handler_t::replace);
    Answer answer = ask("/v3/auth/authenticate", body, deadline, stop);
    if (answer.kind == Answer::Kind::kDone) {
        token_ = read_text(answer.body, "token");
        logged_in_ = true;
    } else if (answer.kind == Answer::Kind::kUnknown) {
        // The request that this was for has not been sent.
        answer.kind = Answer::Kind::kElsewhere;
    } else if (says_any(answer.error.message(), {"authentication is not enabled"})) {
        // Users can be set up on all hosts before the cluster's authentication is switched on.
        logged_in_ = true;
        return {};
    }
    return answer;
}

Answer Session::ask(const std::string& path, const std::string& body, Deadline deadline,
                    const std::stop_token& stop) {
    std::string text;
    bool too_long = false;
    Exchange exchange{endpoints_.front() + path, body, token_, deadline, {}};
    exchange.on_data = [&](std::string_view bytes) {
        too_long = text.size() + bytes.size() > kAnswerLimitBytes;
        if (!too_long) text += bytes;
        return !too_long;
    };
    Outcome outcome = transport_.post(exchange, stop);
    if (too_long) outcome.reason = "an answer of more than 64 MiB";
    return outcome.end == Outcome::End::kAnswered ? understood(outcome.status, text)
                                                  : failed(outcome);
}

Answer Session::stream(const std::string& path, const Json& request, Deadline deadline,
                       const OnData& on_data, const std::stop_token& stop) {
    Exchange exchange{endpoints_.front() + path, request.dump(), token_, deadline, {}};
    exchange.on_data = [&](std::string_view bytes) { return on_data(bytes, exchange.deadline); };
    Outcome outcome = transport_.post(exchange, stop);
    return outcome.end == Outcome::End::kAnswered ? Answer{} : failed(outcome);
}

Answer Session::understood(long status, const std::string& text) {
    Answer answer;
    auto body = parse_answer(text);
    if (!body) {
        constexpr long kServerErrors = 500;
        bool other_service = status >= 400 && status < kServerErrors;
        answer.kind = other_service ? Answer::Kind::kElsewhere : Answer::Kind::kUnknown;
        answer.error = other_service ? about(ErrorKind::kUnavailable,
                                             "HTTP status " + std::to_string(status) +
                                                 ", not the gateway of etcd 3.4 or newer")
                                     : about(ErrorKind::kUnknown, body.error().message());
        return answer;
    }
    if (Refusal refusal = read_refusal(*body); refusal.code != 0) return refused(refusal);
    if (auto status_of_cluster = check_cluster(*body); !status_of_cluster) {
        answer.kind = Answer::Kind::kRefused;
        answer.error = status_of_cluster.error();
        put_behind_others();
        return answer;
    }
    answer.body = std::move(*body);
    answer.alive = true;
    return answer;
}

Answer Session::refused(const Refusal& refusal) const {
    Answer answer;
    answer.alive = true;
    if (is_about_token(refusal.message)) {
        answer.kind = Answer::Kind::kTokenRefused;
        answer.error =
            about(ErrorKind::kDenied,
                  config_.user.empty() ? "it wants a user and a password" : refusal.message);
    } else if (was_not_proposed(refusal.message)) {
        answer.kind = Answer::Kind::kElsewhere;
        answer.error = about(ErrorKind::kUnavailable, refusal.message);
    } else if (auto kind = final_kind(refusal)) {
        answer.kind = Answer::Kind::kRefused;
        answer.error = about(*kind, refusal.message);
    } else {
        answer.kind = Answer::Kind::kUnknown;
        answer.error = about(ErrorKind::kUnknown, refusal.message);
    }
    return answer;
}

Answer Session::failed(const Outcome& outcome) const {
    Answer answer;
    answer.kind = outcome.sent ? Answer::Kind::kUnknown : Answer::Kind::kElsewhere;
    answer.timed_out = outcome.end == Outcome::End::kTimedOut;
    std::string reason = outcome.reason;
    if (answer.timed_out) reason = outcome.sent ? "no answer in time" : "no connection in time";
    if (outcome.end == Outcome::End::kStopped) reason = "stopped while waiting for its answer";
    answer.error = about(outcome.sent ? ErrorKind::kUnknown : ErrorKind::kUnavailable, reason);
    return answer;
}

Status Session::check_cluster(const Json& answer) {
    const Json& holder = answer.contains("result") ? answer["result"] : answer;
    auto header = holder.find("header");
    std::string cluster = header == holder.end() ? "" : read_text(*header, "cluster_id");
    if (cluster.empty()) return {};
    if (cluster_.empty()) cluster_ = cluster;
    if (cluster == cluster_) return {};
    return about(ErrorKind::kConflict,
                 "it is of cluster " + cluster + ", while others have been of cluster " + cluster_);
}

} // namespace cnet::etcd
