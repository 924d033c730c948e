// A conversation with a cluster: which member is asked, as which user, and what its answer, or the
// lack of one, means. What Client is made of.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/etcd/client.h"
#include "userspace/etcd/wire.h"

namespace cnet::etcd {

using Deadline = std::chrono::steady_clock::time_point;

struct Answer {
    enum class Kind {
        kDone,
        kRefused,      // whichever member is asked
        kTokenRefused, // the same, but perhaps not with a new token
        kElsewhere,    // not done; another member may do it
        kUnknown,      // perhaps done
    };

    Kind kind = Kind::kDone;
    Json body;                           // kDone
    Error error{ErrorKind::kSystem, ""}; // the others
    bool alive = false;                  // a member spoke
    bool timed_out = false;
};

class Session {
public:
    // Whether a request that was perhaps carried out may be sent again.
    enum class Repeat { kNo, kYes };

    static constexpr size_t kAnswerLimitBytes = 64u << 20;

    Session(ClientConfig config, Transport transport, std::stop_token stop)
        : config_(std::move(config)), endpoints_(config_.endpoints),
          transport_(std::move(transport)), stop_(std::move(stop)) {}

    Result<Json> call(const std::string& path, const Json& request, Repeat repeat);

    // From the member in use, an answer that does not end by itself. `on_data` gets it as it comes,
    // moves the deadline, and says whether to go on. kDone: the member ended it.
    using OnData = std::function<bool(std::string_view, Deadline&)>;
    Answer stream(const std::string& path, const Json& request, Deadline deadline,
                  const OnData& on_data, const std::stop_token& stop);

    // Gets a token unless there is one.
    Answer log_in(Deadline deadline, const std::stop_token& stop);
    void forget_token();

    // For what comes inside of a stream.
    Answer refused(const Refusal& refusal) const;
    Status check_cluster(const Json& answer);

    // "etcd at ENDPOINT: WHAT", of the member in use.
    Error about(ErrorKind kind, const std::string& what) const;
    void put_behind_others();

    const ClientConfig& config() const { return config_; }

private:
    Answer ask(const std::string& path, const std::string& body, Deadline deadline,
               const std::stop_token& stop);
    Answer ask_as_user(const std::string& path, const std::string& body, Deadline deadline);
    Answer understood(long status, const std::string& body);
    Answer failed(const Outcome& outcome) const;

    ClientConfig config_;
    std::vector<std::string> endpoints_; // the one in use first
    Transport transport_;
    std::stop_token stop_;
    bool logged_in_ = false;
    std::string token_; // empty too while the cluster's authentication is off
    std::string cluster_;
};

} // namespace cnet::etcd
