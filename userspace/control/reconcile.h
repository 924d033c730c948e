// The core: what to do so that the kernel holds what is desired. Pure.
//
// Devices that must be created come alone; whoever applies them observes and asks again, since the
// maps are keyed by the indexes that the kernel gives. When nothing is missing, the answer is
// everything else in an order that keeps traffic flowing; applied in full, the next answer is
// empty.
#pragma once

#include <vector>

#include "userspace/control/change.h"
#include "userspace/control/model.h"
#include "userspace/control/observed.h"

namespace cnet::control {

std::vector<Change> reconcile(const State& desired, const Observed& observed);

} // namespace cnet::control
