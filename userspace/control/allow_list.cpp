#include "userspace/control/allow_list.h"

#include <algorithm>

namespace cnet::control {

namespace {

constexpr unsigned kV4Length = 96; // of ::ffff:0.0.0.0/96, all of IPv4

cnet_allow_key key_of(uint32_t list_id, const IpPrefix& prefix) {
    cnet_allow_key key{};
    const unsigned length = prefix.length() + (prefix.is_v4() ? kV4Length : 0);
    key.prefix_len = CNET_ALLOW_PREFIX_LEN(length);
    key.list_id = list_id;
    key.addr = prefix.network().to_abi();
    return key;
}

bool holds_v4(const IpPrefix& prefix) {
    // The 80 bits before ::ffff: are zero.
    return !prefix.is_v4() && prefix.length() <= 80 && prefix.network().is_unspecified();
}

} // namespace

void add_allow_list(AllowEntries& entries, uint32_t list_id,
                    const std::vector<IpPrefix>& prefixes) {
    for (const IpPrefix& prefix : prefixes)
        entries[key_of(list_id, prefix)] = 1;
    if (std::none_of(prefixes.begin(), prefixes.end(), holds_v4)) return;
    entries.emplace(key_of(list_id, IpPrefix(IpAddress::from_v4(0), 0)), 0); // unless it is there
}

std::map<uint32_t, std::vector<IpPrefix>> allow_lists(const AllowEntries& entries) {
    std::map<uint32_t, std::vector<IpPrefix>> lists;
    for (const auto& [key, allowed] : entries) {
        auto& list = lists[key.list_id];
        if (!allowed) continue;
        const IpAddress address = IpAddress::from_abi(key.addr);
        const unsigned length = key.prefix_len - CNET_ALLOW_PREFIX_LEN(0);
        list.emplace_back(address, address.is_v4() ? length - kV4Length : length);
    }
    return lists;
}

bool permits(const std::vector<IpPrefix>& prefixes, const IpAddress& client) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const IpPrefix& prefix) { return prefix.contains(client); });
}

} // namespace cnet::control
