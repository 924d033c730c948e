#include "userspace/control/overlay.h"

#include <algorithm>
#include <set>

#include "userspace/control/desired_maps.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

// Outer IP, UDP and VXLAN headers, and the inner Ethernet header.
constexpr uint32_t kOverhead4 = 20 + 8 + 8 + 14;
constexpr uint32_t kOverhead6 = 40 + 8 + 8 + 14;
constexpr uint32_t kUnderlayMtu = 1500; // while nothing is known of it
// What a vxlan device takes at most; the network's own MTU is what counts.
constexpr uint32_t kDeviceMtu = 65535 - kOverhead6;
// RFC 8200's least: below it the kernel takes IPv6 off a device.
constexpr uint32_t kMtuMin = 1280;

const IpAddress kAnyV4 = IpAddress::from_v4(0);

using NetworkPeers = std::set<std::pair<NetworkId, PeerId>>;

uint32_t overhead(const IpAddress& vtep) {
    return vtep.is_v4() ? kOverhead4 : kOverhead6;
}

std::optional<Vtep> configured_vtep(const State& state, const Observed& observed, bool v4) {
    const auto& wanted = v4 ? state.overlay.address4 : state.overlay.address6;
    if (!wanted) return std::nullopt;
    for (const auto& [ifindex, addresses] : observed.addresses) {
        for (const netlink::AddressInfo& address : addresses) {
            const netlink::LinkInfo* link = observed.find(ifindex);
            if (link && !address.tentative && address.prefix.address() == *wanted)
                return Vtep{*wanted, link->mtu};
        }
    }
    return std::nullopt;
}

std::optional<Vtep> uplink_vtep(const State& state, const Observed& observed,
                                const IpAddress& remote) {
    std::optional<Vtep> first;
    for (const ChosenUplink& uplink : choose_uplinks(state, observed)) {
        auto it = observed.addresses.find(uplink.link->ifindex);
        if (it == observed.addresses.end() || is_vtep(*uplink.link)) continue;
        for (const netlink::AddressInfo& address : it->second) {
            if (!address.is_stable() || address.prefix.is_v4() != remote.is_v4()) continue;
            const Vtep vtep{address.prefix.address(), uplink.link->mtu};
            const IpPrefix subnet(address.prefix.network(), address.prefix.length());
            if (subnet.contains(remote)) return vtep;
            if (!first) first = vtep;
        }
    }
    return first;
}

uint32_t overlay_mtu(const State& state, const Observed& observed) {
    std::optional<uint32_t> least;
    auto note = [&](const IpAddress& remote) {
        const auto vtep = local_vtep(state, observed, remote);
        if (!vtep) return;
        const uint32_t mtu = vtep->mtu - std::min(vtep->mtu, overhead(remote));
        least = std::min(least.value_or(mtu), mtu);
    };
    for (const auto& [id, peer] : state.peers)
        note(peer.address);
    if (!least) note(kAnyV4);
    if (!least) note(IpAddress());
    return std::max(least.value_or(kUnderlayMtu - kOverhead4), kMtuMin);
}

cnet_vni vni_entry(const Network& network) {
    cnet_vni entry{};
    entry.network_id = network.id;
    entry.port_flags = CNET_PORT_REMOTE;
    if (network.peer_learning) entry.port_flags |= CNET_PORT_LEARNING;
    if (!network.icc) entry.port_flags |= CNET_PORT_ICC_OFF;
    return entry;
}

void add_own_vtep(MapContents& maps, const IpAddress& address) {
    maps.vtep[address.to_abi()] = cnet_vtep{};
}

// The ids of those that this host has a way to, that is an address of the family.
std::vector<PeerId> add_peers(MapContents& maps, const State& state, const Observed& observed,
                              uint32_t device_ifindex) {
    std::vector<PeerId> ids;
    for (const IpAddress& any : {kAnyV4, IpAddress()}) {
        if (const auto own = local_vtep(state, observed, any)) add_own_vtep(maps, own->address);
    }
    const VxlanReceiver receiver = find_receiver(state, observed);
    for (const auto& [id, peer] : state.peers) {
        const auto local = local_vtep(state, observed, peer.address);
        if (!local) continue;
        cnet_peer entry{};
        entry.remote = peer.address.to_abi();
        entry.local = local->address.to_abi();
        entry.device_ifindex = device_ifindex;
        maps.peer[id] = entry;
        add_own_vtep(maps, local->address);
        cnet_vtep vtep{};
        vtep.peer_id = id;
        vtep.local = local->address.to_abi();
        vtep.receiver_ifindex = receiver ? receiver.entrance->ifindex : 0;
        maps.vtep[peer.address.to_abi()] = vtep;
        ids.push_back(id);
    }
    return ids;
}

// Who of the cluster has nothing in the network needs none of its floods; of a peer that was added
// by hand nobody knows.
bool gets_floods(const Network& network, const Peer& peer, const NetworkPeers& with_endpoints) {
    return !network.clustered || !peer.clustered || with_endpoints.contains({network.id, peer.id});
}

