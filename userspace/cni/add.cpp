#include "userspace/cni/add.h"

#include <algorithm>

#include "userspace/base/netns.h"
#include "userspace/cni/collect.h"
#include "userspace/cni/delegate.h"
#include "userspace/cni/names.h"
#include "userspace/cni/network.h"
#include "userspace/cni/result.h"
#include "userspace/plugin/inside.h"
#include "userspace/plugin/ports.h"

namespace cnet::cni {
namespace {

std::string member_of(const std::string& endpoint) {
    return "/v1/endpoints/" + endpoint;
}

// The same container and device twice is the runtime's mistake; of a namespace that is no more it
// is a container that was started again after a reboot.
Done refuse_second(Daemon& daemon, const std::string& name, const Environment& environment) {
    auto there = daemon.get(member_of(name));
    if (!there) return there.fault();
    if (there->is_null()) return {};
    if (is_dead(*there)) return daemon.remove(member_of(name));
    return Fault{Code::kTaken, "container " + environment.container_id + " has " +
                                   environment.ifname + " on this network already (endpoint " +
                                   name + "): DEL it first"};
}

Outcome<Lease> ask_for_lease(const Config& config, const Environment& environment) {
    auto answer = delegate(config, environment, "ADD");
    if (!answer) return answer.fault();
    auto lease = parse_lease(*answer);
    if (lease && !lease->addresses.empty()) return lease;
    // What it gave may be nothing that we understand, but it gave it.
    static_cast<void>(delegate(config, environment, "DEL"));
    if (!lease) return lease.fault();
    return Fault{Code::kIpam, "the IPAM plugin " + config.ipam_type + " gave no address"};
}

Outcome<Lease> lease_addresses(const Config& config, const Environment& environment) {
    if (config.leases()) return Lease();
    if (!config.delegates()) {
        Lease lease;
        auto routes = parse_routes(config.routes);
        if (!routes) return routes.fault();
        lease.routes = std::move(*routes);
        return lease;
    }
    return ask_for_lease(config, environment);
}

bool is_default(const LeasedRoute& route) {
    return route.destination.length() == 0;
}

bool is_isolated(const Json& network) {
    return network.at("mode") == "isolated";
}

// A default route by way of the network's gateway is cnetd's, which keeps it.
bool kept_by_cnetd(const LeasedRoute& route, const Json& network) {
    const auto own = gateway_of(network, route.destination.is_v4());
    return is_default(route) && !is_isolated(network) && (!route.gateway || route.gateway == own);
}

// A container on several networks goes out by the first, as with the reference plugins.
bool has_way_out(const std::string& netns, const Json& network) {
    for (const bool v4 : {true, false}) {
        if (!gateway_of(network, v4)) continue;
        auto has = has_default_route(netns, v4);
        if (has && *has) return true;
    }
    return false;
}

bool wants_default_route(const Config& config, const Lease& lease, const Json& network,
                         const std::string& netns) {
    if (is_isolated(network)) return false;
    const bool asked = config.is_default_gateway ||
                       std::any_of(lease.routes.begin(), lease.routes.end(),
                                   [&](const auto& one) { return kept_by_cnetd(one, network); });
    return asked && !has_way_out(netns, network);
}

Outcome<Json> make_endpoint(Daemon& daemon, const std::string& name, const Config& config,
                            const Environment& environment, const Json& network,
                            const Lease& lease) {
    Json request = {
        {"network", config.network},
        {"name", name},
        {"netns", environment.netns},
        {"ifname", environment.ifname},
        {"default_route", wants_default_route(config, lease, network, environment.netns)}};
    if (config.layer2) request["layer2"] = true;
    if (config.disabled) request["disabled"] = true;
    for (const std::string& ip : config.ips)
        request["ips"].push_back(ip);
    for (const LeasedAddress& one : lease.addresses)
        request["ips"].push_back(one.address.address().to_string());
    if (config.mac) request["mac"] = *config.mac;
    if (!config.aliases.empty()) request["aliases"] = config.aliases;
    request["ingress_rate"] = config.ingress.bits_per_s;
    request["ingress_burst"] = config.ingress.burst_bits;
    request["egress_rate"] = config.egress.bits_per_s;
    request["egress_burst"] = config.egress.burst_bits;
    auto answer = create(daemon, "/v1/endpoints", request);
    if (!answer) return answer.fault();
    if (answer->ok()) return std::move(answer->body);
    if (!answer->conflict() || !answer->repeated) return answer->fault();
    // The daemon died between doing it and saying so.
    auto there = daemon.get(member_of(name));
    if (!there) return there.fault();
    if (there->is_null()) return answer->fault();
    return there;
}

// What cnetd chose, where it did: the lease becomes what the container has.
Done complete_lease(Lease& lease, const Config& config, const Json& network, const Json& endpoint) {
    if (lease.addresses.empty()) {
        for (const Json& text : endpoint.at("addresses")) {
            auto address = IpPrefix::parse(text.get<std::string>());
            if (!address) return Fault{Code::kDecode, address.error().message()};
            const auto gateway = gateway_of(network, address->is_v4());
            const bool on_it = gateway && address->contains(*gateway) && config.wants_gateway();
            lease.addresses.push_back({*address, on_it ? gateway : std::nullopt});
        }
    }
    // A result says what is there.
    if (!endpoint.at("default_route").get<bool>() || network.at("internal").get<bool>()) {
        std::erase_if(lease.routes,
                      [&](const auto& route) { return kept_by_cnetd(route, network); });
        return {};
    }
    if (!config.is_default_gateway) return {};
    for (const bool v4 : {true, false}) {
        const auto gateway = lease.gateway(v4);
        const bool has = std::any_of(lease.routes.begin(), lease.routes.end(), [&](const auto& r) {
            return is_default(r) && r.destination.is_v4() == v4;
        });
        if (!gateway || has) continue;
        const IpPrefix everywhere(v4 ? IpAddress::from_v4(0) : IpAddress(), 0);
        lease.routes.push_back(
            {everywhere, gateway, {{"dst", everywhere.to_string()}, {"gw", gateway->to_string()}}});
    }
    return {};
}

Done add_other_routes(const Lease& lease, const Json& network, const Environment& environment) {
    std::vector<Route> routes;
    for (const LeasedRoute& route : lease.routes) {
        if (kept_by_cnetd(route, network)) continue;
        const bool v4 = route.destination.is_v4();
        auto gateway = route.gateway ? route.gateway : lease.gateway(v4);
        if (!gateway) gateway = gateway_of(network, v4);
        if (!gateway)
            return Fault{Code::kConfig, "the route to " + route.destination.to_string() +
                                            " has no gateway, nor has the network one"};
        routes.push_back({route.destination, *gateway});
    }
    Status added = add_routes(environment.netns, environment.ifname, routes);
    if (!added) return Fault{Code::kRefused, added.error().message()};
    return {};
}

// The gateway answers for the network's names, unless the addresses' owner says whom to ask.
void add_resolvers(Lease& lease, const Json& network) {
    if (lease.dns.contains("nameservers") || is_isolated(network)) return;
    if (!network.at("names").get<bool>()) return;
    lease.dns["nameservers"] = network.at("gateways");
}

Made describe(const Json& network, const Json& endpoint, const Environment& environment,
              Lease lease) {
    const uint32_t mtu = network.at("mtu").get<uint32_t>();
    const std::string host_side = endpoint.at("host_ifname").get<std::string>();
    Made made;
    made.interfaces.push_back({network.at("host_port").get<std::string>(),
                               network.at("gateway_mac").get<std::string>(), "", mtu});
    made.interfaces.push_back({host_side, mac_of(host_side), "", mtu});
    made.interfaces.push_back(
        {environment.ifname, endpoint.at("mac").get<std::string>(), environment.netns, mtu});
    made.lease = std::move(lease);
    return made;
}

std::vector<IpPrefix> addresses_of(const Json& endpoint) {
    std::vector<IpPrefix> addresses;
    for (const Json& text : endpoint.at("addresses")) {
        if (auto address = IpPrefix::parse(text.get<std::string>())) addresses.push_back(*address);
    }
    return addresses;
}

// All of the lease's, also by way of the network's gateway: the endpoint was made without it.
Done add_leased_routes(const Lease& lease, const Environment& environment) {
    std::vector<Route> routes;
    for (const LeasedRoute& route : lease.routes) {
        const auto own = lease.gateway(route.destination.is_v4());
        if (const auto& gateway = route.gateway ? route.gateway : own)
            routes.push_back({route.destination, *gateway});
    }
    Status added = add_routes(environment.netns, environment.ifname, routes);
    if (!added) return Fault{Code::kRefused, added.error().message()};
    return {};
}

// The endpoint first, since the DHCP client speaks from its device; then its lease takes the place
// of the address that it was made with, and cnetd lets it through when it hears the server.
Outcome<Json> attach_by_lease(Daemon& daemon, const std::string& name, const Config& config,
                              const Environment& environment) {
    auto network = daemon.get("/v1/networks/" + config.network);
    if (!network) return network.fault();
    if (network->is_null())
        return Fault{Code::kConfig, "there is no network " + config.network,
                     "with ipam.type dhcp it is there first, and the server on a device that is "
                     "attached to it"};
    Done done = check_network(*network, config, {});
    if (!done) return done.fault();
    auto endpoint = make_endpoint(daemon, name, config, environment, *network, {});
    if (!endpoint) return endpoint.fault();
    auto lease = ask_for_lease(config, environment);
    if (!lease) return lease.fault();
    done = check_network(*network, config, *lease);
    if (!done) return done.fault();
    std::vector<IpPrefix> leased;
    for (const LeasedAddress& one : lease->addresses)
        leased.push_back(one.address);
    Status replaced = plugin::replace_addresses(environment.netns, environment.ifname,
                                                addresses_of(*endpoint), leased);
    if (!replaced) return Fault{Code::kRefused, replaced.error().message()};
    done = add_leased_routes(*lease, environment);
    if (!done) return done.fault();
    return make_result(config, describe(*network, *endpoint, environment, std::move(*lease)));
}

Outcome<Json> attach(Daemon& daemon, const std::string& name, const Config& config,
                     const Environment& environment, Lease lease) {
    if (config.leases()) return attach_by_lease(daemon, name, config, environment);
    auto network = ensure_network(daemon, config, lease);
    if (!network) return network.fault();
    auto endpoint = make_endpoint(daemon, name, config, environment, *network, lease);
    if (!endpoint) return endpoint.fault();
    Done done = complete_lease(lease, config, *network, *endpoint);
    if (done) done = add_other_routes(lease, *network, environment);
    if (done) done = plugin::publish_ports(daemon, name, config.ports, kNamePrefix);
    if (!done) return done.fault();
    if (!config.layer2) add_resolvers(lease, *network);
    return make_result(config, describe(*network, *endpoint, environment, std::move(lease)));
}

} // namespace

Outcome<Json> add(Daemon& daemon, const Config& config, const Environment& environment) {
    if (auto netns = open_netns(environment.netns); !netns)
        return Fault{Code::kNoContainer, netns.error().message()};
    const std::string name =
        endpoint_name(config.name, environment.container_id, environment.ifname);
    if (Done done = refuse_second(daemon, name, environment); !done) return done.fault();
    auto lease = lease_addresses(config, environment);
    if (!lease) return lease.fault();
    auto result = attach(daemon, name, config, environment, std::move(*lease));
    if (result) return result;
    // The endpoint before its address, which would otherwise be somebody else's too.
    static_cast<void>(daemon.remove(member_of(name)));
    static_cast<void>(delegate(config, environment, "DEL"));
    return result;
}

Done del(Daemon& daemon, const Config& config, const Environment& environment) {
    const std::string name =
        endpoint_name(config.name, environment.container_id, environment.ifname);
    // A lease is given back from the endpoint's device.
    if (config.leases()) static_cast<void>(delegate(config, environment, "DEL"));
    // The address goes back even when cnetd does not answer: the runtime may not ask again.
    Done removed = daemon.remove(member_of(name));
    if (config.leases()) return removed;
    auto released = delegate(config, environment, "DEL");
    if (!removed) return removed;
    if (!released) return released.fault();
    return {};
}

} // namespace cnet::cni
