// What the decoders of map entries share: one field as JSON.
#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <string>

#include "maps/abi.h"
#include "maps/flow_names.h"
#include "userspace/base/clock.h"
#include "userspace/base/ip.h"
#include "userspace/cnet-bpf/decode.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {

struct Bit {
    uint32_t bit;
    const char* name;
};

inline constexpr Bit kPortFlags[] = {
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
    {CNET_PORT_NAT_INDEPENDENT, "nat_independent"},
    {CNET_PORT_REMOTE, "remote"},
    {CNET_PORT_DHCP, "dhcp"},
    {CNET_PORT_BRIDGED, "bridged"},
    {CNET_PORT_KEEP4, "keep4"},
    {CNET_PORT_KEEP6, "keep6"},
    {CNET_PORT_DIRECT4, "direct4"},
    {CNET_PORT_DIRECT6, "direct6"},
    {CNET_PORT_GUARDED4, "guarded4"},
    {CNET_PORT_GUARDED6, "guarded6"},
};
inline constexpr Bit kNetworkFlags[] = {{CNET_NETWORK_OPEN, "open"},
                                        {CNET_NETWORK_ADOPTED, "adopted"}};
inline constexpr Bit kFdbFlags[] = {{CNET_FDB_STATIC, "static"}};
inline constexpr Bit kBindingFlags[] = {{CNET_BINDING_LOOPBACK, "loopback"}};
inline constexpr Bit kCtFlags[] = {
    {CNET_CT_FIN_FORWARD, "fin_forward"}, {CNET_CT_FIN_REPLY, "fin_reply"},
    {CNET_CT_SWITCHED, "switched"},       {CNET_CT_SPOKE_FORWARD, "spoke_forward"},
    {CNET_CT_SPOKE_REPLY, "spoke_reply"},
};

inline constexpr std::array kCtKinds = {"", "forward", "reverse"};

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

// A name as maps:: has it; numbers without one stay numbers.
inline Json or_number(std::string_view name, uint32_t value) {
    return name == "unknown" ? Json(value) : Json(name);
}

template <size_t N> Json named(uint32_t value, const std::array<const char*, N>& names) {
    if (value < N && *names[value]) return names[value];
    return value;
}

inline bool all_zero(const cnet_addr& addr) {
    return std::all_of(std::begin(addr.bytes), std::end(addr.bytes), [](auto b) { return b == 0; });
}

inline Json address(const cnet_addr& addr) {
    return IpAddress::from_abi(addr).to_string();
}
inline Json optional_address(const cnet_addr& addr) {
    return all_zero(addr) ? Json() : address(addr);
}
inline Json optional_v4(__be32 addr_be) {
    return addr_be ? Json(IpAddress::from_v4(ntohl(addr_be)).to_string()) : Json();
}

inline Json mac(const __u8 (&bytes)[CNET_MAC_LEN]) {
    return MacAddress(std::to_array(bytes)).to_string();
}

inline Json optional_id(uint32_t id) {
    return id ? Json(id) : Json();
}

inline Json device(uint32_t ifindex, const Decoder& decoder) {
    std::string name = decoder.device_name(ifindex);
    return name.empty() ? Json() : Json(name);
}

// Null when never, or when the collector has claimed the entry.
inline Json seconds_since(uint64_t then_ns, const Decoder& decoder) {
    if (then_ns == 0 || then_ns == CNET_CLAIMED) return {};
    return then_ns < decoder.now_ns ? (decoder.now_ns - then_ns) / kSecondNs : 0;
}

inline Json protocol(uint8_t l4_proto) {
    return maps::has_name(l4_proto) ? Json(maps::protocol_name(l4_proto)) : Json(l4_proto);
}

inline Json zone(uint32_t number) {
    if (number == CNET_ZONE_WORLD) return "world";
    if (number == CNET_ZONE_HOST) return "host";
    return number;
}

template <typename T> T read(const void* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value); // the kernel's buffers are not aligned for T
    return value;
}

inline Json tuple(const cnet_ct_key& key) {
    Json fields = {{"protocol", protocol(key.l4_proto)}, {"src", address(key.src)},
                   {"src_port", ntohs(key.src_port_be)}, {"dst", address(key.dst)},
                   {"dst_port", ntohs(key.dst_port_be)}, {"zone", zone(key.zone)}};
    if (key.mapping) fields["mapping"] = true;
    return fields;
}

} // namespace cnet::cli
