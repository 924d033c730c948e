// What the maps should hold, from the whole desired state and the devices that exist: a pure
// function. A port whose device does not exist (yet, or any more) has no entries.
#pragma once

#include "userspace/control/model.h"
#include "userspace/control/observed.h"
#include "userspace/control/tables.h"

namespace cnet::control {

// The devices of a network's host port when both ends exist and are ours.
struct HostPort {
    const netlink::LinkInfo* outer = nullptr;
    const netlink::LinkInfo* inner = nullptr;

    explicit operator bool() const { return outer && inner; }
};

HostPort find_host_port(const Network& network, const Observed& observed);
void copy_mac(__u8 (&to)[CNET_MAC_LEN], const MacAddress& from);
const netlink::LinkInfo* find_endpoint_link(const Endpoint& endpoint, const Observed& observed);

// `observed.maps.flood` decides which port keeps which place in the flood list, so that a change of
// one port moves at most one other.
MapContents desired_maps(const State& state, const Observed& observed);

} // namespace cnet::control
