// The half of the kept vxlan device that listens in a namespace of its own.
#pragma once

#include "userspace/netlink/rtnl.h"

struct nl_sock;

namespace cnet::netlink {

// `home` is a socket of the namespace `home_netns`, which gets the two devices.
Status make_vxlan_receiver(nl_sock* home, int home_netns, const VxlanReceiverSpec& spec);
Status remove_vxlan_receiver(nl_sock* home, const VxlanReceiverSpec& spec);

} // namespace cnet::netlink
