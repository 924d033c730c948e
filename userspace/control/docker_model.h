// What Docker calls things of ours, and what it said about them: part of the desired state.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/ip.h"

namespace cnet::control {

struct DockerNetwork {
    std::string id;
    bool made = true;                 // by Docker's request, and gone by it too
    std::string iface_prefix = "eth"; // of the devices in containers
    std::optional<IpAddress> bind;    // where ports are published that say nothing else
    std::vector<IpPrefix> allow_from; // who may use its published ports; none: everybody

    bool operator==(const DockerNetwork&) const = default;
};

// Of an endpoint whose far end Docker moves into a container.
struct DockerEndpoint {
    std::string id;
    std::vector<IpPrefix> allow_from; // instead of the network's, when there is any

    bool operator==(const DockerEndpoint&) const = default;
};

// Addresses that Docker asked its IPAM driver for.
struct DockerPool {
    std::string id;
    IpPrefix prefix;               // host bits zero
    std::optional<IpPrefix> range; // automatic addresses come from here
    // Given out; true: to be kept, for the gateway or to be left alone, and false: to an endpoint.
    std::map<IpAddress, bool> addresses = {};

    bool operator==(const DockerPool&) const = default;
};

// Of a bridge that is adopted because Docker made it.
struct DockerBridge {
    std::string id;       // of its network
    std::string network;  // that network's name
    std::string left;     // why it is left to itself; empty: it is not
    std::string filtered; // the rule by which iptables may refuse frames between its ports; empty:
                          // there is none

    bool operator==(const DockerBridge&) const = default;
};

} // namespace cnet::control
