// HostRoute's three parts, on a socket of the namespace in question.
#pragma once

#include <vector>

#include "userspace/netlink/rtnl.h"

struct nl_sock;

namespace cnet::netlink {

Result<std::vector<HostRoute>> read_host_routes(nl_sock* socket, uint32_t ifindex);
Status request_host_route(nl_sock* socket, uint32_t ifindex, const HostRoute& route);
Status request_no_host_route(nl_sock* socket, uint32_t ifindex, const HostRoute& route);

} // namespace cnet::netlink
