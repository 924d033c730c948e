// Queueing disciplines, on a socket of the namespace in question.
#pragma once

#include "userspace/netlink/rtnl.h"

struct nl_sock;

namespace cnet::netlink {

// A token bucket as the device's root qdisc. The same again is success.
Status request_rate_limit(nl_sock* socket, const LinkInfo& device, const RateLimit& limit);

} // namespace cnet::netlink
