// Which address a new endpoint gets. Pure: the caller knows what is taken and what was given last.
//
// Automatic addresses go round: the lowest free one after the last given, so that an address just
// freed is not at once somebody else's while neighbours and peers still remember its owner. A
// restarted daemon begins at the lowest free one.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/model.h"

namespace cnet::control {

using Taken = std::function<bool(const IpAddress&)>;

// Never the subnet's own address, the broadcast address or the gateway. kExhausted when none is
// free.
Result<IpAddress> next_address(const Subnet& subnet, const Taken& taken,
                               const std::optional<IpAddress>& last_given);
// An address of the pool by chance: hosts of a cluster that begin at different ones rarely choose
// the same.
IpAddress start_for(const Subnet& subnet, std::string_view host);
// Whether an endpoint may have it; kInvalid or kConflict with the reason, all but "taken by whom".
Status check_address(const Subnet& subnet, const IpAddress& address);

// The first address of a subnet.
IpAddress default_gateway(const IpPrefix& prefix);
// The pools that a network without --subnet draws from, Docker's: 172.17.0.0/16 to 172.31.0.0/16,
// then 192.168.0.0/16 in /20s.
std::vector<IpPrefix> default_pools();

} // namespace cnet::control
