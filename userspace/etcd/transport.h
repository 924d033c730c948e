// HTTP POST by libcurl, with a deadline and a way to stop at once. Connections are kept and used
// again. One object for one thread.
//
// A request is sent once: where a kept connection turns out dead after the request went into it,
// libcurl would send it again on another one, and a transaction could be carried out twice.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace cnet::etcd {

// PEM. A server's certificate is always verified: by `ca` alone, or by the system's authorities
// when that is empty.
struct TlsFiles {
    std::string ca;
    std::string cert; // of the client, with `key`; both or none
    std::string key;
};

// kInvalid for all but "http://HOST:PORT" and "https://HOST:PORT".
Status check_endpoint(const std::string& endpoint);

struct Exchange {
    std::string url;
    std::string body;                               // JSON
    std::string token;                              // empty: without Authorization
    std::chrono::steady_clock::time_point deadline; // on_data may move it
    std::function<bool(std::string_view)> on_data;  // false ends the exchange
};

struct Outcome {
    enum class End { kAnswered, kFailed, kTimedOut, kStopped };

    End end = End::kFailed;
    bool sent = false;  // some of the request has left
    long status = 0;    // of HTTP
    std::string reason; // for kFailed
};

class Transport {
public:
    static Result<Transport> open(TlsFiles tls, std::chrono::milliseconds connect_timeout);

    Outcome post(Exchange& exchange, const std::stop_token& stop);
    // Waits; returns early when stopped.
    void pause(std::chrono::milliseconds time, const std::stop_token& stop);

private:
    struct CloseMulti {
        void operator()(void* multi) const;
    };
    struct CloseEasy {
        void operator()(void* easy) const;
    };
    Transport(TlsFiles tls, std::chrono::milliseconds connect_timeout)
        : tls_(std::move(tls)), connect_timeout_(connect_timeout) {}

    bool set_up_connection();
    bool set_up_tls();
    // The code of the finished transfer; -1 when the deadline or `stop` came first.
    int drive(const Exchange& exchange, const std::stop_token& stop);

    TlsFiles tls_;
    std::chrono::milliseconds connect_timeout_;
    std::unique_ptr<void, CloseMulti> multi_;
    std::unique_ptr<void, CloseEasy> easy_; // closed before multi_
};

} // namespace cnet::etcd
