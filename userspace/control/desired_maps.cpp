#include "userspace/control/desired_maps.h"

#include <algorithm>

#include "userspace/base/clock.h"
#include "userspace/control/adopted.h"
#include "userspace/control/attached.h"
#include "userspace/control/desired_bindings.h"
#include "userspace/control/flood_list.h"
#include "userspace/control/overlay.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

// The first subnet of a family is the one whose gateway the data path answers for.
const Subnet* gateway_subnet(const Network& network, bool v4) {
    if (network.mode_of(v4) == Mode::kIsolated) return nullptr;
    auto it = std::find_if(network.subnets.begin(), network.subnets.end(),
                           [&](const Subnet& subnet) { return subnet.prefix.is_v4() == v4; });
    return it == network.subnets.end() ? nullptr : &*it;
}

// Where the families differ, or what one flag for both cannot say.
uint32_t family_flags(const Network& network, bool v4) {
    const Mode mode = network.mode_of(v4);
    const uint32_t direct = v4 ? CNET_PORT_DIRECT4 : CNET_PORT_DIRECT6;
    const uint32_t keep = v4 ? CNET_PORT_KEEP4 : CNET_PORT_KEEP6;
    if (mode == Mode::kRoutedPublished)
        return keep | direct | (v4 ? CNET_PORT_GUARDED4 : CNET_PORT_GUARDED6);
    const uint32_t flags = mode == Mode::kNatUnprotected ? direct : 0;
    return network.masquerade && mode != Mode::kIsolated ? flags : flags | keep;
}

// Those that the host's port has too: they say what the network is.
uint32_t network_flags(const Network& network) {
    const uint32_t both = family_flags(network, true) | family_flags(network, false);
    if (network.mode_of(false) != network.mode) return both;
    switch (network.mode) {
    case Mode::kRouted:
        return CNET_PORT_ROUTED;
    case Mode::kRoutedPublished:
        return CNET_PORT_ROUTED | CNET_PORT_GUARDED4 | CNET_PORT_GUARDED6;
    case Mode::kIsolated:
        return CNET_PORT_ISOLATED;
    case Mode::kNatUnprotected:
        return both;
    case Mode::kNat:
        break;
    }
    return 0;
}

bool masquerades(const Network& network) {
    auto translates = [](Mode mode) { return mode == Mode::kNat || mode == Mode::kNatUnprotected; };
    return network.masquerade && !network.internal &&
           (translates(network.mode) || translates(network.mode_of(false)));
}

// What every port of a network shares.
cnet_port port_template(const Network& network, uint32_t host_ifindex) {
    cnet_port port{};
    port.network_id = network.id;
    port.host_ifindex = host_ifindex;
    port.flags = network_flags(network);
    port.vni = network.vni;
    if (network.is_isolated()) return port; // nothing is addressed to the host
    copy_mac(port.gateway_mac, network.gateway_mac);
    if (network.snat4) port.snat4_be = network.snat4->to_abi().words_be[3];
    if (network.snat6) port.snat6 = network.snat6->to_abi();
    if (const Subnet* subnet = gateway_subnet(network, true)) {
        port.gateway4_be = subnet->gateway.to_abi().words_be[3];
    }
    if (const Subnet* subnet = gateway_subnet(network, false))
        port.gateway6 = subnet->gateway.to_abi();
    return port;
}

// Those of endpoints and attached devices alike.
uint32_t member_flags(const Network& network) {
    uint32_t flags = network_flags(network);
    if (!network.icc) flags |= CNET_PORT_ICC_OFF;
    if (network.is_internal()) flags |= CNET_PORT_INTERNAL;
    if (masquerades(network)) {
        flags |= CNET_PORT_MASQUERADE;
        if (network.nat == Nat::kEndpointIndependent) flags |= CNET_PORT_NAT_INDEPENDENT;
    }
    return flags;
}

