// What Docker's calls say of networks, endpoints and pools, but for what users chose by options.
// Only the form is checked here; what makes sense is control's to say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "userspace/control/views.h"
#include "userspace/docker/reader.h"

namespace cnet::docker {

// NetworkID or EndpointID: 1 to 64 letters and digits.
Result<std::string> read_id(const Reader& request, const char* key);

// CreateNetwork's pools and gateways.
Status read_subnets(const Reader& request, control::NetworkSpec& spec);
// What else of these pools nobody gets.
Result<std::vector<IpPrefix>> read_aux_addresses(const Reader& request);

// CreateEndpoint's Interface: what Docker, or its IPAM driver, has given already.
struct WantedInterface {
    std::vector<IpAddress> ips;
    std::optional<MacAddress> mac;
};
Result<WantedInterface> read_interface(const Reader& interface);

Result<control::PoolRequest> read_pool_request(const Reader& request);

} // namespace cnet::docker
