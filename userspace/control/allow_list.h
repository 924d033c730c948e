// Whom a published port is open to: prefixes, as cnet_allow has them. Pure.
#pragma once

#include <map>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/control/tables.h"

namespace cnet::control {

using AllowEntries = Entries<cnet_allow_key, uint32_t>;

// The trie holds both families in one, so a prefix that contains IPv4's place among the IPv6
// addresses gets an entry beside it that says no to IPv4.
void add_allow_list(AllowEntries& entries, uint32_t list_id, const std::vector<IpPrefix>& prefixes);
// The prefixes of each list again.
std::map<uint32_t, std::vector<IpPrefix>> allow_lists(const AllowEntries& entries);
bool permits(const std::vector<IpPrefix>& prefixes, const IpAddress& client);

} // namespace cnet::control
