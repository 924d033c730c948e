#include "userspace/control/ipam.h"

#include <algorithm>

namespace cnet::control {

namespace {

IpAddress successor(const IpAddress& address) {
    auto bytes = address.bytes();
    for (size_t i = bytes.size(); i-- > 0;) {
        if (++bytes[i] != 0) break;
    }
    auto next = IpAddress::from_bytes(bytes.data(), bytes.size());
    CNET_CHECK(next);
    return *next;
}

bool is_reserved(const Subnet& subnet, const IpAddress& address) {
    return address == subnet.gateway || address == subnet.prefix.network() ||
           (subnet.prefix.is_v4() && address == subnet.prefix.last());
}

} // namespace

Result<IpAddress> next_address(const Subnet& subnet, const Taken& taken,
                               const std::optional<IpAddress>& last_given) {
    const IpPrefix pool = subnet.ip_range.value_or(subnet.prefix);
    const bool resume = last_given && pool.contains(*last_given) && *last_given != pool.last();
    const IpAddress start = resume ? successor(*last_given) : pool.network();
    IpAddress candidate = start;
    do {
        if (!is_reserved(subnet, candidate) && !taken(candidate)) return candidate;
        candidate = candidate == pool.last() ? pool.network() : successor(candidate);
    } while (candidate != start);
    return Error(ErrorKind::kExhausted, "no free address is left in " + pool.to_string());
}

IpAddress start_for(const Subnet& subnet, std::string_view host) {
    const IpPrefix pool = subnet.ip_range.value_or(subnet.prefix);
    auto bytes = pool.network().bytes();
    const unsigned host_bits = (pool.is_v4() ? 32 : 128) - pool.length();
    // FNV-1a, since std::hash may differ from one build to the next.
    uint64_t hash = 0xcbf29ce484222325;
    for (const char c : host)
        hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    for (unsigned bit = 0; bit < std::min(host_bits, 64u); bit++) {
        if (hash >> bit & 1) bytes[15 - bit / 8] |= static_cast<uint8_t>(1 << bit % 8);
    }
    auto start = IpAddress::from_bytes(bytes.data(), bytes.size());
    CNET_CHECK(start);
    return *start;
}

Status check_address(const Subnet& subnet, const IpAddress& address) {
    const std::string text = "address " + address.to_string();
    if (address == subnet.gateway) {
        return Error(ErrorKind::kConflict,
                     text + " is the gateway of " + subnet.prefix.to_string());
    }
    if (is_reserved(subnet, address)) {
        return Error(ErrorKind::kInvalid,
                     text + " is the " +
                         (address == subnet.prefix.network() ? "network" : "broadcast") +
                         " address of " + subnet.prefix.to_string());
    }
    return {};
}

IpAddress default_gateway(const IpPrefix& prefix) {
    return successor(prefix.network());
}

std::vector<IpPrefix> default_pools() {
    std::vector<IpPrefix> pools;
    for (uint32_t second = 17; second <= 31; second++) {
        pools.emplace_back(IpAddress::from_v4(172u << 24 | second << 16), 16);
    }
    for (uint32_t third = 0; third < 256; third += 16) {
        pools.emplace_back(IpAddress::from_v4(192u << 24 | 168u << 16 | third << 8), 20);
    }
    return pools;
}

} // namespace cnet::control
