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
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

struct Bit {
    uint32_t bit;
    const char* name;
};

constexpr Bit kPortFlags[] = {
    {CNET_PORT_PEER, "peer"},
    {CNET_PORT_HOST, "host"},
    {CNET_PORT_LEARNING, "learning"},
    {CNET_PORT_CHECK_SOURCE, "check_source"},
    {CNET_PORT_ICC_OFF, "icc_off"},
    {CNET_PORT_INTERNAL, "internal"},
    {CNET_PORT_MASQUERADE, "masquerade"},
    {CNET_PORT_ROUTED, "routed"},
    {CNET_PORT_ISOLATED, "isolated"},
    {CNET_PORT_PUBLISHED, "published"},
};
constexpr Bit kFdbFlags[] = {{CNET_FDB_STATIC, "static"}};
constexpr Bit kBindingFlags[] = {{CNET_BINDING_LOOPBACK, "loopback"}};
constexpr Bit kCtFlags[] = {
    {CNET_CT_FIN_FORWARD, "fin_forward"},
    {CNET_CT_FIN_REPLY, "fin_reply"},
};

constexpr std::array kL4Names = {"tcp", "udp", "icmp", "sctp"};
constexpr std::array kCtKinds = {"", "forward", "reverse"};
constexpr std::array kCtTypes = {"", "snat", "dnat", "hairpin", "host"};
constexpr std::array kCtStates = {"new", "established", "closing", "time_wait", "closed"};
static_assert(kL4Names.size() == CNET_L4_MAX && kCtStates.size() == CNET_CT_STATE_MAX);

template <size_t N> Json flags(uint32_t value, const Bit (&names)[N]) {
    Json list = Json::array();
    for (const Bit& known : names) {
        if (value & known.bit) list.push_back(known.name);
        value &= ~known.bit;
    }
    if (value != 0) {
        char unknown[16];
        std::snprintf(unknown, sizeof unknown, "0x%x", value);
        list.push_back(unknown);
    }
    return list;
}

template <size_t N> Json named(uint32_t value, const std::array<const char*, N>& names) {
    if (value < N && *names[value]) return names[value];
    return value;
}

bool all_zero(const cnet_addr& addr) {
    return std::all_of(std::begin(addr.bytes), std::end(addr.bytes), [](auto b) { return b == 0; });
}

Json address(const cnet_addr& addr) {
    return IpAddress::from_abi(addr).to_string();
}
Json optional_address(const cnet_addr& addr) {
    return all_zero(addr) ? Json() : address(addr);
}
Json optional_v4(__be32 addr_be) {
    return addr_be ? Json(IpAddress::from_v4(ntohl(addr_be)).to_string()) : Json();
}

Json mac(const __u8 (&bytes)[CNET_MAC_LEN]) {
    return MacAddress(std::to_array(bytes)).to_string();
}

Json optional_id(uint32_t id) {
    return id ? Json(id) : Json();
}

Json device(uint32_t ifindex, const Decoder& decoder) {
    std::string name = decoder.device_name(ifindex);
    return name.empty() ? Json() : Json(name);
}

// Null when never, or when the collector has claimed the entry.
Json seconds_since(uint64_t then_ns, const Decoder& decoder) {
    if (then_ns == 0 || then_ns == CNET_CLAIMED) return {};
    return then_ns < decoder.now_ns ? (decoder.now_ns - then_ns) / 1'000'000'000u : 0;
}

Json protocol(uint8_t l4_proto) {
    switch (l4_proto) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_ICMP:
        return "icmp";
    case IPPROTO_ICMPV6:
        return "icmpv6";
    case IPPROTO_SCTP:
        return "sctp";
    default:
        return l4_proto;
    }
}

Json zone(uint32_t number) {
    if (number == CNET_ZONE_WORLD) return "world";
    if (number == CNET_ZONE_HOST) return "host";
    return number;
}

template <typename T> T read(const void* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value); // the kernel's buffers are not aligned for T
    return value;
}

Json tuple(const cnet_ct_key& key) {
    return {{"protocol", protocol(key.l4_proto)}, {"src", address(key.src)},
            {"src_port", ntohs(key.src_port_be)}, {"dst", address(key.dst)},
            {"dst_port", ntohs(key.dst_port_be)}, {"zone", zone(key.zone)}};
}

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
            {"host_ifindex", port.host_ifindex},
            {"host_device", device(port.host_ifindex, decoder)}};
}

