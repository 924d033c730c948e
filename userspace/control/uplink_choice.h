// Which devices of the host lead to the outside. By default every device that is up and has a
// global address, except loopback, our own, what is attached to a network or a port of a bridge,
// and the bridges that container engines make; `uplink add` and `uplink delete` override it by
// name, UplinkPolicy::kAddedOnly ([uplinks] auto = false) the default.
#pragma once

#include <vector>

#include "userspace/control/model.h"
#include "userspace/control/observed.h"

namespace cnet::control {

struct ChosenUplink {
    const netlink::LinkInfo* link = nullptr; // into the observed links
    bool added = false;                      // by `uplink add`
};

// Ours by alias, or the inner end of a host port, which has none.
bool is_own_device(const netlink::LinkInfo& link, const State& state);
bool is_default_uplink(const netlink::LinkInfo& link, const State& state, const Observed& observed);
std::vector<ChosenUplink> choose_uplinks(const State& state, const Observed& observed);
// What cnet_uplink says about it.
cnet_uplink uplink_entry(const netlink::LinkInfo& link, const Observed& observed);

} // namespace cnet::control
