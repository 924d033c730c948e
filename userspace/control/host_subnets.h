// Networks in which each host has a subnet to itself: one vxlan device a network, and one route,
// one neighbour and one FDB entry for each other host, as flannel's vxlan backend has it. Pure.
#pragma once

#include <vector>

#include "userspace/control/change.h"
#include "userspace/control/model.h"
#include "userspace/control/observed.h"

namespace cnet::control {

std::vector<Change> missing_vteps(const State& desired, const Observed& observed);
// MTU, up, the subnet's own address.
std::vector<Change> vtep_settings(const State& desired, const Observed& observed);
std::vector<Change> host_route_changes(const State& desired, const Observed& observed);

} // namespace cnet::control