// redirect_peer goes around the qdisc that limits what the endpoint is sent.
uint32_t endpoint_flags(const Endpoint& endpoint, const Network& network) {
    uint32_t flags = member_flags(network);
    if (!endpoint.ingress) flags |= CNET_PORT_PEER;
    if (!network.allow_spoofing) flags |= CNET_PORT_CHECK_SOURCE;
    if (network.learning || network.allow_spoofing) flags |= CNET_PORT_LEARNING;
    return flags;
}

// Never CNET_PORT_PEER, whatever the device is: redirect_peer hands each frame to the far end as
// its own, and behind an attached device there may be others.
uint32_t attached_flags(const Network& network) {
    return CNET_PORT_LEARNING | member_flags(network);
}

// Leases matter where sources are checked.
uint32_t dhcp_flag(const Network& network) {
    return network.allow_spoofing ? 0 : CNET_PORT_DHCP;
}

void add_static_fdb(MapContents& maps, NetworkId network, const MacAddress& mac, uint32_t ifindex,
                    uint32_t port_flags) {
    cnet_fdb_key key{};
    key.network_id = network;
    copy_mac(key.mac, mac);
    cnet_fdb_entry entry{};
    entry.ifindex = ifindex;
    entry.port_flags = port_flags;
    entry.flags = CNET_FDB_STATIC;
    maps.fdb[key] = entry;
}

// An uplink's own MAC, for the program that runs before the kernel has looked at it.
void add_uplink_mac(MapContents& maps, const State& state, const netlink::LinkInfo& link) {
    if (!state.xdp_uplinks.contains(link.name)) return;
    add_static_fdb(maps, CNET_ZONE_WORLD, link.mac, link.ifindex, 0);
}

void add_neigh(MapContents& maps, const Network& network, const IpAddress& address,
               const MacAddress& mac, uint32_t ifindex, uint32_t port_flags,
               EndpointId endpoint_id) {
    cnet_neigh_key key{};
    key.network_id = network.id;
    key.addr = address.to_abi();
    cnet_neigh_entry entry{};
    entry.ifindex = ifindex;
    entry.port_flags = port_flags;
    entry.endpoint_id = endpoint_id;
    entry.mtu = network.mtu;
    copy_mac(entry.mac, mac);
    copy_mac(entry.gateway_mac, network.gateway_mac);
    maps.neigh[key] = entry;
}

void add_host_port(MapContents& maps, FloodMembers& flood, const Network& network,
                   const HostPort& host) {
    cnet_port port = port_template(network, host.outer->ifindex);
    port.flags |= CNET_PORT_HOST;
    copy_mac(port.mac, network.gateway_mac);
    // The program sits on the inner end; a route or a packet through the outer one is known as
    // ours.
    for (uint32_t ifindex : {host.inner->ifindex, host.outer->ifindex}) {
        maps.port[ifindex] = port;
        maps.port[ifindex].flags |= dhcp_flag(network);
    }
    if (network.is_isolated()) return; // nothing is sent to the host
    flood[host.outer->ifindex] = port.flags;
    add_static_fdb(maps, network.id, network.gateway_mac, host.outer->ifindex, port.flags);
    for (const Subnet& subnet : network.subnets) {
        if (network.mode_of(subnet.prefix.is_v4()) == Mode::kIsolated) continue;
        add_neigh(maps, network, subnet.gateway, network.gateway_mac, host.outer->ifindex,
                  port.flags, 0);
        cnet_host_addr entry{};
        entry.ifindex = host.outer->ifindex;
        maps.host_addr[subnet.gateway.to_abi()] = entry;
    }
}

void add_endpoint(MapContents& maps, FloodMembers& flood, const Network& network,
                  const Endpoint& endpoint, uint32_t ifindex, uint32_t host_ifindex) {
    cnet_port port = port_template(network, host_ifindex);
    port.endpoint_id = endpoint.id;
    port.flags = endpoint_flags(endpoint, network);
    copy_mac(port.mac, endpoint.mac);
    for (const IpPrefix& address : endpoint.addresses) {
        if (address.is_v4() && port.addr4_be == 0) {
            port.addr4_be = address.address().to_abi().words_be[3];
        }
        if (!address.is_v4() && IpAddress::from_abi(port.addr6).is_unspecified()) {
            port.addr6 = address.address().to_abi();
        }
        add_neigh(maps, network, address.address(), endpoint.mac, ifindex, port.flags, endpoint.id);
    }
    maps.port[ifindex] = port;
    flood[ifindex] = port.flags;
    add_static_fdb(maps, network.id, endpoint.mac, ifindex, port.flags);
}

