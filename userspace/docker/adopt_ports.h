// The ports of running containers that Docker has published, by what GET /containers/json says.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/views.h"

namespace cnet::docker {

// Those that lead behind `bridges`. Docker publishes a container's ports on one of its networks,
// the one that its default route leads to.
// `inspected` are pages of single containers, with what the list has left out.
Result<std::vector<control::DockerPort>>
published_ports(const std::string& containers, const std::vector<std::string>& inspected,
                const std::vector<control::AdoptedBridge>& bridges);

} // namespace cnet::docker
