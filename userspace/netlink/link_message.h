// A device out of the kernel's own message about it: an answer, an entry of a list, or news.
#pragma once

#include <optional>

#include "userspace/netlink/rtnl.h"

struct nlmsghdr;

namespace cnet::netlink {

// Of RTM_NEWLINK. None: the message is about something else of the device than the device itself (a
// bridge's port, a wireless event), or is cut off.
std::optional<LinkInfo> to_link_info(nlmsghdr* message);

} // namespace cnet::netlink
