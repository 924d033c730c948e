#include "userspace/cnet-bpf/decode.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>

#include "maps/abi.h"
#include "maps/reasons.h"
#include "userspace/base/ip.h"
#include "userspace/cnet-bpf/decode_fields.h"
#include "userspace/cnet-bpf/decode_flow.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

Json ifindex_key(const void* bytes, const Decoder& decoder) {
    auto ifindex = read<uint32_t>(bytes);
    return {{"ifindex", ifindex}, {"device", device(ifindex, decoder)}};
}
Json network_key(const void* bytes, const Decoder&) {
    return {{"network", read<uint32_t>(bytes)}};
}
Json binding_key(const void* bytes, const Decoder&) {
    return {{"binding", read<uint32_t>(bytes)}};
}

Json meta_key(const void* bytes, const Decoder&) {
    return {{"index", read<uint32_t>(bytes)}};
}
Json meta_value(const void* bytes, const Decoder&) {
    auto meta = read<cnet_meta>(bytes);
    return {{"abi_version", meta.abi_version}, {"netns_cookie", meta.netns_cookie}};
}

Json port_value(const void* bytes, const Decoder& decoder) {
    auto port = read<cnet_port>(bytes);
    return {{"network", port.network_id},
            {"endpoint", optional_id(port.endpoint_id)},
            {"flags", flags(port.flags, kPortFlags)},
            {"mac", mac(port.mac)},
            {"address4", optional_v4(port.addr4_be)},
            {"address6", optional_address(port.addr6)},
            {"gateway_mac", mac(port.gateway_mac)},
            {"gateway4", optional_v4(port.gateway4_be)},
            {"gateway6", optional_address(port.gateway6)},
            {"snat4", optional_v4(port.snat4_be)},
            {"snat6", optional_address(port.snat6)},
            {"vni", optional_id(port.vni)},
            {"host_ifindex", port.host_ifindex},
            {"host_device", device(port.host_ifindex, decoder)}};
}

Json network_value(const void* bytes, const Decoder& decoder) {
    auto network = read<cnet_network>(bytes);
    return {{"flags", flags(network.flags, kNetworkFlags)},
            {"mtu", network.mtu},
            {"flood_ports", network.flood_ports},
            {"mac_limit", network.mac_limit},
            {"ageing_s", network.ageing_s},
            {"host_ifindex", network.host_ifindex},
            {"host_device", device(network.host_ifindex, decoder)},
            {"vni", optional_id(network.vni)},
            {"flood_peers", network.flood_peers},
            {"flood_interval_ns", network.flood_interval_ns}};
}

Json flood_rate_key(const void* bytes, const Decoder& decoder) {
    auto key = read<cnet_flood_rate_key>(bytes);
    return {{"network", key.network_id},
            {"ifindex", optional_id(key.ifindex)},
            {"device", device(key.ifindex, decoder)},
            {"peer", optional_id(key.peer_id)}};
}

Json quota_value(const void* bytes, const Decoder&) {
    auto quota = read<cnet_quota>(bytes);
    return {{"max_flows", quota.max_flows}, {"flows", quota.begun - quota.gone}};
}

Json flood_key(const void* bytes, const Decoder&) {
    auto key = read<cnet_flood_key>(bytes);
    return {{"network", key.network_id}, {"index", key.index}};
}
Json flood_value(const void* bytes, const Decoder& decoder) {
    auto port = read<cnet_flood_port>(bytes);
    return {{"ifindex", port.ifindex},
            {"device", device(port.ifindex, decoder)},
            {"port_flags", flags(port.port_flags, kPortFlags)}};
}

Json fdb_key(const void* bytes, const Decoder&) {
    auto key = read<cnet_fdb_key>(bytes);
    return {{"network", key.network_id}, {"mac", mac(key.mac)}};
}
Json fdb_value(const void* bytes, const Decoder& decoder) {
    auto entry = read<cnet_fdb_entry>(bytes);
    return {{"ifindex", entry.ifindex},
            {"device", device(entry.ifindex, decoder)},
            {"flags", flags(entry.flags, kFdbFlags)},
            {"port_flags", flags(entry.port_flags, kPortFlags)},
            {"peer", optional_id(entry.peer_id)},
            {"age_s", seconds_since(entry.last_seen_ns, decoder)},
            {"claimed", entry.last_seen_ns == CNET_CLAIMED}};
}
Json fdb_count_value(const void* bytes, const Decoder&) {
    return {{"learned", read<uint32_t>(bytes)}};
}

Json neigh_key(const void* bytes, const Decoder&) {
    auto key = read<cnet_neigh_key>(bytes);
    return {{"network", key.network_id}, {"address", address(key.addr)}};
}
Json neigh_value(const void* bytes, const Decoder& decoder) {
    auto entry = read<cnet_neigh_entry>(bytes);
    return {{"mac", mac(entry.mac)},
            {"ifindex", entry.ifindex},
            {"device", device(entry.ifindex, decoder)},
            {"port_flags", flags(entry.port_flags, kPortFlags)},
            {"endpoint", optional_id(entry.endpoint_id)},
            {"peer", optional_id(entry.peer_id)},
            {"mtu", entry.mtu},
            {"gateway_mac", mac(entry.gateway_mac)}};
}

