// From what Docker and iptables say to the bridges that are to be adopted. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/model.h"

namespace cnet::docker {

// What was asked for, all of it as it came.
struct Answers {
    std::string networks; // GET /networks
    std::string info;     // GET /info
    std::string rules4;   // iptables-save
    std::string rules6;   // ip6tables-save
    std::string unknown;  // why one of these two could not be had; empty: it could
};

// Docker's networks of driver bridge, but for docker_gwbridge, which is part of its overlays.
Result<std::vector<control::AdoptedBridge>> bridges_of(const Answers& answers);

} // namespace cnet::docker
