#include <algorithm>

#include "userspace/base/clock.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/overlay.h"

namespace cnet::control {

namespace {

MacAddress mac_of(const __u8 (&bytes)[CNET_MAC_LEN]) {
    std::array<uint8_t, CNET_MAC_LEN> copy{};
    std::copy(std::begin(bytes), std::end(bytes), copy.begin());
    return MacAddress(copy);
}

cnet_fdb_key fdb_key(NetworkId network, const MacAddress& mac) {
    cnet_fdb_key key{};
    key.network_id = network;
    std::copy(mac.bytes().begin(), mac.bytes().end(), key.mac);
    return key;
}

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

const StaticFdb* find_static(const State& state, NetworkId network, const MacAddress& mac) {
    auto it = std::find_if(state.fdb.begin(), state.fdb.end(), [&](const StaticFdb& entry) {
        return entry.network_id == network && entry.mac == mac;
    });
    return it == state.fdb.end() ? nullptr : &*it;
}

// Whose own MAC it is: "endpoint web", "the gateway"; empty when nobody's.
std::string owner_of(const State& state, const Network& network, const MacAddress& mac) {
    if (mac == network.gateway_mac) return "the gateway";
    for (const auto& [id, endpoint] : state.endpoints) {
        if (endpoint.network_id == network.id && endpoint.mac == mac)
            return "endpoint " + endpoint.name;
    }
    return {};
}

// The endpoints of other hosts by what the maps know them by.
struct RemoteNames {
    std::map<std::tuple<NetworkId, PeerId, MacAddress>, std::string> by_mac;
    std::map<std::tuple<NetworkId, PeerId, IpAddress>, std::string> by_address;

