#include "userspace/control/desired_bindings.h"

#include <algorithm>

#include "userspace/control/allow_list.h"
#include "userspace/control/desired_maps.h"

namespace cnet::control {

namespace {

constexpr uint32_t kSecondNs = 1'000'000'000;

// The first of a family counts.
void add_target(cnet_binding& entry, const IpAddress& address) {
    cnet_addr& target = address.is_v4() ? entry.target4 : entry.target6;
    if (IpAddress::from_abi(target).is_unspecified()) target = address.to_abi();
}

cnet_binding binding_entry(const PublishedPort& port, const State& state) {
    cnet_binding entry{};
    entry.id = port.id;
    if (port.behind) {
        entry.network_id = port.behind->network_id;
        add_target(entry, port.behind->address);
    } else {
        const Endpoint& endpoint = state.endpoints.at(port.endpoint_id);
        entry.network_id = endpoint.network_id;
        entry.endpoint_id = endpoint.id;
        for (const IpPrefix& address : endpoint.addresses)
            add_target(entry, address.address());
    }
    entry.host_port = port.host_port;
    entry.target_port = port.port;
    entry.port_count = port.count;
    entry.l4 = static_cast<__u8>(port.l4);
    if (!port.allow_from.empty()) entry.allow_list_id = port.id;
    if (const NewLimit& limit = port.new_limit; limit.per_second) {
        entry.new_interval_ns = kSecondNs / limit.per_second;
        entry.new_burst = limit.burst ? limit.burst : limit.per_second;
    }
    if (port.host_ip && port.host_ip->is_loopback()) entry.flags |= CNET_BINDING_LOOPBACK;
    return entry;
}

// Every address of the host needs no look-up by address: the slot names the binding itself.
void add_wildcard_slots(MapContents& maps, const PublishedPort& port) {
    const auto first = maps.slot.begin() + CNET_SLOT_INDEX(port.l4, port.host_port);
    std::fill_n(first, port.count, port.id);
}

void add_address_slots(MapContents& maps, const PublishedPort& port) {
    const uint32_t first = CNET_SLOT_INDEX(port.l4, port.host_port);
    for (uint32_t slot = first; slot < first + port.count; slot++) {
        cnet_bind_key key{};
        key.addr = port.host_ip->to_abi();
        key.slot = slot;
        maps.bind_addr[key] = port.id;
        maps.slot[slot] = CNET_BINDING_BY_ADDR;
    }
}

// At an address that the port leads to; what comes to the host's is none of its.
void add_direct(MapContents& maps, const cnet_addr& target, const PublishedPort& port) {
    const IpAddress address = IpAddress::from_abi(target);
    const bool wanted = !port.host_ip || port.host_ip->is_v4() == address.is_v4();
    if (!wanted || address.is_unspecified()) return;
    for (uint32_t offset = 0; offset < port.count; offset++) {
        cnet_bind_key key{};
        key.addr = target;
        key.slot = CNET_SLOT_INDEX(port.l4, port.port + offset);
        maps.bind_addr[key] = port.id;
    }
}

// Besides, for whoever comes by a device that the bridge trusts. What is for the host alone stays
// so.
bool is_trusted_to(const PublishedPort& port, const State& state) {
    if (!port.behind || port.host_ip->is_loopback()) return false;
    auto adopted = state.adopted.find(state.network_name(port.behind->network_id));
    return adopted != state.adopted.end() && !adopted->second.trusted.empty();
}

// Its device, or the bridge while it is one that we adopt.
bool is_target_here(const MapContents& maps, const PublishedPort& port, const State& state,
                    const Observed& observed) {
    if (port.behind) return maps.network.contains(port.behind->network_id);
    return find_endpoint_link(state.endpoints.at(port.endpoint_id), observed) != nullptr;
}

} // namespace

void add_bindings(MapContents& maps, const State& state, const Observed& observed) {
    for (const auto& [id, port] : state.ports) {
        if (!is_target_here(maps, port, state, observed)) continue;
        cnet_binding& binding = maps.binding[id] = binding_entry(port, state);
        add_allow_list(maps.allow, id, port.allow_from);
        const bool direct = state.is_direct(port);
        for (const bool v4 : {true, false}) {
            cnet_addr& target = v4 ? binding.target4 : binding.target6;
            const bool own = state.is_direct(port, v4);
            if (own || is_trusted_to(port, state)) add_direct(maps, target, port);
            if (own && !direct) target = {}; // the host's port is of the other family alone
        }
        if (direct) continue;
        // Commands refuse a wildcard beside a single address on one port, so no slot is both.
        if (port.host_ip)
            add_address_slots(maps, port);
        else
            add_wildcard_slots(maps, port);
    }
}

} // namespace cnet::control
