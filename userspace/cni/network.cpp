#include "userspace/cni/network.h"

#include <algorithm>

#include "userspace/base/names.h"

namespace cnet::cni {
namespace {

struct Subnet {
    IpPrefix prefix;
    IpAddress gateway;
};

std::vector<Subnet> subnets_of(const Json& network) {
    std::vector<Subnet> subnets;
    const Json& prefixes = network.at("subnets");
    for (size_t i = 0; i < prefixes.size(); i++) {
        auto prefix = IpPrefix::parse(prefixes[i].get<std::string>());
        auto gateway = IpAddress::parse(network.at("gateways").at(i).get<std::string>());
        if (prefix && gateway) subnets.push_back({*prefix, *gateway});
    }
    return subnets;
}

std::string listed(const std::vector<Subnet>& subnets) {
    std::string text;
    for (const Subnet& one : subnets)
        text += (text.empty() ? "" : ", ") + one.prefix.to_string();
    return text.empty() ? "(none)" : text;
}

Fault contradicts(const Json& network, const std::string& has, const std::string& says) {
    return {Code::kConfig, "network " + network.at("name").get<std::string>() + " " + has +
                               ", the configuration says " + says};
}

std::string mode_of(const Json& network) {
    return network.at("mode").get<std::string>();
}

bool masquerades(const Json& network) {
    return mode_of(network).starts_with("nat") && network.at("masquerade").get<bool>();
}

// What the configuration says in so many words.
Done check_options(const Json& network, const Config& config) {
    const bool isolated = mode_of(network) == "isolated";
    if (config.is_gateway && *config.is_gateway == isolated)
        return contradicts(network, "has mode " + mode_of(network),
                           isolated ? "isGateway: true" : "isGateway: false");
    if (config.masquerade && !isolated && *config.masquerade != masquerades(network))
        return contradicts(network, masquerades(network) ? "masquerades" : "does not masquerade",
                           *config.masquerade ? "ipMasq: true" : "ipMasq: false");
    const uint32_t mtu = network.at("mtu").get<uint32_t>();
    if (config.mtu != 0 && config.mtu != mtu)
        return contradicts(network, "has mtu " + std::to_string(mtu), std::to_string(config.mtu));
    if (!config.icc && network.at("icc").get<bool>())
        return contradicts(network, "lets its endpoints talk to each other",
                           "portIsolation or ingressPolicy: isolated");
    return {};
}

Done check_address(const Json& network, const std::vector<Subnet>& subnets,
                   const LeasedAddress& one, const Config& config) {
    const auto subnet = std::find_if(subnets.begin(), subnets.end(), [&](const Subnet& candidate) {
        return candidate.prefix.contains(one.address.address());
    });
    if (subnet == subnets.end() || subnet->prefix.length() != one.address.length())
        return contradicts(network, "has the subnets " + listed(subnets),
                           "the address " + one.address.to_string());
    if (one.gateway && config.wants_gateway() && *one.gateway != subnet->gateway)
        return contradicts(network, "has the gateway " + subnet->gateway.to_string(),
                           one.gateway->to_string());
    return {};
}

void add_subnet(std::vector<SubnetWish>& wishes, const SubnetWish& wish) {
    auto same = std::find_if(wishes.begin(), wishes.end(),
                             [&](const SubnetWish& other) { return other.prefix == wish.prefix; });
    if (same == wishes.end()) {
        wishes.push_back(wish);
    } else if (!same->gateway) {
        same->gateway = wish.gateway;
    }
}

const char* mode_for(const Config& config) {
    if (!config.wants_gateway()) return "isolated";
    return config.wants_masquerade() ? "nat" : "routed";
}

} // namespace

Json network_request(const Config& config, const Lease& lease) {
    Json request = {{"name", config.network}};
    if (config.mtu != 0) request["mtu"] = config.mtu;
    request["mode"] = mode_for(config);
    request["icc"] = config.icc;
    if (config.layer2) {
        // Whose addresses nobody knows, they cannot be checked.
        request["layer2"] = true;
        request["allow_spoofing"] = true;
        return request;
    }
    std::vector<SubnetWish> wishes;
    for (const SubnetWish& wish : config.subnets)
        add_subnet(wishes, wish);
    for (const LeasedAddress& one : lease.addresses) {
        const IpPrefix prefix(one.address.network(), one.address.length());
        const bool inside = one.gateway && prefix.contains(*one.gateway);
        add_subnet(wishes, {prefix, inside ? one.gateway : std::nullopt});
    }
    for (const SubnetWish& wish : wishes) {
        request["subnets"].push_back(wish.prefix.to_string());
        if (wish.gateway) request["gateways"].push_back(wish.gateway->to_string());
    }
    if (config.ip_range) request["ip_ranges"] = {config.ip_range->to_string()};
    request["masquerade"] = config.wants_masquerade();
    return request;
}

Done check_network(const Json& network, const Config& config, const Lease& lease) {
    if (Done done = check_options(network, config); !done) return done;
    const std::vector<Subnet> subnets = subnets_of(network);
    if (subnets.empty() && !config.layer2 && !config.delegates())
        return contradicts(network, "has no subnets", "ipam of type cnet");
    for (const SubnetWish& wish : config.subnets) {
        const auto subnet = std::find_if(subnets.begin(), subnets.end(), [&](const Subnet& other) {
            return other.prefix == wish.prefix;
        });
        if (subnet == subnets.end())
            return contradicts(network, "has the subnets " + listed(subnets),
                               wish.prefix.to_string());
        if (wish.gateway && config.wants_gateway() && *wish.gateway != subnet->gateway)
            return contradicts(network, "has the gateway " + subnet->gateway.to_string(),
                               wish.gateway->to_string());
    }
    for (const LeasedAddress& one : lease.addresses) {
        if (Done done = check_address(network, subnets, one, config); !done) return done;
    }
    return {};
}

Outcome<Json> ensure_network(Daemon& daemon, const Config& config, const Lease& lease) {
    if (!valid_name(config.network))
        return Fault{Code::kConfig, "\"" + config.network + "\" cannot be a network's name: " +
                                        "[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"};
    const std::string member = "/v1/networks/" + config.network;
    auto network = daemon.get(member);
    if (!network) return network.fault();
    if (network->is_null()) {
        auto made = daemon.call("POST", "/v1/networks", network_request(config, lease));
        if (!made) return made.fault();
        if (made->ok()) return std::move(made->body);
        if (!made->conflict()) return made->fault();
        // Another ADD may have been faster; or something else has the subnet.
        network = daemon.get(member);
        if (!network) return network.fault();
        if (network->is_null()) return made->fault();
    }
    if (Done done = check_network(*network, config, lease); !done) return done.fault();
    return network;
}

std::optional<IpAddress> gateway_of(const Json& network, bool v4) {
    for (const Subnet& subnet : subnets_of(network)) {
        if (subnet.gateway.is_v4() == v4) return subnet.gateway;
    }
    return {};
}

} // namespace cnet::cni