void add_network(MapContents& maps, const Network& network, const State& state,
                 const std::vector<PeerId>& peers, const NetworkPeers& with_endpoints) {
    maps.vni[network.vni] = vni_entry(network);
    cnet_network& entry = maps.network[network.id];
    entry.vni = network.vni;
    for (PeerId id : peers) {
        if (entry.flood_peers == CNET_FLOOD_PEERS_MAX) break;
        if (!gets_floods(network, state.peers.at(id), with_endpoints)) continue;
        maps.flood_peer[{network.id, entry.flood_peers++}] = id;
    }
}

cnet_fdb_key fdb_key(NetworkId network, const MacAddress& mac) {
    cnet_fdb_key key{};
    key.network_id = network;
    copy_mac(key.mac, mac);
    return key;
}

cnet_fdb_entry fdb_entry(PeerId peer) {
    cnet_fdb_entry entry{};
    entry.port_flags = CNET_PORT_REMOTE;
    entry.flags = CNET_FDB_STATIC;
    entry.peer_id = peer;
    return entry;
}

// Whatever is this host's own, or was stated by hand, stands.
void add_remote(MapContents& maps, const Network& network, const RemoteEndpoint& remote) {
    if (remote.mac.is_zero()) return;
    maps.fdb.emplace(fdb_key(network.id, remote.mac), fdb_entry(remote.peer_id));
    cnet_neigh_entry entry{};
    entry.port_flags = CNET_PORT_REMOTE;
    entry.peer_id = remote.peer_id;
    entry.mtu = network.mtu;
    copy_mac(entry.mac, remote.mac);
    copy_mac(entry.gateway_mac, network.gateway_mac);
    for (const IpAddress& address : remote.addresses) {
        cnet_neigh_key key{};
        key.network_id = network.id;
        key.addr = address.to_abi();
        maps.neigh.emplace(key, entry);
    }
}

const netlink::LinkInfo* find_kept(const char* name, const State& state, const Observed& observed) {
    const netlink::LinkInfo* link = observed.find(name);
    return link && link->alias == alias_of(state.overlay) ? link : nullptr;
}

} // namespace

bool has_overlay(const State& state) {
    return std::any_of(state.networks.begin(), state.networks.end(),
                       [](const auto& entry) { return entry.second.is_overlay(); });
}

netlink::VxlanSpec vxlan_spec(const State& state) {
    netlink::VxlanSpec spec;
    spec.name = kVxlanDevice;
    spec.alias = alias_of(state.overlay);
    spec.port = state.overlay.port;
    spec.source_port_min = CNET_VXLAN_PORT_MIN;
    spec.source_port_max = CNET_VXLAN_PORT_MAX;
    spec.mtu = kDeviceMtu;
    return spec;
}

const netlink::LinkInfo* find_vxlan_link(const State& state, const Observed& observed) {
    return has_overlay(state) ? find_kept(kVxlanDevice, state, observed) : nullptr;
}

bool has_receiver(const State& state) {
    return has_overlay(state) && !state.overlay.receiver_netns.empty();
}

netlink::VxlanReceiverSpec receiver_spec(const State& state) {
    netlink::VxlanReceiverSpec spec;
    spec.vxlan = vxlan_spec(state);
    spec.vxlan.name = kVxlanReceiver;
    spec.entrance = kVxlanEntrance;
    spec.netns = state.overlay.receiver_netns;
    return spec;
}

VxlanReceiver find_receiver(const State& state, const Observed& observed) {
    if (!has_receiver(state)) return {};
    const VxlanReceiver found{find_kept(kVxlanReceiver, state, observed),
                              find_kept(kVxlanEntrance, state, observed)};
    return found ? found : VxlanReceiver();
}

std::optional<Vtep> local_vtep(const State& state, const Observed& observed,
                               const IpAddress& remote) {
    const bool v4 = remote.is_v4();
    if (v4 ? state.overlay.address4 : state.overlay.address6)
        return configured_vtep(state, observed, v4);
    return uplink_vtep(state, observed, remote);
}

void derive_mtus(State& state, const Observed& observed) {
    std::optional<uint32_t> mtu;
    for (auto& [id, network] : state.networks) {
        if (!network.mtu_derived) continue;
        if (!mtu) mtu = overlay_mtu(state, observed);
        network.mtu = *mtu;
    }
}

void add_overlay(MapContents& maps, const State& state, const Observed& observed) {
    const netlink::LinkInfo* device = find_vxlan_link(state, observed);
    if (!device) return;
    const auto peers = add_peers(maps, state, observed, device->ifindex);
    NetworkPeers with_endpoints;
    for (const auto& [key, remote] : state.remotes)
        with_endpoints.emplace(remote.network_id, remote.peer_id);
    for (const auto& [id, network] : state.networks) {
        if (network.is_overlay()) add_network(maps, network, state, peers, with_endpoints);
    }
    for (const StaticFdb& stated : state.fdb) {
        if (stated.peer_id != 0)
            maps.fdb[fdb_key(stated.network_id, stated.mac)] = fdb_entry(stated.peer_id);
    }
    for (const auto& [key, remote] : state.remotes) {
        const Network& network = state.networks.at(remote.network_id);
        if (network.is_overlay()) add_remote(maps, network, remote);
    }
}

} // namespace cnet::control
