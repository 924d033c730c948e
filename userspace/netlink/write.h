// Requests that change devices, addresses and routes, on a socket of the namespace in question.
#pragma once

#include <string>

#include "userspace/netlink/rtnl.h"

struct nl_sock;

namespace cnet::netlink {

Status request_veth(nl_sock* socket, const VethSpec& spec);
Status request_vxlan(nl_sock* socket, const VxlanSpec& spec);
// The device in `home_netns`, whose socket `home` is, while its own UDP socket stays here.
Status request_vxlan(nl_sock* socket, const VxlanSpec& spec, nl_sock* home, int home_netns);
Status request_delete_link(nl_sock* socket, const std::string& name); // absent is success
Status request_up(nl_sock* socket, const std::string& name, bool up);
// The MAC that it has already: nothing changes, but with `arp_notify` and `ndisc_notify` the kernel
// tells the link about the device's addresses.
Status request_same_mac(nl_sock* socket, const LinkInfo& link);
Status request_promiscuous(nl_sock* socket, const std::string& name, bool on);
// IPv6 link-local addresses made from the MAC. A kernel or a device without IPv6 has none to make.
// As a sysctl it is not waited for while others change devices, but tried in a circle.
Status request_eui64(nl_sock* socket, const std::string& name);
Status request_mtu(nl_sock* socket, const std::string& name, uint32_t mtu);

// IPv6 addresses skip duplicate address detection: ours are given out by us, and usable at once.
Status request_add_address(nl_sock* socket, uint32_t ifindex,
                           const IpPrefix& address); // present is success
Status request_delete_address(nl_sock* socket, uint32_t ifindex,
                              const IpPrefix& address); // absent is success

// All addresses of a family are this namespace's own.
Status request_local_default(nl_sock* socket, int family, uint32_t lo_ifindex);
// The same route again is success; another default route of the family is kConflict.
Status request_default_route(nl_sock* socket, uint32_t ifindex, const IpAddress& gateway);
Status request_no_default_route(nl_sock* socket, uint32_t ifindex,
                                const IpAddress& gateway); // absent is success

} // namespace cnet::netlink
