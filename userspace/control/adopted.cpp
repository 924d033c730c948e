#include "userspace/control/adopted.h"

#include <algorithm>

#include "userspace/control/desired_maps.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

// What the bridge does at this port and we would not.
std::string port_objection(const netlink::BridgePortInfo& port) {
    if (!port.forwarding) return "the bridge does not forward there";
    if (port.isolated) return "it is isolated";
    if (port.locked) return "it is locked";
    if (!port.learning) return "it has learning off";
    if (port.has_backup) return "it has a backup port";
    return {};
}

uint32_t ageing_of(const netlink::BridgeInfo& bridge) {
    // While the tree changes, a bridge forgets that fast.
    if (!bridge.stp || bridge.forward_delay_s == 0) return bridge.ageing_s;
    return std::min(bridge.ageing_s, bridge.forward_delay_s);
}

const netlink::BridgeInfo* find_usable(const AdoptedBridge& adopted, const Observed& observed) {
    const netlink::LinkInfo* link = find_adopted_link(adopted, observed);
    if (!link) return nullptr;
    auto info = observed.bridging.bridges.find(link->ifindex);
    if (info == observed.bridging.bridges.end()) return nullptr;
    const bool objects = !adopted_objection(adopted, info->second, observed.bridging).empty();
    return objects ? nullptr : &info->second;
}

// Of every port, also of one that is left to the bridge, and of the bridge's own device.
uint32_t limits_of(const AdoptedBridge& adopted) {
    uint32_t flags = 0;
    if (!adopted.icc) flags |= CNET_PORT_ICC_OFF;
    if (adopted.internal) flags |= CNET_PORT_INTERNAL;
    return flags;
}

uint32_t outside_flags(const Outside& outside, uint32_t keep, uint32_t direct, uint32_t guarded) {
    const bool routed = outside.gateway == Gateway::kRouted;
    const bool open = routed || outside.gateway == Gateway::kUnprotected ||
                      outside.gateway == Gateway::kKeptUnprotected;
    return (outside.masquerades() ? 0 : keep) | (open ? direct : 0) | (routed ? guarded : 0);
}

// What of the bridge's packets are ours to route. Any published port of the host is reached from
// behind any adopted bridge.
uint32_t routed_of(const AdoptedBridge& adopted, const State& state) {
    uint32_t flags = 0;
    if (adopted.internal || is_way_out(adopted, state)) return flags;
    if (adopted.masquerade)
        flags |=
            CNET_PORT_MASQUERADE |
            outside_flags(adopted.outside4, CNET_PORT_KEEP4, CNET_PORT_DIRECT4,
                          CNET_PORT_GUARDED4) |
            outside_flags(adopted.outside6, CNET_PORT_KEEP6, CNET_PORT_DIRECT6, CNET_PORT_GUARDED6);
    if (!state.ports.empty()) flags |= CNET_PORT_PUBLISHED;
    return flags;
}

uint32_t flags_of(const AdoptedPort& port, const AdoptedBridge& adopted, const State& state) {
    uint32_t flags = CNET_PORT_LEARNING | limits_of(adopted);
    if (!port.left.empty()) {
        flags |= CNET_PORT_BRIDGED;
        // What the bridge takes there for the host, and is of a published port, is ours as
        // anywhere.
        const bool taken = port.info->forwarding && !port.info->locked;
        return taken ? flags | (routed_of(adopted, state) & CNET_PORT_PUBLISHED) : flags;
    }
    if (port.info->far_mac && !port.info->shaped) flags |= CNET_PORT_PEER;
    return flags | routed_of(adopted, state);
}

// What every port, and the bridge's own device, has in common.
cnet_port shared_part(const AdoptedBridge& adopted, const netlink::LinkInfo& link,
                      const State& state, const Observed& observed) {
    cnet_port port{};
    port.network_id = adopted.network_id;
    port.host_ifindex = link.ifindex;
    if (!is_routed(adopted, state)) return port;
    copy_mac(port.gateway_mac, link.mac);
    if (adopted.outside4.snat) port.snat4_be = adopted.outside4.snat->to_abi().words_be[3];
    if (adopted.outside6.snat) port.snat6 = adopted.outside6.snat->to_abi();
    auto addresses = observed.addresses.find(link.ifindex);
    if (addresses == observed.addresses.end()) return port;
    for (const netlink::AddressInfo& address : addresses->second) {
        const IpAddress& own = address.prefix.address();
        if (!address.is_stable()) continue;
        if (own.is_v4() && port.gateway4_be == 0) port.gateway4_be = own.to_abi().words_be[3];
        if (!own.is_v4() && IpAddress::from_abi(port.gateway6).is_unspecified())
            port.gateway6 = own.to_abi();
    }
    return port;
}

// The bridge alone sends there.
void add_stated(MapContents& maps, const AdoptedBridge& adopted, const std::set<MacAddress>& macs,
                uint32_t bridge, uint32_t port_flags) {
    for (const MacAddress& mac : macs) {
        cnet_fdb_key key{};
        key.network_id = adopted.network_id;
        copy_mac(key.mac, mac);
        cnet_fdb_entry entry{};
        entry.ifindex = bridge;
        entry.port_flags = port_flags | CNET_PORT_BRIDGED;
        entry.flags = CNET_FDB_STATIC;
        maps.fdb[key] = entry;
    }
}

