// The dense list of a network's flooded ports. A port keeps its index for as long as the list
// reaches that far; what falls off the end moves into the holes.
#pragma once

#include <map>

#include "userspace/control/model.h"
#include "userspace/control/tables.h"

namespace cnet::control {

using FloodMembers = std::map<uint32_t, uint32_t>; // ifindex -> port flags
using FloodEntries = Entries<cnet_flood_key, cnet_flood_port>;

// Adds the network's entries to `out`, indexes 0..n-1, and answers n.
uint32_t place_flood_ports(FloodEntries& out, NetworkId network, const FloodMembers& members,
                           const FloodEntries& observed);

} // namespace cnet::control
