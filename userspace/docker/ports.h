// The ports that `docker run -p` and `-P` ask for, as ProgramExternalConnectivity has them.
#pragma once

#include <string>
#include <vector>

#include "userspace/control/views.h"
#include "userspace/docker/reader.h"

namespace cnet::docker {

// One or several that follow on each other: Docker asks for each port of a range by itself.
struct PortWish {
    std::string protocol;          // "tcp"
    std::optional<IpAddress> host; // none: every address
    uint32_t host_port = 0;        // 0: cnetd chooses
    uint32_t host_port_end = 0;    // above host_port and with one port: a choice among them
    uint32_t port = 0;
    uint32_t count = 1;

    // As docs/api.md has it.
    std::string spec() const;
    bool is(const control::PortView& published) const;

    bool operator==(const PortWish&) const = default;
};

// The same where a family is routed, and a port is the container's own: of the host's the address
// alone counts, for its family. One on a loopback address stays as it is, for cnetd to refuse, and
// so does one of both families where the other is not routed: of the host it has that one's.
std::vector<PortWish> as_direct(std::vector<PortWish> wishes, const control::Network& network);

// `bind` is where those are published that say nothing else.
Result<std::vector<PortWish>> read_ports(const Reader& options,
                                         const std::optional<IpAddress>& bind);

} // namespace cnet::docker
