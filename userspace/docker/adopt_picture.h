// From what Docker, iptables and nftables say to what is to be adopted. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/views.h"
#include "userspace/netlink/nftables.h"

namespace cnet::docker {

// What was asked for, all of it as it came.
struct Answers {
    std::string networks;   // GET /networks
    std::string containers; // GET /containers/json
    std::string info;       // GET /info
    std::string rules4;     // iptables-save
    std::string rules6;     // ip6tables-save
    std::string unknown;    // why one of these two could not be had; empty: it could
    std::vector<std::string> inspected = {}; // GET /containers/ID/json of containers_to_ask()
    Result<std::vector<netlink::HookedChain>> chains = std::vector<netlink::HookedChain>();
};

// Running containers on a routed network: the list of all has none of what they publish there (from
// 27 on, before moby#53693), each one's own page has.
std::vector<std::string> containers_to_ask(const Answers& answers);

// Docker's networks of driver bridge, but for docker_gwbridge, which is part of its overlays; and
// the ports published behind them, where no rules of Docker's serve those.
Result<control::DockerPicture> picture_of(const Answers& answers);

} // namespace cnet::docker
