// What the plugin does and sees by netlink itself: in the container's namespace routes beyond the
// default one, which cnetd does not keep, and CHECK; in the host's a device's MAC.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/result.h"

namespace cnet::plugin {

struct Route {
    IpPrefix destination; // host bits zero
    IpAddress gateway;
};

// Whether the namespace has a way out of that family already, by whatever device.
Result<bool> has_default_route(const std::string& netns, bool v4);

// The same route again is success.
Status add_routes(const std::string& netns, const std::string& ifname,
                  const std::vector<Route>& routes);

// Adds the second, then removes the first: its routes stay. What is there, or gone, already is
// success.
Status replace_addresses(const std::string& netns, const std::string& ifname,
                         const std::vector<IpPrefix>& before, const std::vector<IpPrefix>& after);

// The MAC of a device of the host's; empty when it has none, or is gone.
std::string mac_of(const std::string& device);

// What differs from it, as a sentence; empty when nothing does.
struct Expected {
    std::string ifname;
    std::string mac; // empty: any
    std::vector<IpPrefix> addresses;
    std::vector<Route> routes;
    bool may_be_down = false; // it is left to somebody else
};
Result<std::string> difference(const std::string& netns, const Expected& expected);

} // namespace cnet::plugin
