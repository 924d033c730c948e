// What netavark gives its plugins on stdin (docs/netavark.md names its document), as far as it
// means something here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/netavark/shared.h"

namespace cnet::netavark {

struct SubnetWish {
    IpPrefix prefix; // host bits zero
    std::optional<IpAddress> gateway;
};

struct Network {
    Json document; // as it came
    std::string name;
    std::string id;
    std::vector<SubnetWish> subnets;
    bool internal = false;
    bool dns = false;
    bool default_route = true;      // of its containers
    Json settings = Json::object(); // of cnetd's network, by the network's options
};

// One container on one network.
struct Attachment {
    Network network;
    std::string container_id;
    std::string ifname;
    std::vector<std::string> ips;
    std::string mac; // empty: cnetd chooses
    std::vector<std::string> aliases;
    std::vector<plugin::PortMapping> ports;
};

Outcome<Network> parse_network(const std::string& text);
Outcome<Attachment> parse_attachment(const std::string& text);

} // namespace cnet::netavark
