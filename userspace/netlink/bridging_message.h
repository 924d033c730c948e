// Bridges, their ports and their addresses out of the kernel's own messages about them.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "userspace/netlink/bridging.h"

struct nlmsghdr;

namespace cnet::netlink {

// A veth's far end: its index there, and the number of the namespace as seen from here.
struct FarEnd {
    uint32_t port;
    uint32_t ifindex;
    uint32_t netns_id;
};

// What a message about a device says: of a bridge among `wanted`, or of a port of one. Far ends of
// ports that are in other namespaces are added to `far_ends`, to be asked for there.
void add_link(nlmsghdr* message, const std::set<uint32_t>& wanted, Bridging& found,
              std::vector<FarEnd>& far_ends);

// An address of `bridge` out of the list of them.
void add_address(nlmsghdr* message, uint32_t bridge, BridgeInfo& info);

} // namespace cnet::netlink
