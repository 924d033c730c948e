// The sockets by which a network's endpoints ask: bound to the host's address on the network and to
// its device there, so that nobody else's questions arrive.
#pragma once

#include "userspace/base/ip.h"
#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::names {

struct Place {
    std::string device;
    uint32_t ifindex = 0; // a device that was made anew is another
    IpAddress address;

    auto operator<=>(const Place&) const = default;
};

struct Sockets {
    UniqueFd udp;
    UniqueFd tcp;
};

Result<Sockets> listen_at(const Place& place);

} // namespace cnet::names