Json network_value(const void* bytes, const Decoder& decoder) {
    auto network = read<cnet_network>(bytes);
    return {{"flood_ports", network.flood_ports},
            {"mac_limit", network.mac_limit},
            {"ageing_s", network.ageing_s},
            {"host_ifindex", network.host_ifindex},
            {"host_device", device(network.host_ifindex, decoder)},
            {"vni", optional_id(network.vni)}};
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
    return {{"protocol", named(index >> 16, kL4Names)}, {"port", index & 0xffff}};
}
Json slot_key(const void* bytes, const Decoder&) {
    return slot_fields(read<uint32_t>(bytes));
}
Json slot_value(const void* bytes, const Decoder&) {
    auto slot = read<cnet_slot>(bytes);
    Json binding = optional_id(slot.binding_id);
    if (slot.binding_id == CNET_BINDING_BY_ADDR) binding = "by_address";
    return {{"binding", binding}, {"nat_refs", slot.nat_refs}};
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
            {"protocol", named(binding.l4, kL4Names)},
            {"host_port", binding.host_port},
            {"target_port", binding.target_port},
            {"port_count", binding.port_count},
            {"target4", optional_address(binding.target4)},
            {"target6", optional_address(binding.target6)},
            {"flags", flags(binding.flags, kBindingFlags)},
            {"allow_list", optional_id(binding.allow_list_id)}};
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

Json ct_key(const void* bytes, const Decoder&) {
    return tuple(read<cnet_ct_key>(bytes));
}
Json ct_value(const void* bytes, const Decoder& decoder) {
    auto entry = read<cnet_ct_entry>(bytes);
    Json fields = {{"kind", named(entry.kind, kCtKinds)}};
    if (entry.kind != CNET_CT_REVERSE) { // all of this is the forward entry's
        fields.update({{"type", named(entry.type, kCtTypes)},
                       {"state", named(entry.state, kCtStates)},
                       {"flags", flags(entry.flags, kCtFlags)},
                       {"idle_s", seconds_since(entry.last_seen_ns, decoder)},
                       {"claimed", entry.last_seen_ns == CNET_CLAIMED},
                       {"age_s", seconds_since(entry.created_ns, decoder)},
                       {"network", optional_id(entry.network_id)},
                       {"binding", optional_id(entry.binding_id)},
                       {"uplink_ifindex", optional_id(entry.fib_ifindex)},
                       {"uplink", device(entry.fib_ifindex, decoder)},
                       {"nexthop", optional_address(entry.fib_nexthop)},
                       {"mtu", optional_id(entry.fib_mtu)}});
    }
    fields["other"] = tuple(entry.other);
    return fields;
}

Json frag_datagram(const cnet_frag_key& key) {
    return {{"protocol", protocol(key.l4_proto)},
            {"src", address(key.src)},
            {"dst", address(key.dst)},
            {"zone", zone(key.zone)},
            {"id", ntohl(key.id)},
            {"hook", maps::hook_name(key.hook)}};
}
Json frag_key(const void* bytes, const Decoder&) {
    return frag_datagram(read<cnet_frag_key>(bytes));
}
Json frag_value(const void* bytes, const Decoder& decoder) {
    auto frag = read<cnet_frag>(bytes);
    return {{"age_s", seconds_since(frag.first_ns, decoder)},
            {"received", frag.received},
            {"total", optional_id(frag.total)},
            {"held", frag.held},
            {"has_first", frag.has_first != 0},
            {"src_port", ntohs(frag.src_port_be)},
            {"dst_port", ntohs(frag.dst_port_be)}};
}
Json frag_held_key(const void* bytes, const Decoder&) {
    auto key = read<cnet_frag_held_key>(bytes);
    Json fields = frag_datagram(key.datagram);
    fields["index"] = key.index;
    return fields;
}
Json frag_held_value(const void* bytes, const Decoder& decoder) {
    auto held = read<cnet_frag_held>(bytes);
    return {{"age_s", seconds_since(held.since_ns, decoder)}, {"bytes", held.len}};
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
    format<cnet_fdb_key, cnet_fdb_entry>("cnet_fdb", fdb_key, fdb_value),
    format<uint32_t, uint32_t>("cnet_fdb_count", network_key, fdb_count_value),
    format<cnet_neigh_key, cnet_neigh_entry>("cnet_neigh", neigh_key, neigh_value),
    format<uint32_t, cnet_uplink>("cnet_uplinks", ifindex_key, uplink_value),
    format<cnet_addr, cnet_host_addr>("cnet_host_addr", host_addr_key, host_addr_value),
    format<uint32_t, cnet_slot>("cnet_slot", slot_key, slot_value),
    format<cnet_bind_key, uint32_t>("cnet_bind_addr", bind_addr_key, bind_addr_value),
    format<uint32_t, cnet_binding>("cnet_binding", binding_key, binding_value),
    format<cnet_allow_key, uint32_t>("cnet_allow", allow_key, allow_value),
    format<cnet_ct_key, cnet_ct_entry>("cnet_ct", ct_key, ct_value),
    format<cnet_frag_key, cnet_frag>("cnet_frag", frag_key, frag_value),
    format<cnet_frag_held_key, cnet_frag_held>("cnet_frag_held", frag_held_key, frag_held_value),
    format<uint32_t, cnet_counter>("cnet_counters", counter_key, counter_value),
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