void add_bridge(MapContents& maps, const AdoptedBridge& adopted, const netlink::BridgeInfo& info,
                const State& state, const Observed& observed) {
    const netlink::LinkInfo& link = *find_adopted_link(adopted, observed);
    cnet_network network{};
    // Nobody states who is on it; the kernel's neighbour table knows.
    if (routed_of(adopted, state) != 0) network.flags = CNET_NETWORK_OPEN | CNET_NETWORK_ADOPTED;
    network.mac_limit = kAdoptedMacLimit;
    network.ageing_s = ageing_of(info);
    network.host_ifindex = link.ifindex;
    network.mtu = link.mtu;
    maps.network[adopted.network_id] = network;
    maps.fdb_count[adopted.network_id] = 0;
    add_stated(maps, adopted, info.stated, link.ifindex, 0);
    add_stated(maps, adopted, info.own, link.ifindex, CNET_PORT_HOST);
    for (const std::string& device : adopted.trusted)
        if (const netlink::LinkInfo* from = observed.find(device))
            maps.trusted[{adopted.network_id, from->ifindex}] = 1;

    const cnet_port shared = shared_part(adopted, link, state, observed);
    for (const AdoptedPort& one : adopted_ports(adopted, state, observed)) {
        cnet_port& port = maps.port[one.link->ifindex] = shared;
        port.flags = flags_of(one, adopted, state);
        if (one.info->far_mac) copy_mac(port.mac, *one.info->far_mac);
    }
    cnet_port& own = maps.port[link.ifindex] = shared;
    own.flags = CNET_PORT_HOST | CNET_PORT_BRIDGED | limits_of(adopted) | routed_of(adopted, state);
    copy_mac(own.mac, link.mac);
}

} // namespace

std::string bridge_objection(const netlink::BridgeInfo& bridge) {
    if (bridge.vlan_filtering) return "it filters VLANs (vlan_filtering)";
    if (bridge.ageing_s == 0) return "it remembers no address (ageing_time 0)";
    return {};
}

bool is_way_out(const AdoptedBridge& adopted, const State& state) {
    auto uplink = state.uplinks.find(adopted.bridge);
    return uplink != state.uplinks.end() && uplink->second;
}

bool is_routed(const AdoptedBridge& adopted, const State& state) {
    return routed_of(adopted, state) != 0;
}

std::string adopted_objection(const AdoptedBridge& adopted, const netlink::BridgeInfo& bridge,
                              const netlink::Bridging& bridging) {
    std::string objection = bridge_objection(bridge);
    if (!objection.empty() || !adopted.docker) return objection;
    if (adopted.is_left()) return adopted.docker->left;
    // Nobody asked for this bridge by its name, so what would see less of it decides.
    if (bridging.rules) return "there are nftables rules of the bridge family";
    if (bridging.ebtables) return "there are ebtables rules";
    const bool filtered = bridging.netfilter || bridge.calls_netfilter;
    return filtered ? adopted.docker->filtered : std::string();
}

const netlink::LinkInfo* find_adopted_link(const AdoptedBridge& adopted, const Observed& observed) {
    const netlink::LinkInfo* link = observed.find(adopted.bridge);
    return link && link->kind == "bridge" ? link : nullptr;
}

std::vector<AdoptedPort> adopted_ports(const AdoptedBridge& adopted, const State& state,
                                       const Observed& observed) {
    std::vector<AdoptedPort> ports;
    if (!find_usable(adopted, observed)) return ports;
    const uint32_t bridge = find_adopted_link(adopted, observed)->ifindex;
    for (const auto& [name, link] : observed.links) {
        if (link.master != bridge || !link.has_ethernet || is_own_device(link, state)) continue;
        // Its frames meet the uplink's programs; on clsact there is room for one of ours.
        if (auto uplink = state.uplinks.find(name); uplink != state.uplinks.end() && uplink->second)
            continue;
        auto info = observed.bridging.ports.find(link.ifindex);
        if (info == observed.bridging.ports.end()) continue;
        ports.push_back({&link, &info->second, port_objection(info->second)});
    }
    return ports;
}

void add_adopted(MapContents& maps, const State& state, const Observed& observed) {
    for (const auto& [name, adopted] : state.adopted) {
        if (const netlink::BridgeInfo* info = find_usable(adopted, observed))
            add_bridge(maps, adopted, *info, state, observed);
    }
}

std::vector<AttachHook> adopted_hooks(const State& state, const Observed& observed) {
    std::vector<AttachHook> hooks;
    for (const auto& [name, adopted] : state.adopted) {
        if (!find_usable(adopted, observed)) continue;
        const netlink::LinkInfo& bridge = *find_adopted_link(adopted, observed);
        if (!is_way_out(adopted, state))
            hooks.push_back({{CNET_HOOK_BRIDGE, bridge.ifindex}, true, bridge.name});
        for (const AdoptedPort& port : adopted_ports(adopted, state, observed)) {
            hooks.push_back({{CNET_HOOK_BRIDGE_PORT, port.link->ifindex}, true, port.link->name});
        }
    }
    return hooks;
}

} // namespace cnet::control