void add_leases(MapContents& maps, const State& state, const Observed& observed) {
    for (const auto& [id, lease] : state.leases) {
        const Endpoint& endpoint = state.endpoints.at(id);
        const netlink::LinkInfo* link = find_endpoint_link(endpoint, observed);
        if (!link) continue;
        const Network& network = state.networks.at(endpoint.network_id);
        add_neigh(maps, network, lease.address, endpoint.mac, link->ifindex,
                  endpoint_flags(endpoint, network), id);
    }
}

void add_attached(MapContents& maps, FloodMembers& flood, const Network& network, uint32_t ifindex,
                  uint32_t host_ifindex) {
    cnet_port port = port_template(network, host_ifindex);
    port.flags = attached_flags(network);
    maps.port[ifindex] = port;
    maps.port[ifindex].flags |= dhcp_flag(network);
    flood[ifindex] = port.flags;
}

// An entry of whoever is at a device now; nothing while the device is not there.
void add_stated_fdb(MapContents& maps, const StaticFdb& entry, const State& state,
                    const Observed& observed) {
    if (entry.peer_id != 0) return; // add_overlay()
    const Network& network = state.networks.at(entry.network_id);
    const Endpoint* endpoint =
        entry.device.empty() ? &state.endpoints.at(entry.endpoint_id) : nullptr;
    const netlink::LinkInfo* link =
        endpoint ? find_endpoint_link(*endpoint, observed)
                 : find_attached_link(state.attached.at(entry.device), state, observed);
    if (!link) return;
    add_static_fdb(maps, network.id, entry.mac, link->ifindex,
                   endpoint ? endpoint_flags(*endpoint, network) : attached_flags(network));
}

void add_network(MapContents& maps, const Network& network, const HostPort& host,
                 const FloodMembers& flood, const State& state, const Observed& observed) {
    cnet_network entry{};
    entry.flags = state.is_open(network) ? CNET_NETWORK_OPEN : 0;
    entry.mtu = network.mtu;
    entry.flood_ports = place_flood_ports(maps.flood, network.id, flood, observed.maps.flood);
    entry.mac_limit = network.mac_limit;
    entry.ageing_s = network.ageing_s;
    if (network.flood_limit > 0)
        entry.flood_interval_ns = static_cast<uint32_t>(kSecondNs / network.flood_limit);
    entry.host_ifindex = host ? host.outer->ifindex : 0;
    maps.network[network.id] = entry;
    maps.fdb_count[network.id] = 0;
}

// A bucket for each port and peer that floods a network with a limit. The host is not limited.
void add_flood_rates(MapContents& maps) {
    auto is_limited = [&](NetworkId id) {
        auto it = maps.network.find(id);
        return it != maps.network.end() && it->second.flood_interval_ns != 0;
    };
    for (const auto& [ifindex, port] : maps.port) {
        if (!(port.flags & CNET_PORT_HOST) && is_limited(port.network_id))
            maps.flood_rate[{port.network_id, ifindex, 0}] = 0;
    }
    for (const auto& [vni, network] : maps.vni) {
        if (!is_limited(network.network_id)) continue;
        for (const auto& [id, peer] : maps.peer)
            maps.flood_rate[{network.network_id, 0, id}] = 0;
    }
}

// Whatever sends for itself has one. The host has none, but its end of an adopted bridge stands for
// what the kernel forwards from there.
void add_quotas(MapContents& maps, uint32_t max_flows) {
    if (max_flows == 0) return;
    for (const auto& [ifindex, port] : maps.port) {
        if (!(port.flags & CNET_PORT_HOST) || port.flags & CNET_PORT_BRIDGED)
            maps.quota[ifindex] = {max_flows, 0, 0};
    }
}

