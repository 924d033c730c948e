// cnetd's network of a configuration: made by the first ADD that needs it, like a bridge, and kept
// after the last DEL, like a bridge. One that is there is taken as it is, as long as it does not
// contradict what the configuration says in so many words.
#pragma once

#include "userspace/cni/config.h"
#include "userspace/cni/result.h"
#include "userspace/cni/shared.h"

namespace cnet::cni {

// The request that makes it. Subnets are the configuration's and those that the lease lies in.
Json network_request(const Config& config, const Lease& lease);
// Whether an existing network can serve this configuration and lease.
Done check_network(const Json& network, const Config& config, const Lease& lease);
// cnetd's object.
Outcome<Json> ensure_network(Daemon& daemon, const Config& config, const Lease& lease);

// The gateway of the network's first subnet of that family.
std::optional<IpAddress> gateway_of(const Json& network, bool v4);

} // namespace cnet::cni
