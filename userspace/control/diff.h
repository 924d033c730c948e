// The least number of single-entry changes from one content of the maps to another, never a flush
// and refill: traffic flows meanwhile. An addition comes before what refers to it, a removal after.
#pragma once

#include <vector>

#include "userspace/control/change.h"
#include "userspace/control/tables.h"

namespace cnet::control {

struct MapDiff {
    std::vector<Change> additions; // and changes in place
    std::vector<Change> slots;     // between the two: bindings exist, and are not gone yet
    std::vector<Change> removals;
};

MapDiff diff_maps(const MapContents& observed, const MapContents& desired);

// What the removals leave behind in the maps that BPF writes.
PurgeFlows flows_to_purge(const MapContents& observed, const MapContents& desired);
PurgeMacs macs_to_purge(const MapContents& observed, const MapContents& desired);

} // namespace cnet::control