Json uplink_value(const void* bytes, const Decoder&) {
    auto uplink = read<cnet_uplink>(bytes);
    Json addresses = Json::array();
    for (uint32_t i = 0; i < std::min<uint32_t>(uplink.addr_count, CNET_UPLINK_ADDRS_MAX); i++) {
        IpAddress addr = IpAddress::from_abi(uplink.addrs[i].addr);
        uint32_t length = uplink.addrs[i].prefix_len;
        if (addr.is_v4() && length >= 96) length -= 96;
        addresses.push_back(IpPrefix(addr, length).to_string());
    }
    return {{"addresses", addresses}};
}

Json host_addr_key(const void* bytes, const Decoder&) {
    return {{"address", address(read<cnet_addr>(bytes))}};
}
Json host_addr_value(const void* bytes, const Decoder& decoder) {
    auto host = read<cnet_host_addr>(bytes);
    return {{"ifindex", host.ifindex}, {"device", device(host.ifindex, decoder)}};
}

Json slot_fields(uint32_t index) {
    return {{"protocol", named(index >> 16, maps::kL4Names)}, {"port", index & 0xffff}};
}
Json slot_key(const void* bytes, const Decoder&) {
    return slot_fields(read<uint32_t>(bytes));
}
Json slot_value(const void* bytes, const Decoder&) {
    auto slot = read<cnet_slot>(bytes);
    Json binding = optional_id(slot.binding_id);
    if (slot.binding_id == CNET_BINDING_BY_ADDR) binding = "by_address";
    return {{"binding", binding},
            {"nat_refs", slot.nat_refs % CNET_SLOT_MAPPING},
            {"mappings", slot.nat_refs / CNET_SLOT_MAPPING}};
}

Json bind_addr_key(const void* bytes, const Decoder&) {
    auto key = read<cnet_bind_key>(bytes);
    Json fields = {{"address", address(key.addr)}};
    fields.update(slot_fields(key.slot));
    return fields;
}
Json bind_addr_value(const void* bytes, const Decoder&) {
    return {{"binding", read<uint32_t>(bytes)}};
}

Json binding_value(const void* bytes, const Decoder&) {
    auto binding = read<cnet_binding>(bytes);
    return {{"network", binding.network_id},
            {"endpoint", binding.endpoint_id},
            {"protocol", named(binding.l4, maps::kL4Names)},
            {"host_port", binding.host_port},
            {"target_port", binding.target_port},
            {"port_count", binding.port_count},
            {"target4", optional_address(binding.target4)},
            {"target6", optional_address(binding.target6)},
            {"flags", flags(binding.flags, kBindingFlags)},
            {"allow_list", optional_id(binding.allow_list_id)},
            {"new_interval_ns", binding.new_interval_ns},
            {"new_burst", binding.new_burst}};
}

// The prefix as its family writes it; the list's id is a part of the trie's key.
Json allow_key(const void* bytes, const Decoder&) {
    auto key = read<cnet_allow_key>(bytes);
    const IpAddress addr = IpAddress::from_abi(key.addr);
    uint32_t length = key.prefix_len - std::min(key.prefix_len, CNET_ALLOW_PREFIX_LEN(0));
    if (addr.is_v4() && length >= 96) length -= 96;
    return {{"list", key.list_id}, {"prefix", IpPrefix(addr, length).to_string()}};
}
Json allow_value(const void* bytes, const Decoder&) {
    return {{"allowed", read<uint32_t>(bytes) != 0}};
}

Json trusted_key(const void* bytes, const Decoder& decoder) {
    auto key = read<cnet_trusted_key>(bytes);
    return {{"network", key.network_id},
            {"ifindex", key.ifindex},
            {"device", device(key.ifindex, decoder)}};
}
Json trusted_value(const void* bytes, const Decoder&) {
    return {{"trusted", read<uint32_t>(bytes) != 0}};
}

Json peer_key(const void* bytes, const Decoder&) {
    return {{"peer", read<uint32_t>(bytes)}};
}
Json peer_value(const void* bytes, const Decoder& decoder) {
    auto peer = read<cnet_peer>(bytes);
    return {{"remote", address(peer.remote)},
            {"local", address(peer.local)},
            {"device", device(peer.device_ifindex, decoder)},
            {"route_device", device(peer.fib_ifindex, decoder)},
            {"route_mtu", peer.fib_mtu},
            {"route_nexthop", optional_address(peer.fib_nexthop)},
            {"route_age_s", seconds_since(peer.fib_checked_ns, decoder)}};
}

Json vtep_key(const void* bytes, const Decoder&) {
    return {{"address", address(read<cnet_addr>(bytes))}};
}
Json vtep_value(const void* bytes, const Decoder& decoder) {
    auto vtep = read<cnet_vtep>(bytes);
    return {{"peer", optional_id(vtep.peer_id)},
            {"local", optional_address(vtep.local)},
            {"receiver", device(vtep.receiver_ifindex, decoder)}};
}

