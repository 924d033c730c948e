// Which MAC address a new endpoint gets, or may have.
#pragma once

#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/model.h"
#include "userspace/control/observed.h"

namespace cnet::control {

// Random, locally administered, and nobody's on this host.
Result<MacAddress> random_mac(const State& state, const Observed& observed);
// The first IPv4 address's own, as Docker makes them: whoever remembers it need not forget. A
// random one where it is taken, or there is no such address.
Result<MacAddress> mac_of(const std::vector<IpPrefix>& addresses, const State& state,
                          const Observed& observed);
Status check_mac(const MacAddress& mac, const Network& network, const State& state);

} // namespace cnet::control