    explicit RemoteNames(const State& state) {
        for (const auto& [key, remote] : state.remotes) {
            by_mac[{remote.network_id, remote.peer_id, remote.mac}] = remote.name;
            for (const IpAddress& address : remote.addresses)
                by_address[{remote.network_id, remote.peer_id, address}] = remote.name;
        }
    }
};

template <typename Map>
std::optional<std::string> name_at(const Map& map, const typename Map::key_type& key) {
    auto it = map.find(key);
    return it == map.end() ? std::nullopt : std::optional(it->second);
}

} // namespace

Status Controller::Impl::state_mac(const Network& network, const StaticFdb& entry) {
    const std::string text = "MAC address " + entry.mac.to_string();
    if (entry.mac.is_multicast()) return invalid(text + " is a multicast address");
    if (entry.mac.is_zero()) return invalid(text + " is no address");
    if (const std::string owner = owner_of(state, network, entry.mac); !owner.empty())
        return Error(ErrorKind::kConflict, text + " is " + owner + "'s own");
    State next = state;
    store::Mutation back = store::RemoveFdb{entry.network_id, entry.mac};
    if (const StaticFdb* before = find_static(state, entry.network_id, entry.mac))
        back = store::PutFdb{*before};
    std::erase_if(next.fdb, [&](const StaticFdb& e) {
        return e.network_id == entry.network_id && e.mac == entry.mac;
    });
    next.fdb.push_back(entry);
    return change(std::move(next), {{store::PutFdb{entry}}, {back}});
}

Result<std::vector<FdbView>> Controller::fdb(const std::string& network) const {
    const Impl& impl = *impl_;
    auto filter = impl.network_filter(network);
    if (!filter) return filter.error();
    const uint64_t now_ns = impl.parts.clock.monotonic_ns();
    const RemoteNames remotes(impl.state);
    std::vector<FdbView> views;
    auto status =
        impl.parts.tables.for_each_fdb([&](const cnet_fdb_key& key, const cnet_fdb_entry& entry) {
            if (*filter != 0 && *filter != key.network_id) return;
            if (entry.last_seen_ns == CNET_CLAIMED) return;
            FdbView view;
            view.network = impl.state.network_name(key.network_id);
            if (view.network.empty()) return;
            view.mac = mac_of(key.mac);
            view.device = entry.peer_id ? kVxlanDevice : impl.device_name(entry.ifindex);
            view.endpoint = entry.peer_id == 0 ? impl.endpoint_at(entry.ifindex)
                                               : name_at(remotes.by_mac,
                                                         {key.network_id, entry.peer_id, view.mac});
            view.peer = impl.peer_address(entry.peer_id);
            view.type = "learned";
            if (entry.flags & CNET_FDB_STATIC) {
                view.type = entry.port_flags & CNET_PORT_HOST ? "host" : "static";
            } else {
                view.age_s =
                    now_ns > entry.last_seen_ns ? (now_ns - entry.last_seen_ns) / kSecondNs : 0;
            }
            views.push_back(std::move(view));
        });
    if (!status) return status.error();
    std::sort(views.begin(), views.end(), [](const FdbView& a, const FdbView& b) {
        return std::tie(a.network, a.mac) < std::tie(b.network, b.mac);
    });
    return views;
}

Result<StatedPlace> Controller::Impl::find_place(const FdbPlace& place) const {
    if (!place.endpoint.empty() + !place.device.empty() + place.peer.has_value() != 1)
        return invalid("a MAC address is at an endpoint, at an attached device or at a peer");
    if (place.peer) {
        const Peer* peer = find_peer(*place.peer);
        if (!peer) return no_such("peer", place.peer->to_string());
        return StatedPlace{0, 0, peer->id, kVxlanDevice};
    }
    if (!place.endpoint.empty()) {
        auto endpoint = find_endpoint(place.endpoint);
        if (!endpoint) return endpoint.error();
        return StatedPlace{(*endpoint)->network_id, (*endpoint)->id, 0, (*endpoint)->host_ifname()};
    }
    auto at = state.attached.find(place.device);
    if (at == state.attached.end()) return no_such("attached device", place.device);
    return StatedPlace{at->second.network_id, 0, 0, place.device};
}

Result<FdbView> Controller::add_fdb(const std::string& network_name, const MacAddress& mac,
                                    const FdbPlace& place) {
    Impl& impl = *impl_;
    auto network = impl.find_network(network_name);
    if (!network) return network.error();
    auto at = impl.find_place(place);
    if (!at) return at.error();
    if (at->peer_id != 0 && !(*network)->is_overlay())
        return invalid("network " + network_name + " is no segment across hosts");
    if (at->peer_id == 0 && at->network_id != (*network)->id) {
        return invalid(
            (place.device.empty() ? "endpoint " + place.endpoint : "device " + place.device) +
            " is not in network " + network_name);
    }
    auto status = impl.state_mac(**network,
                                 {(*network)->id, mac, at->endpoint_id, place.device, at->peer_id});
    if (!status) return status.error();
    FdbView view{network_name, mac, at->device, std::nullopt, place.peer, "static", std::nullopt};
    if (!place.endpoint.empty()) view.endpoint = place.endpoint;
    return view;
}

Status Controller::delete_fdb(const std::string& network_name, const MacAddress& mac) {
    Impl& impl = *impl_;
    auto network = impl.find_network(network_name);
    if (!network) return network.error();
    const NetworkId id = (*network)->id;
    if (const StaticFdb* found = find_static(impl.state, id, mac)) {
        const StaticFdb entry = *found;
        State next = impl.state;
        std::erase(next.fdb, entry);
        return impl.change(std::move(next), {{store::RemoveFdb{id, mac}}, {store::PutFdb{entry}}});
    }
    if (const std::string owner = owner_of(impl.state, **network, mac); !owner.empty()) {
        return Error(ErrorKind::kConflict,
                     "MAC address " + mac.to_string() + " is " + owner + "'s own and goes with it");
    }
    cnet_gc_fdb candidate{};
    candidate.key = fdb_key(id, mac);
    auto collected = impl.parts.hooks.collect(std::vector<cnet_gc_fdb>{candidate});
    if (!collected) return collected.error();
    if (*collected == 0)
        return no_such("entry of network " + network_name + " for MAC address", mac.to_string());
    return {};
}

Result<uint64_t> Controller::flush_fdb(const std::string& network_name) {
    auto network = impl_->network_id(network_name);
    if (!network) return network.error();
    return impl_->collector.purge_macs(
        [id = *network](const cnet_fdb_key& key, const cnet_fdb_entry&) {
            return key.network_id == id;
        });
}

Result<std::vector<NeighView>> Controller::neighbours(const std::string& network) const {
    const Impl& impl = *impl_;
    auto filter = impl.network_filter(network);
    if (!filter) return filter.error();
    const RemoteNames remotes(impl.state);
    std::vector<NeighView> views;
    for (const auto& [key, entry] : impl.observed.maps.neigh) {
        if (*filter != 0 && *filter != key.network_id) continue;
        NeighView view;
        view.network = impl.state.network_name(key.network_id);
        if (view.network.empty()) continue;
        view.address = IpAddress::from_abi(key.addr);
        view.mac = mac_of(entry.mac);
        view.device = entry.peer_id ? kVxlanDevice : impl.device_name(entry.ifindex);
        view.peer = impl.peer_address(entry.peer_id);
        auto endpoint = impl.state.endpoints.find(entry.endpoint_id);
        if (endpoint != impl.state.endpoints.end()) view.endpoint = endpoint->second.name;
        if (entry.peer_id != 0) {
            view.endpoint =
                name_at(remotes.by_address, {key.network_id, entry.peer_id, view.address});
        }
        view.type = entry.port_flags & CNET_PORT_HOST ? "gateway" : "endpoint";
        auto lease = impl.state.leases.find(entry.endpoint_id);
        if (lease != impl.state.leases.end() && lease->second.address == view.address) {
            view.type = "dhcp";
            view.ends_in_s = impl.lease_ends_in_s(entry.endpoint_id);
        }
        views.push_back(std::move(view));
    }
    std::sort(views.begin(), views.end(), [](const NeighView& a, const NeighView& b) {
        return std::tie(a.network, a.address) < std::tie(b.network, b.address);
    });
    return views;
}

} // namespace cnet::control
