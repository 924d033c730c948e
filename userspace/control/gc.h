// Collects what died: flows idle past their timeout and learned MACs past their network's ageing
// time. Picks candidates by walking the maps; the collector program claims and deletes them, so a
// flow that a packet revives meanwhile stays.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "maps/abi.h"
#include "userspace/base/clock.h"
#include "userspace/base/result.h"
#include "userspace/control/hooks.h"
#include "userspace/control/model.h"
#include "userspace/control/tables.h"
#include "userspace/control/timeouts.h"

namespace cnet::control {

// Of each network that there is: seconds after which a learned MAC goes, 0: never.
using AgeingTimes = std::map<NetworkId, uint32_t>;

// What a sweep saw in the connection table.
struct FlowCensus {
    std::map<std::pair<uint8_t, uint8_t>, uint64_t> flows; // by protocol and state
    uint64_t entries = 0;                                  // of every kind
};

class Collector {
public:
    struct Swept {
        uint64_t flows = 0; // collected
        uint64_t macs = 0;  // collected
        uint64_t live_flows = 0;
        bool done = false; // false: the sweep goes on, with the next call
        // The table, or what a port may have begun, is filling up: better sweep again soon.
        bool is_filling = false;
    };
    using FlowMatch = std::function<bool(const cnet_ct_key& forward, const cnet_ct_entry& entry)>;
    using MacMatch = std::function<bool(const cnet_fdb_key& key, const cnet_fdb_entry& entry)>;

    Collector(Tables& tables, Hooks& hooks, const Clock& clock, Timeouts timeouts);
    ~Collector();

    // Also takes flows that nothing desired explains any more (a crash came between a removal and
    // its purge), and REVERSE entries whose flow was missing in two sweeps in a row (a roll-back
    // that failed). Says how many flows each port has begun, by which new ones are refused.
    // When the table is more than half full, idle flows get less time (patience_permille), and so
    // do those of a port that has begun more than half of what it may. In steps of some ten
    // thousand entries, which a daemon that answers others can spare.
    Result<Swept> sweep(const State& state, const AgeingTimes& ageing);
    // Flows that match go at once, live or not; how many went.
    Result<uint64_t> purge_flows(const FlowMatch& match);
    // Learned entries that match, likewise.
    Result<uint64_t> purge_macs(const MacMatch& match);

    const Timeouts& timeouts() const { return timeouts_; }
    // Of the last sweep that came to its end; null before.
    const FlowCensus* census() const { return census_ ? &*census_ : nullptr; }
    // Collected by sweeps, since the start.
    uint64_t collected_flows() const { return collected_flows_; }
    uint64_t collected_macs() const { return collected_macs_; }

private:
    class Sweep;

    Result<Swept> finish(const AgeingTimes& ageing);
    Result<uint64_t> purge_macs_older(uint64_t now_ns, const AgeingTimes& ageing);

    Tables& tables_;
    Hooks& hooks_;
    const Clock& clock_;
    Timeouts timeouts_;
    // Flows that REVERSE entries named and that were missing in the last sweep: sorted hashes.
    std::vector<uint64_t> suspected_;
    std::unique_ptr<Sweep> sweep_; // under way
    std::optional<FlowCensus> census_;
    uint64_t left_entries_ = 0; // by the last sweep
    uint64_t collected_flows_ = 0;
    uint64_t collected_macs_ = 0;
};

} // namespace cnet::control
