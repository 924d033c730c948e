// Connections out of the messages of nf_conntrack.
#pragma once

#include <vector>

#include "userspace/netlink/conntrack.h"

struct nlmsghdr;

namespace cnet::netlink {

// What addresses of `sources` send of a connection that is translated, as read_translated() has it.
void add_translated(nlmsghdr* message, const std::vector<IpPrefix>& sources,
                    std::vector<KernelFlow>& flows);

} // namespace cnet::netlink
