// runtimeConfig.portMappings as ports that cnetd publishes.
#pragma once

#include <string>
#include <vector>

#include "userspace/cni/config.h"
#include "userspace/cni/daemon.h"

namespace cnet::cni {

// docs/api.md's specs, in order. Runtimes expand ranges into one mapping a port; they are put
// together again, since a range is one binding.
Outcome<std::vector<std::string>> port_specs(const std::vector<PortMapping>& mappings);

Done publish_ports(Daemon& daemon, const std::string& endpoint, const Config& config);
// Whether all of them are published (CHECK).
Done check_ports(Daemon& daemon, const std::string& endpoint, const Config& config);

} // namespace cnet::cni
