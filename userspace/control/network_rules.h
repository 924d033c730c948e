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
    enum class Kind { kAddress, kRoute };

    std::string device;
    IpPrefix prefix;
    Kind kind = Kind::kAddress;
};

// Subnets that were given must not overlap with each other, with another network, with what the
// host is connected to, or take more than a part of what it routes elsewhere (a host with a route
// for all of 10.0.0.0/8 may well have a network in it). Default pools skip whatever is in use. None
// with `layer2`.
Result<std::vector<Subnet>> plan_subnets(const NetworkSpec& spec, const State& state,
                                         const std::vector<HostPrefix>& host);
// The first default pool that nobody uses, Docker's IPAM included.
Result<IpPrefix> free_pool(const State& state, const std::vector<HostPrefix>& host);
// Whether a network may have it at all: no host bits, room for an endpoint, no special range.
Status check_subnet(const IpPrefix& subnet);
// What a network with a subnet for each host is made with.
Status check_pool(const NetworkSpec& spec, bool has_cluster);
// What the options must be together: MTU, masquerade addresses, mode.
Status check_network(const Network& network);
// Fixed by the network's id and name, locally administered.
MacAddress gateway_mac(NetworkId id, const std::string& name);
// The same on each host of an overlay: an endpoint that moves keeps its gateway.
MacAddress overlay_gateway_mac(uint32_t vni);

} // namespace cnet::control
