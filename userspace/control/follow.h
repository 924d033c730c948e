// What the cluster's news mean for this host's state. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "userspace/control/cluster.h"
#include "userspace/control/observed.h"
#include "userspace/store/store.h"

namespace cnet::control {

struct FollowInput {
    const State& state;
    const Observed& observed;
    const ClusterState& cluster;
    std::string own_host;
    // Whether a network that is new here can be: kConflict with a subnet of this host, say.
    std::function<Status(const Network&)> admissible;
};

struct FollowPlan {
    State next;
    std::vector<store::Mutation> mutations; // from the state to `next`, references kept
    store::LastIds ids;
    std::vector<std::string> complaints; // what was left out, and why
    // That this host uses and the cluster does not know (any more): to be given to it again.
    std::vector<Network> unknown_to_cluster;
};

// Networks, peers and remote endpoints of the cluster, as it has them. What users of this host made
// outranks the cluster: a name, VNI or subnet that is taken here keeps a network out; a peer that
// was added by hand stays. A network that has endpoints here is never removed.
FollowPlan plan_follow(const FollowInput& input, store::LastIds ids);

} // namespace cnet::control
