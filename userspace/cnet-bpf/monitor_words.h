// What `monitor` is asked for, and what it shows of an event.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "maps/abi.h"
#include "maps/abi_event.h"
#include "userspace/base/result.h"
#include "userspace/cnet-bpf/json.h"

namespace cnet::cli {

// The names that cnetd knows; all empty while it is dead.
struct MonitorNames {
    std::map<std::string, uint32_t> endpoints; // to ifindex
    std::map<std::string, uint32_t> networks;  // to id
    std::map<uint32_t, std::string> devices;   // by ifindex
};

// "drops", "flows", "macs", "packets", and pairs: endpoint, device, network, hook, reason, proto,
// addr, port.
// `usual` are the kinds of events when no word names one.
Result<cnet_watcher> parse_monitor(const std::vector<std::string>& words, const MonitorNames& names,
                                   uint32_t usual);

// `wall_ns` is when it was, since 1970.
Json event_json(const cnet_event& event, uint64_t wall_ns, const MonitorNames& names);
// One line for people.
std::string event_text(const Json& event);
// The same without when and how long.
std::string event_words(const Json& event);

} // namespace cnet::cli