void add_host_addresses(MapContents& maps, const State& state, const Observed& observed) {
    for (const auto& [name, link] : observed.links) {
        // Our own devices' are the networks' gateways, which are in already.
        if (is_own_device(link, state)) continue;
        auto it = observed.addresses.find(link.ifindex);
        if (it == observed.addresses.end()) continue;
        for (const netlink::AddressInfo& address : it->second) {
            if (address.prefix.address().is_loopback() || address.tentative) continue;
            cnet_host_addr entry{};
            entry.ifindex = link.ifindex;
            maps.host_addr[address.prefix.address().to_abi()] = entry;
        }
    }
}

void mark_published(MapContents& maps, const State& state, const Observed& observed) {
    for (const auto& [id, port] : state.ports) {
        if (port.behind || state.is_direct(port)) continue; // add_adopted()
        const auto* link = find_endpoint_link(state.endpoints.at(port.endpoint_id), observed);
        if (link) maps.port[link->ifindex].flags |= CNET_PORT_PUBLISHED;
    }
}

} // namespace

void copy_mac(__u8 (&to)[CNET_MAC_LEN], const MacAddress& from) {
    std::copy(from.bytes().begin(), from.bytes().end(), to);
}

HostPort find_host_port(const Network& network, const Observed& observed) {
    const netlink::LinkInfo* outer = observed.find(network.host_port_outer());
    const netlink::LinkInfo* inner = observed.find(network.host_port_inner());
    if (!outer || !inner || !is_of(*outer, network)) return {};
    return {outer, inner};
}

const netlink::LinkInfo* find_endpoint_link(const Endpoint& endpoint, const Observed& observed) {
    const netlink::LinkInfo* link = observed.find(endpoint.host_ifname());
    return link && is_of(*link, endpoint) ? link : nullptr;
}

MapContents desired_maps(const State& state, const Observed& observed) {
    MapContents maps;
    std::map<NetworkId, FloodMembers> flood;
    std::map<NetworkId, HostPort> hosts;
    for (const auto& [id, network] : state.networks) {
        hosts[id] = find_host_port(network, observed);
        if (hosts[id]) add_host_port(maps, flood[id], network, hosts[id]);
    }
    for (const auto& [id, endpoint] : state.endpoints) {
        const netlink::LinkInfo* link = find_endpoint_link(endpoint, observed);
        if (!link) continue;
        const HostPort& host = hosts[endpoint.network_id];
        add_endpoint(maps, flood[endpoint.network_id], state.networks.at(endpoint.network_id),
                     endpoint, link->ifindex, host ? host.outer->ifindex : 0);
    }
    add_leases(maps, state, observed);
    mark_published(maps, state, observed);
    for (const auto& [name, attached] : state.attached) {
        const netlink::LinkInfo* link = find_attached_link(attached, state, observed);
        if (!link) continue;
        const HostPort& host = hosts[attached.network_id];
        add_attached(maps, flood[attached.network_id], state.networks.at(attached.network_id),
                     link->ifindex, host ? host.outer->ifindex : 0);
    }
    for (const StaticFdb& entry : state.fdb)
        add_stated_fdb(maps, entry, state, observed);
    for (const auto& [id, network] : state.networks) {
        add_network(maps, network, hosts[id], flood[id], state, observed);
    }
    add_adopted(maps, state, observed);
    add_overlay(maps, state, observed);
    add_flood_rates(maps);
    add_quotas(maps, state.endpoint_flows);
    add_host_addresses(maps, state, observed);
    for (const ChosenUplink& uplink : choose_uplinks(state, observed)) {
        maps.uplink[uplink.link->ifindex] = uplink_entry(*uplink.link, observed);
        add_uplink_mac(maps, state, *uplink.link);
    }
    add_bindings(maps, state, observed);
    return maps;
}

} // namespace cnet::control
