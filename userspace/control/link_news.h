// Brings Observed to what news say of single devices, so that nobody has to read all of them for
// each. The news are as of now: whoever drains them does it just before, since Observed has what
// was done here in the meantime.
#pragma once

#include "userspace/control/observed.h"
#include "userspace/netlink/monitor.h"

namespace cnet::control {

struct LinksTaken {
    bool changed = false;    // something in Observed is other than before
    bool in_doubt = false;   // what was told does not fit what is known: read everything
    std::set<uint32_t> gone; // indexes of devices that are no more; another may have one by now
};

Result<LinksTaken> take_link_news(Observed& observed,
                                  const std::map<uint32_t, netlink::LinkNews>& news,
                                  netlink::Rtnl& rtnl);

} // namespace cnet::control
