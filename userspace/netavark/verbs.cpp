#include "userspace/netavark/verbs.h"

#include <algorithm>

#include "userspace/base/netns.h"
#include "userspace/plugin/endpoints.h"
#include "userspace/plugin/inside.h"

namespace cnet::netavark {
namespace {

constexpr const char* kNamePrefix = "nav-";
constexpr const char* kApiVersion = "1.0.0";

std::string endpoint_of(const Attachment& attachment) {
    return plugin::endpoint_name(kNamePrefix, attachment.network.name, attachment.container_id,
                                 attachment.ifname);
}

Json request_for(const Network& network) {
    Json request = {{"name", network.name}};
    for (const SubnetWish& wish : network.subnets) {
        request["subnets"].push_back(wish.prefix.to_string());
        if (wish.gateway) request["gateways"].push_back(wish.gateway->to_string());
    }
    request["internal"] = network.internal;
    request.update(network.settings);
    return request;
}

Fault contradicts(const Network& network, const std::string& key, const Json& has,
                  const Json& asked) {
    return {Code::kTaken, "cnetd has a network " + network.name + " already, with " + key + " " +
                              has.dump() + ", not " + asked.dump() +
                              "; \"cnet-bpf network delete " + network.name + "\" takes it away"};
}

// Whether cnetd's network is what was asked for, in so many words.
Done check_network(const Network& network, const Json& there) {
    const Json request = request_for(network);
    for (const auto& [key, asked] : request.items()) {
        if (key == "subnets" || key == "gateways") continue;
        if (there.at(key) != asked) return contradicts(network, key, there.at(key), asked);
    }
    const Json& subnets = there.at("subnets");
    for (const SubnetWish& wish : network.subnets) {
        const auto found = std::find(subnets.begin(), subnets.end(), Json(wish.prefix.to_string()));
        if (found == subnets.end())
            return contradicts(network, "subnets", subnets, wish.prefix.to_string());
        const Json& gateway = there.at("gateways").at(static_cast<size_t>(found - subnets.begin()));
        if (wish.gateway && gateway != wish.gateway->to_string())
            return contradicts(network, "gateway", gateway, wish.gateway->to_string());
    }
    return {};
}

Outcome<Json> ensure_network(Daemon& daemon, const Network& network) {
    const std::string member = "/v1/networks/" + network.name;
    auto there = daemon.get(member);
    if (!there) return there.fault();
    if (there->is_null()) {
        auto made = daemon.call("POST", "/v1/networks", request_for(network));
        if (!made) return made.fault();
        if (made->ok()) return std::move(made->body);
        if (!made->conflict()) return made->fault();
        // Another setup may have been faster; or something else has the subnet.
        there = daemon.get(member);
        if (!there) return there.fault();
        if (there->is_null()) return made->fault();
    }
    if (Done done = check_network(network, *there); !done) return done.fault();
    return there;
}

// The same container and device again is a mistake, unless the first one's namespace is gone.
Done refuse_second(Daemon& daemon, const std::string& member, const Attachment& attachment) {
    auto there = daemon.get(member);
    if (!there) return there.fault();
    if (there->is_null()) return {};
    if (plugin::is_dead(*there)) return daemon.remove(member);
    return Fault{Code::kTaken, "container " + attachment.container_id + " has " +
                                   attachment.ifname + " on network " + attachment.network.name +
                                   " already"};
}

// A container on several networks goes out by the first.
bool wants_default_route(const Attachment& attachment, const Json& network,
                         const std::string& netns) {
    if (!attachment.network.default_route || network.at("mode") == "isolated") return false;
    for (const Json& text : network.at("gateways")) {
        auto gateway = IpAddress::parse(text.get<std::string>());
        if (!gateway) continue;
        auto has = plugin::has_default_route(netns, gateway->is_v4());
        if (has && *has) return false;
    }
    return true;
}

Outcome<Json> make_endpoint(Daemon& daemon, const Attachment& attachment, const Json& network,
                            const std::string& netns) {
    const std::string name = endpoint_of(attachment);
    Json request = {{"network", attachment.network.name},
                    {"name", name},
                    {"netns", netns},
                    {"ifname", attachment.ifname},
                    {"default_route", wants_default_route(attachment, network, netns)},
                    {"aliases", attachment.aliases},
                    {"ips", attachment.ips}};
    if (!attachment.mac.empty()) request["mac"] = attachment.mac;
    auto answer = plugin::create(daemon, "/v1/endpoints", request, kNamePrefix);
    if (!answer) return answer.fault();
    if (answer->ok()) return std::move(answer->body);
    if (!answer->conflict() || !answer->repeated) return answer->fault();
    // The daemon died between doing it and saying so.
    auto there = daemon.get("/v1/endpoints/" + name);
    if (!there) return there.fault();
    if (there->is_null()) return answer->fault();
    return there;
}

// netavark's StatusBlock.
Json describe(const Attachment& attachment, const Json& network, const Json& endpoint) {
    Json subnets = Json::array();
    for (const Json& text : endpoint.at("addresses")) {
        Json one = {{"ipnet", text}};
        auto address = IpPrefix::parse(text.get<std::string>());
        for (const Json& candidate : network.at("gateways")) {
            auto gateway = IpAddress::parse(candidate.get<std::string>());
            const bool reachable = network.at("mode") != "isolated" && address && gateway;
            if (reachable && address->contains(*gateway)) one["gateway"] = candidate;
        }
        subnets.push_back(one);
    }
    const bool answers = attachment.network.dns && network.at("names").get<bool>() &&
                         network.at("mode") != "isolated";
    return {{"dns_search_domains", Json::array()},
            {"dns_server_ips", answers ? network.at("gateways") : Json::array()},
            {"interfaces",
             {{attachment.ifname, {{"mac_address", endpoint.at("mac")}, {"subnets", subnets}}}}}};
}

} // namespace

Outcome<Json> create(Daemon& daemon, const Network& network) {
    auto made = ensure_network(daemon, network);
    if (!made) return made.fault();
    Json described = network.document;
    Json subnets = Json::array();
    for (size_t i = 0; i < made->at("subnets").size(); i++) {
        subnets.push_back(
            {{"subnet", made->at("subnets")[i]}, {"gateway", made->at("gateways").at(i)}});
    }
    // What podman has said of its own (lease ranges) stays.
    if (network.subnets.empty()) described["subnets"] = subnets;
    described["network_interface"] = made->at("host_port");
    return described;
}

Outcome<Json> setup(Daemon& daemon, const Attachment& attachment, const std::string& netns) {
    if (auto there = open_netns(netns); !there)
        return Fault{Code::kNoContainer, there.error().message()};
    const std::string name = endpoint_of(attachment);
    const std::string member = "/v1/endpoints/" + name;
    if (Done done = refuse_second(daemon, member, attachment); !done) return done.fault();
    auto network = ensure_network(daemon, attachment.network);
    if (!network) return network.fault();
    auto endpoint = make_endpoint(daemon, attachment, *network, netns);
    if (!endpoint) return endpoint.fault();
    Done published = plugin::publish_ports(daemon, name, attachment.ports, kNamePrefix);
    if (published) return describe(attachment, *network, *endpoint);
    static_cast<void>(daemon.remove(member));
    return published.fault();
}

Done teardown(Daemon& daemon, const Attachment& attachment) {
    return daemon.remove("/v1/endpoints/" + endpoint_of(attachment));
}

Json info() {
    return {{"version", CNET_VERSION}, {"api_version", kApiVersion}};
}

} // namespace cnet::netavark
