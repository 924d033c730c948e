// libnl's addresses as ours; none for one of another kind, or none at all.
#pragma once

#include <netlink/addr.h>

#include <array>
#include <cstring>
#include <optional>

#include "userspace/base/ip.h"

namespace cnet::netlink {

inline std::optional<IpAddress> to_ip(const nl_addr* address) {
    if (!address) return std::nullopt;
    auto ip = IpAddress::from_bytes(nl_addr_get_binary_addr(address), nl_addr_get_len(address));
    return ip ? std::optional(*ip) : std::nullopt;
}

inline std::optional<MacAddress> to_mac(const nl_addr* address) {
    if (!address || nl_addr_get_len(address) != CNET_MAC_LEN) return std::nullopt;
    std::array<uint8_t, CNET_MAC_LEN> bytes{};
    std::memcpy(bytes.data(), nl_addr_get_binary_addr(address), bytes.size());
    return MacAddress(bytes);
}

} // namespace cnet::netlink
