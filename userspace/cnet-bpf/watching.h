// What monitor and capture have in common: what they are asked for, and the wait for it.
#pragma once

#include <functional>
#include <optional>

#include "maps/watch.h"
#include "userspace/cnet-bpf/context.h"
#include "userspace/cnet-bpf/monitor_words.h"

namespace cnet::cli {

struct WatchRequest {
    cnet_watcher wanted{};
    std::optional<uint64_t> count; // of events, then it ends
    MonitorNames names;            // none without cnetd: numbers do
};

// Of an option that counts: 1 to `most`, `usual` when it is not given. kInvalid for another.
Result<uint32_t> number_of(const Arguments& arguments, const std::string& option, uint32_t usual,
                           uint32_t most);

// By filter words, --sample and --count. `usual` are the kinds of events that are wanted unless
// words say which. kInvalid for words that make no sense.
Result<WatchRequest> read_watch(Context& context, const Arguments& arguments, uint32_t usual);
int fail_watch(const Context& context, const std::string& command, const Error& error);

struct WatchVisitor {
    std::function<void(const cnet_event& event, std::span<const uint8_t> frame)> event;
    // After each wait, with all that was lost so far. An error ends it.
    std::function<Status(uint64_t lost)> turn;
    bool prints = true; // on standard output
};

// Until somebody interrupts it, `count` have come, or nobody reads any more what it prints; an exit
// status.
int watch(const Context& context, const WatchRequest& request, const WatchVisitor& visitor);

// As a JSON document or a line, as the settings have it.
void print_event(const Context& context, const cnet_event& event, const MonitorNames& names);

// Since 1970, of what happened at `monotonic_ns`.
uint64_t wall_ns_of(uint64_t monotonic_ns);

} // namespace cnet::cli
