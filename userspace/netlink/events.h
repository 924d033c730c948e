// What the kernel's notifications say of links, addresses, routes and devices' settings.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "userspace/netlink/rtnl.h"

namespace cnet::netlink {

struct LinkNews {
    std::optional<LinkInfo> now; // none: gone, or moved to another namespace
    // Gone at some time: what is there now has nothing of what the former had but its index.
    bool was_gone = false;

    bool operator==(const LinkNews&) const = default;
};

struct Events {
    std::map<uint32_t, LinkNews> links; // by ifindex, as last told
    std::set<uint32_t> addresses;       // ifindexes of those whose addresses changed
    bool bridging_changed = false;      // a bridge's port has another state or setting
    bool routes_changed = false;
    bool settings_changed = false; // forwarding and the like, of either family
    bool overrun = false;          // some were lost, or not understood: re-read everything

    bool any() const {
        return !links.empty() || !addresses.empty() || bridging_changed || routes_changed ||
               settings_changed || overrun;
    }
    // What came after.
    void add(Events later);
};

// Adds what the messages of a datagram say. It begins where an nlmsghdr may; libnl wants to write.
void note_all(std::span<char> datagram, Events& events);

} // namespace cnet::netlink
