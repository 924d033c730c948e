// What a network may be: subnets, gateways and ranges from what was asked for, or the sentence that
// says why not. Pure.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/model.h"
#include "userspace/control/views.h"

namespace cnet::control {

// Something of the host that a subnet must keep clear of.
struct HostPrefix {
    std::string device;
    IpPrefix prefix;
};

// Subnets that were given must not overlap with each other, with another network or with the host;
// default pools skip what is in use.
Result<std::vector<Subnet>> plan_subnets(const NetworkSpec& spec, const State& state,
                                         const std::vector<HostPrefix>& host);
Status check_mtu(uint32_t mtu);
Status check_snat(const std::optional<IpAddress>& snat);
// Fixed by the network's id and name, locally administered.
MacAddress gateway_mac(NetworkId id, const std::string& name);

} // namespace cnet::control
