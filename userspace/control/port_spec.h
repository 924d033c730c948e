// "[HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp|sctp]" and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "userspace/base/result.h"
#include "userspace/control/model.h"

namespace cnet::control {

struct PortSpec {
    std::optional<IpAddress> host_ip;
    std::optional<uint16_t> host_port; // none: any free one of the ephemeral range
    uint16_t host_choice = 1;          // a free one of so many from host_port on
    uint16_t port = 0;
    uint16_t count = 1;
    cnet_l4 l4 = CNET_L4_TCP;
};

Result<PortSpec> parse_port_spec(std::string_view text);

std::string_view to_string(cnet_l4 l4); // "tcp"
// "0.0.0.0", "192.0.2.1", "[::1]".
std::string host_ip_text(const std::optional<IpAddress>& host_ip);
// "0.0.0.0:8080->80/tcp", "0.0.0.0:8000-8009->80-89/tcp", as `docker ps` has it.
std::string to_string(const PublishedPort& port);

} // namespace cnet::control
