// Results: what an IPAM plugin answers, and what ADD answers in the configuration's version.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/cni/config.h"
#include "userspace/cni/environment.h"
#include "userspace/cni/shared.h"

namespace cnet::cni {

struct LeasedAddress {
    IpPrefix address;
    std::optional<IpAddress> gateway;
};

struct LeasedRoute {
    IpPrefix destination;
    std::optional<IpAddress> gateway;
    Json json; // as it came: 1.1.0 has keys that are not ours to lose
};

// What the addresses' owner gave.
struct Lease {
    std::vector<LeasedAddress> addresses;
    std::vector<LeasedRoute> routes;
    Json dns = Json::object();

    std::optional<IpAddress> gateway(bool v4) const;
};

// "ips", "routes" and "dns" of a result.
Outcome<Lease> parse_lease(const Json& result);
Outcome<std::vector<LeasedRoute>> parse_routes(const Json& routes);

struct Interface {
    std::string name;
    std::string mac;     // empty: not said
    std::string sandbox; // empty: the host's
    uint32_t mtu = 0;
};

// What was made: the host port, the host side of the veth, the container's side, last.
struct Made {
    std::vector<Interface> interfaces;
    Lease lease;
};

// With prevResult, if any, in front.
Json make_result(const Config& config, const Made& made);

// Of a result (prevResult) what the device of that name and sandbox must look like.
Outcome<Expected> expected_inside(const Json& result, const Environment& environment);

} // namespace cnet::cni
