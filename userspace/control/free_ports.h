// Which ports of the host may be chosen for somebody who named none. Reads /proc/sys/net of the
// caller's network namespace.
#pragma once

#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/model.h"

namespace cnet::control {

struct PortRange {
    uint32_t first = 32768; // the kernel's defaults
    uint32_t last = 60999;
};

PortRange local_port_range();
// "8080,9148-9160" as ip_local_reserved_ports has it; what cannot be read is nothing.
std::vector<PortRange> parse_port_list(const std::string& text);
std::vector<PortRange> reserved_ports();

// First ports of `count` in a row within `range` that touch nothing taken, going round from the one
// after `last_chosen`.
std::vector<uint16_t> free_ports(const PortRange& range, const std::vector<PortRange>& taken,
                                 uint16_t count, uint32_t last_chosen);

} // namespace cnet::control
