// Published ports as the maps have them: one binding a range, the slots that lead to it, and, for
// single addresses, the (address, slot) entries.
#pragma once

#include "userspace/control/model.h"
#include "userspace/control/observed.h"
#include "userspace/control/tables.h"

namespace cnet::control {

// Of the endpoints whose device exists.
void add_bindings(MapContents& maps, const State& state, const Observed& observed);

} // namespace cnet::control
