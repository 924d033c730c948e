// A network configuration (stdin), as the plugin understands it: the bridge plugin's keys with the
// bridge plugin's meaning, portmap's port mappings, and the conventions of runtimes.
//
// With an `ipam` of another plugin, keys that are absent have the bridge plugin's defaults (off).
// Without, no bridge configuration is meant: the network is a whole one, with a gateway, a default
// route and masquerading, unless the keys say otherwise. With an empty one, or with
// disableContainerInterface, it is one of layer 2, as the bridge plugin's is without any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/rate.h"
#include "userspace/cni/environment.h"
#include "userspace/cni/shared.h"

namespace cnet::cni {

inline constexpr const char* kVersions[] = {"0.3.1", "0.4.0", "1.0.0", "1.1.0"};
inline constexpr const char* kLatestVersion = "1.1.0";
// Whether `version` is one of kVersions and not older than `least`.
bool version_at_least(const std::string& version, const std::string& least);

struct SubnetWish {
    IpPrefix prefix; // host bits zero
    std::optional<IpAddress> gateway;

    bool operator==(const SubnetWish&) const = default;
};

struct ValidAttachment {
    std::string container_id;
    std::string ifname;
};

struct Config {
    std::string text; // as it came, for other plugins
    Json document;
    std::string version;
    std::string name;
    std::string network;   // cnetd's: the key `bridge`, else the configuration's name; + ".VLAN"
    std::string ipam_type; // empty: cnetd gives the addresses

    std::optional<bool> is_gateway; // as written; see wants_...() for what is meant
    std::optional<bool> masquerade;
    bool is_default_gateway = false; // written, or ours by default
    bool layer2 = false;             // no addresses at all
    bool disabled = false;           // the container's device stays down; with layer2
    bool icc = true;
    uint32_t mtu = 0; // 0: not written
    std::vector<SubnetWish> subnets;
    std::optional<IpPrefix> ip_range;
    Json routes = Json::array(); // of our own IPAM

    std::vector<std::string> ips; // for our own IPAM
    std::optional<std::string> mac;
    std::vector<PortMapping> ports;
    std::vector<std::string> aliases; // names that resolvers can have
    RateLimit ingress;                // of what the container is sent
    RateLimit egress;
    Json dns = Json::object();
    Json previous;                                     // prevResult, or null
    std::optional<std::vector<ValidAttachment>> valid; // GC alone

    bool delegates() const { return !ipam_type.empty(); }
    // The address is somebody's on the network itself, who is asked from inside the container.
    bool leases() const { return ipam_type == "dhcp"; }
    bool wants_gateway() const {
        return !layer2 && (is_gateway.value_or(!delegates()) || is_default_gateway);
    }
    bool wants_masquerade() const { return !layer2 && masquerade.value_or(!delegates()); }
};

Outcome<Config> parse_config(const std::string& text, const ExtraArguments& arguments);

} // namespace cnet::cni
