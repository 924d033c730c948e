// The tables of nftables, and the chains that packets come through by themselves, those that the
// iptables of today makes included.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"

struct nlmsghdr;

namespace cnet::netlink {

struct HookedChain {
    uint8_t family = 0; // NFPROTO_*
    std::string table;
    std::string name;
    std::string type;   // "filter", "nat", "route"
    uint32_t hook = 0;  // NF_INET_*, or what it is in another family
    bool drops = false; // by policy
    bool has_rules = false;

    bool operator==(const HookedChain&) const = default;
};

// In the namespace that the calling thread is in. A kernel without nftables has none.
Result<bool> has_tables(uint8_t family);
// Of every family.
Result<std::vector<HookedChain>> read_hooked_chains();

// Out of one message of the answer; none: other chains lead there, or it is cut off.
std::optional<HookedChain> to_hooked_chain(nlmsghdr* message);

} // namespace cnet::netlink
