// What the kernel has, read through libnl-route on a socket of the namespace in question.
#pragma once

#include <string>
#include <vector>

#include "userspace/netlink/rtnl.h"

struct nl_sock;

namespace cnet::netlink {

Result<std::vector<LinkInfo>> read_links(nl_sock* socket);
// kNotFound when there is none.
Result<LinkInfo> read_link(nl_sock* socket, const std::string& name);
Result<LinkInfo> read_link(nl_sock* socket, uint32_t ifindex);
// Of a veth's other end, in whatever namespace that is; kNotFound when there is no such veth.
Result<uint32_t> read_peer_ifindex(nl_sock* socket, const std::string& name);
// False while a device is up and drops what it is to send: of a veth whose other end came up later,
// or is still to, the kernel's worker activates the queue (linkwatch_do_dev).
Result<bool> is_settled(nl_sock* socket, uint32_t ifindex);
Result<std::vector<AddressInfo>> read_addresses(nl_sock* socket);
Result<std::vector<RouteInfo>> read_routes(nl_sock* socket);
// Whether what comes for this IPv6 address is delivered here: the kernel lists an address before it
// has a route to it, which its own worker adds (addrconf_dad_work).
Result<bool> is_delivered(nl_sock* socket, const IpAddress& address);
// Whether the main table has a default route by way of this gateway and device.
Result<bool> has_default_route(nl_sock* socket, const IpAddress& gateway, uint32_t ifindex);
// Whether it has any of that family.
Result<bool> has_default_route(nl_sock* socket, bool v4);

} // namespace cnet::netlink