Json vni_key(const void* bytes, const Decoder&) {
    return {{"vni", read<uint32_t>(bytes)}};
}
Json vni_value(const void* bytes, const Decoder&) {
    auto vni = read<cnet_vni>(bytes);
    return {{"network", vni.network_id}, {"port_flags", flags(vni.port_flags, kPortFlags)}};
}

// A newer version's hooks and reasons stay apart by their numbers.
Json counter_key(const void* bytes, const Decoder&) {
    auto index = read<uint32_t>(bytes);
    uint32_t hook = index / CNET_REASON_MAX, reason = index % CNET_REASON_MAX;
    Json hook_name = maps::hook_name(hook);
    return {{"hook", hook_name == "unknown" ? Json(hook) : hook_name},
            {"reason", reason < CNET_R_COUNT ? Json(maps::reason(reason).name) : Json(reason)}};
}
Json counter_value(const void* bytes, const Decoder&) {
    auto counter = read<cnet_counter>(bytes);
    return {{"packets", counter.packets}, {"bytes", counter.bytes}};
}

Json icmp_rate_key(const void* bytes, const Decoder&) {
    auto index = read<uint32_t>(bytes);
    const bool of_hook = index < CNET_HOOK_MAX;
    return {{"hook", of_hook ? Json(maps::hook_name(index)) : Json()},
            {"bucket", of_hook ? Json() : Json(index - CNET_HOOK_MAX)}};
}
Json rate_value(const void* bytes, const Decoder& decoder) {
    auto full_at_ns = read<uint64_t>(bytes);
    return {{"full_in_ms",
             full_at_ns > decoder.now_ns ? (full_at_ns - decoder.now_ns) / 1'000'000u : 0}};
}

template <typename K, typename V>
constexpr MapFormat format(std::string_view name, Json (*key)(const void*, const Decoder&),
                           Json (*value)(const void*, const Decoder&)) {
    return {name, sizeof(K), sizeof(V), key, value};
}

constexpr std::array kFormats = {
    format<uint32_t, cnet_meta>("cnet_meta", meta_key, meta_value),
    format<uint32_t, cnet_port>("cnet_port", ifindex_key, port_value),
    format<uint32_t, cnet_network>("cnet_network", network_key, network_value),
    format<cnet_flood_key, cnet_flood_port>("cnet_flood", flood_key, flood_value),
    format<cnet_flood_rate_key, uint64_t>("cnet_flood_rate", flood_rate_key, rate_value),
    format<uint32_t, cnet_quota>("cnet_quota", ifindex_key, quota_value),
    format<cnet_fdb_key, cnet_fdb_entry>("cnet_fdb", fdb_key, fdb_value),
    format<uint32_t, uint32_t>("cnet_fdb_count", network_key, fdb_count_value),
    format<cnet_neigh_key, cnet_neigh_entry>("cnet_neigh", neigh_key, neigh_value),
    format<uint32_t, cnet_uplink>("cnet_uplinks", ifindex_key, uplink_value),
    format<cnet_addr, cnet_host_addr>("cnet_host_addr", host_addr_key, host_addr_value),
    format<uint32_t, cnet_slot>("cnet_slot", slot_key, slot_value),
    format<cnet_bind_key, uint32_t>("cnet_bind_addr", bind_addr_key, bind_addr_value),
    format<cnet_trusted_key, uint32_t>("cnet_trusted", trusted_key, trusted_value),
    format<uint32_t, cnet_binding>("cnet_binding", binding_key, binding_value),
    format<cnet_allow_key, uint32_t>("cnet_allow", allow_key, allow_value),
    format<uint32_t, cnet_peer>("cnet_peer", peer_key, peer_value),
    format<cnet_addr, cnet_vtep>("cnet_vtep", vtep_key, vtep_value),
    format<uint32_t, cnet_vni>("cnet_vni", vni_key, vni_value),
    format<cnet_flood_key, uint32_t>("cnet_flood_peer", flood_key, peer_key),
    format<cnet_ct_key, cnet_ct_entry>("cnet_ct", ct_key, ct_value),
    format<cnet_frag_key, cnet_frag>("cnet_frag", frag_key, frag_value),
    format<cnet_frag_held_key, cnet_frag_held>("cnet_frag_held", frag_held_key, frag_held_value),
    format<uint32_t, cnet_counter>("cnet_counters", counter_key, counter_value),
    format<uint32_t, uint64_t>("cnet_icmp_rate", icmp_rate_key, rate_value),
};

std::string flat_value(const Json& value) {
    if (value.is_object()) return "{" + flat_text(value) + "}";
    std::string text = text_of(value);
    return text.empty() ? "-" : text;
}

} // namespace

const MapFormat* find_map_format(std::string_view name) {
    auto found = std::find_if(kFormats.begin(), kFormats.end(),
                              [&](const MapFormat& format) { return format.name == name; });
    return found == kFormats.end() ? nullptr : &*found;
}

std::string flat_text(const Json& object) {
    std::string text;
    for (const auto& [name, value] : object.items()) {
        if (!text.empty()) text += " ";
        text += name + "=" + flat_value(value);
    }
    return text;
}

} // namespace cnet::cli
