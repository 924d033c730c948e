// What the kernel's bridges and their ports are set to, as far as it decides whether frames may go
// past a bridge.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "userspace/base/ip.h"
#include "userspace/base/result.h"

struct nl_sock;

namespace cnet::netlink {

struct BridgeInfo {
    bool vlan_filtering = false;
    bool stp = false;
    bool calls_netfilter = false; // of this bridge alone
    uint32_t ageing_s = 0;        // 0: it remembers nothing
    uint32_t forward_delay_s = 0;
    std::set<MacAddress> own;    // its own and its ports', and what somebody gave it as that
    std::set<MacAddress> stated; // what somebody added at a port

    bool operator==(const BridgeInfo&) const = default;
};

struct BridgePortInfo {
    bool forwarding = false; // by the spanning tree; a port that is down never does
    bool learning = true;
    bool isolated = false;
    bool locked = false;
    bool has_backup = false;
    bool shaped = false;               // a queueing discipline sees what is sent
    std::optional<MacAddress> far_mac; // of a veth whose far end is in another namespace

    bool operator==(const BridgePortInfo&) const = default;
};

struct Bridging {
    std::map<uint32_t, BridgeInfo> bridges; // by ifindex
    std::map<uint32_t, BridgePortInfo> ports;
    bool netfilter = false; // br_netfilter hands bridged packets to iptables, for every bridge
    bool rules = false;     // nftables has tables of the bridge family
    bool ebtables = false;  // the older ebtables has rules

    bool operator==(const Bridging&) const = default;
};

// Of these bridges, by ifindex; one that is none is left out. In the namespace of the socket, which
// the calling thread must be in.
Result<Bridging> read_bridging(nl_sock* socket, const std::set<uint32_t>& bridges);

} // namespace cnet::netlink
