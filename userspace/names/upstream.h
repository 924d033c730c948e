// The host's resolvers, asked with c-ares: other servers when one is silent, TCP when an answer is
// cut, random ports and ids. Nothing here waits: the owner's loop says when a socket is ready or
// time has passed, and an answer comes by a call.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "userspace/base/result.h"

struct ares_channeldata;

namespace cnet::names {

class Upstream {
public:
    // Empty: there was no answer.
    using Answered = std::function<void(std::span<const uint8_t>)>;
    // Which of a socket's events are wanted from now on; neither: it is closed.
    using Watch = std::function<void(int fd, bool readable, bool writable)>;

    // `resolvers` as "192.0.2.1" or "192.0.2.1:5353"; none: what /etc/resolv.conf has.
    static Result<std::unique_ptr<Upstream>> open(const std::vector<std::string>& resolvers,
                                                  Watch watch);
    Upstream(const Upstream&) = delete;
    Upstream& operator=(const Upstream&) = delete;
    // What is still asked for gets the empty answer.
    ~Upstream();

    void ask(std::span<const uint8_t> query, Answered answered);
    void process(int fd, bool readable, bool writable);
    void process_timeouts();
    std::optional<std::chrono::milliseconds> timeout() const;

private:
    explicit Upstream(Watch watch) : watch_(std::move(watch)) {}
    Status choose(const std::vector<std::string>& resolvers);

    Watch watch_;
    ares_channeldata* channel_ = nullptr;
};

} // namespace cnet::names
