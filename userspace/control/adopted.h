// Bridges that somebody else made, and that we go past: which of them and of their ports, and what
// the maps and hooks are for that. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/change.h"
#include "userspace/control/model.h"
#include "userspace/control/observed.h"
#include "userspace/control/tables.h"

namespace cnet::control {

// Learned MACs of one bridge at most: what is beyond it is the bridge's alone.
inline constexpr uint32_t kAdoptedMacLimit = 1024;

// A port of an adopted bridge, and why it is left to the bridge, if it is.
struct AdoptedPort {
    const netlink::LinkInfo* link = nullptr;
    const netlink::BridgePortInfo* info = nullptr;
    std::string left; // empty: frames go past the bridge
};

// Why nothing may go past the bridge as it is set up; empty: it may.
std::string bridge_objection(const netlink::BridgeInfo& bridge);
// The host's way out: what the host sends and takes there is the uplink's, frames between its ports
// alone are ours.
bool is_way_out(const AdoptedBridge& adopted, const State& state);
// Whether any of what is sent to the bridge itself is ours to route.
bool is_routed(const AdoptedBridge& adopted, const State& state);
// The same of one that is adopted, with what Docker says of it.
std::string adopted_objection(const AdoptedBridge& adopted, const netlink::BridgeInfo& bridge,
                              const netlink::Bridging& bridging);
// The bridge while it is there and is one, or null.
const netlink::LinkInfo* find_adopted_link(const AdoptedBridge& adopted, const Observed& observed);
// Those that we have a program on; none while the bridge is gone or objects.
std::vector<AdoptedPort> adopted_ports(const AdoptedBridge& adopted, const State& state,
                                       const Observed& observed);

void add_adopted(MapContents& maps, const State& state, const Observed& observed);
std::vector<AttachHook> adopted_hooks(const State& state, const Observed& observed);

} // namespace cnet::control
