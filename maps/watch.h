// Watching the programs at work: one of CNET_WATCHERS places, and a ring buffer of its own. It does
// not need the daemon. Nothing that a watcher does, or fails to do, holds a packet up: one that is
// slow loses events, and one that is killed is forgotten after kWatchLease.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "maps/abi.h"
#include "maps/abi_event.h"
#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

struct ring_buffer;

namespace cnet::maps {

inline constexpr std::chrono::seconds kWatchLease{3};
inline constexpr std::chrono::milliseconds kWatchTurn{500};

class Watch {
public:
    // `frame` is as much as was wanted of it, as the program left it. false: enough.
    using Visitor = std::function<bool(const cnet_event& event, std::span<const uint8_t> frame)>;

    // `wanted.until_ns` is not looked at. kNotFound: no data path is running; kExhausted: there are
    // as many watchers as there may be.
    static Result<std::unique_ptr<Watch>> begin(const std::filesystem::path& pins,
                                                const cnet_watcher& wanted);
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch();

    // Waits for events; false once `visit` has had enough. To be called again within the lease.
    Result<bool> poll(const Visitor& visit, std::chrono::milliseconds at_most = kWatchTurn);
    // Since begin().
    Result<uint64_t> lost() const;

private:
    Watch() = default;
    Status open(const std::filesystem::path& pins);
    Status claim();
    void renew();
    Result<uint64_t> lost_ever() const;
    static int take(void* context, void* data, size_t size);

    UniqueFd state_fd_, cpu_fd_, rings_fd_, ring_fd_;
    cnet_watch* state_ = nullptr; // shared with the programs
    uint32_t place_ = CNET_WATCHERS;
    uint32_t kinds_ = 0;
    uint64_t lost_before_ = 0;
    ring_buffer* ring_ = nullptr;
    const Visitor* visit_ = nullptr; // while poll() runs
};

} // namespace cnet::maps
