// Who is connected to whom, as values: read from cnetd and from the devices' counters, drawn as
// text or as a picture.
#pragma once

#include <string>
#include <vector>

#include "userspace/cnet-bpf/context.h"
#include "userspace/cnet-bpf/rates.h"

namespace cnet::cli {

struct TopologyEndpoint {
    std::string name;
    std::string addresses;
    std::string state;
    std::vector<std::string> ports;
    std::string device;
    Rate rate;
};

struct TopologyNetwork {
    std::string name;
    std::string about;                       // subnets, mode, VNI
    std::vector<TopologyEndpoint> endpoints; // attached devices too
};

struct TopologyEdge { // an uplink, or another host
    std::string name;
    std::string about;
    Result<Rate> rate; // an error: of a host, where it cannot be measured
};

struct Topology {
    std::vector<TopologyNetwork> networks;
    std::vector<TopologyEdge> uplinks;
    std::vector<TopologyEdge> peers;
};

// The rates are of the half second that this takes.
Result<Topology> read_topology(Context& context);
std::string svg_of(const Topology& topology);
Json json_of(const Topology& topology);
std::string rate_text(const Result<Rate>& rate); // "1.2Mbit/s in, 80bit/s out"

} // namespace cnet::cli
