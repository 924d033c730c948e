// What container engines call port mappings, as ports that cnetd publishes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/plugin/daemon.h"

namespace cnet::plugin {

struct PortMapping {
    uint16_t host_port = 0;
    uint16_t container_port = 0;
    std::string protocol = "tcp";
    std::string host_ip;

    bool operator==(const PortMapping&) const = default;
};

// docs/api.md's specs, in order. Runtimes expand ranges into one mapping a port; they are put
// together again, since a range is one binding.
Outcome<std::vector<std::string>> port_specs(const std::vector<PortMapping>& mappings);

// For an endpoint whose name begins with `prefix`.
Done publish_ports(Daemon& daemon, const std::string& endpoint,
                   const std::vector<PortMapping>& mappings, const std::string& prefix);
// Whether all of them are published (CHECK).
Done check_ports(Daemon& daemon, const std::string& endpoint,
                 const std::vector<PortMapping>& mappings);

} // namespace cnet::plugin
