// The devices that the desired state asks for: which to create, to configure and to delete.
#pragma once

#include <vector>

#include "userspace/control/change.h"
#include "userspace/control/model.h"
#include "userspace/control/observed.h"
#include "userspace/netlink/rtnl.h"

namespace cnet::control {

// A desired device of the right name that is not ours is half-made (a crash came before its alias)
// and goes first.
std::vector<Change> missing_links(const State& desired, const Observed& observed);
// MTU, up, gateway addresses, the inside of endpoints.
std::vector<Change> link_settings(const State& desired, const Observed& observed);
// Devices with our alias that nothing desired has.
std::vector<Change> stray_links(const State& desired, const Observed& observed);
std::vector<AttachHook> desired_hooks(const State& desired, const Observed& observed);
netlink::Rtnl::InnerEnd inner_end_of(const Endpoint& endpoint);

} // namespace cnet::control
