// What an endpoint may be, apart from addresses: those are ipam's and the controller's.
#pragma once

#include <string>
#include <vector>

#include "userspace/control/model.h"
#include "userspace/control/views.h"

namespace cnet::control {

// Labels of the DNS, none twice.
Status check_aliases(const std::vector<std::string>& aliases);
// Without an address, and without a device that is up.
Status check_layer2(const EndpointSpec& spec, const Network& network);
Status check_limits(const RateLimit& ingress, const RateLimit& egress, const Network& network);

} // namespace cnet::control
