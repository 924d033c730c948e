#include "userspace/cnet-bpf/topology.h"

#include <cstdio>
#include <ostream>

#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

std::string about(const Json& network) {
    std::string text = text_at(network, "subnets") + ' ' + text_at(network, "mode");
    if (value_at(network, "vni").is_number()) text += " vni " + text_at(network, "vni");
    return text;
}

TopologyEndpoint endpoint_of(const Json& json, const Rates& rates) {
    TopologyEndpoint endpoint{text_at(json, "name"),        text_at(json, "addresses"),
                              text_at(json, "state"),       {},
                              text_at(json, "host_ifname"), {}};
    for (const Json& port : list_at(json, "ports"))
        endpoint.ports.push_back(text_of(port));
    endpoint.rate = rates.of(endpoint.device);
    return endpoint;
}

TopologyNetwork network_of(const Json& json, const Json& endpoints, const Rates& rates) {
    TopologyNetwork network{text_at(json, "name"), about(json), {}};
    for (const Json& endpoint : endpoints) {
        if (text_at(endpoint, "network") == network.name)
            network.endpoints.push_back(endpoint_of(endpoint, rates));
    }
    for (const Json& device : list_at(json, "devices")) {
        const std::string name = text_at(device, "device");
        network.endpoints.push_back(
            {name, "attached", text_at(device, "state"), {}, name, rates.of(name)});
    }
    return network;
}

Json rate_json(const Rate& rate) {
    return {{"in_bps", static_cast<uint64_t>(rate.in)},
            {"out_bps", static_cast<uint64_t>(rate.out)}};
}

Json edges_json(const std::vector<TopologyEdge>& edges) {
    Json list = Json::array();
    for (const TopologyEdge& edge : edges) {
        list.push_back({{"name", edge.name}, {"about", edge.about}});
        if (edge.rate) list.back()["rate"] = rate_json(*edge.rate);
    }
    return list;
}

std::string human_rate(double bits_per_second) {
    constexpr const char* kUnits[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
    size_t unit = 0;
    while (bits_per_second >= 1000 && unit + 1 < std::size(kUnits)) {
        bits_per_second /= 1000;
        unit++;
    }
    char text[32];
    std::snprintf(text, sizeof(text), bits_per_second < 10 && unit > 0 ? "%.1f%s" : "%.0f%s",
                  bits_per_second, kUnits[unit]);
    return text;
}

void print(const Context& context, const Topology& topology) {
    auto line = [&](const std::string& text) { context.out << printable(text) << "\n"; };
    for (const TopologyEdge& uplink : topology.uplinks)
        line("uplink " + uplink.name + "  " + uplink.about + "  " + rate_text(uplink.rate));
    for (const TopologyEdge& peer : topology.peers)
        line("peer " + peer.name + "  " + peer.about + "  " + rate_text(peer.rate));
    for (const TopologyNetwork& network : topology.networks) {
        line("network " + network.name + "  " + network.about);
        for (const TopologyEndpoint& endpoint : network.endpoints) {
            const bool last = &endpoint == &network.endpoints.back();
            line((last ? "  `- " : "  |- ") + endpoint.name + "  " + endpoint.addresses + "  " +
                 endpoint.state + "  " + rate_text(endpoint.rate));
            for (const std::string& port : endpoint.ports)
                line((last ? "       " : "  |    ") + port);
        }
    }
}

int show(Context& context, const Verb&, const Arguments& arguments) {
    auto topology = read_topology(context);
    // The sentence is the API's, and so is the status.
    if (!topology)
        return context.fail(topology.error().kind() == ErrorKind::kUnavailable ? kUnreachable
                                                                               : kRefused,
                            topology.error().message());
    if (arguments.options.contains("--svg")) {
        context.out << svg_of(*topology);
    } else if (context.settings.json) {
        context.print_json(json_of(*topology));
    } else {
        print(context, *topology);
    }
    return kDone;
}

} // namespace

std::string rate_text(const Result<Rate>& rate) {
    if (!rate) return "rate unknown: " + rate.error().message();
    return human_rate(rate->in) + " in, " + human_rate(rate->out) + " out";
}

Result<Topology> read_topology(Context& context) {
    Json answers[4];
    const char* const targets[] = {"/v1/networks", "/v1/endpoints", "/v1/uplinks", "/v1/peers"};
    for (size_t i = 0; i < std::size(targets); i++) {
        Reply reply = get_list(context, targets[i]);
        if (!reply.ok())
            return Error(reply.status == kUnreachable ? ErrorKind::kUnavailable
                                                      : ErrorKind::kSystem,
                         reply.message);
        answers[i] = std::move(reply.body);
    }
    const Rates rates = Rates::measure(answers[3].empty() ? nullptr : &context.paths.pins);
    Topology topology;
    for (const Json& network : answers[0])
        topology.networks.push_back(network_of(network, answers[1], rates));
    for (const Json& uplink : answers[2]) {
        const std::string device = text_at(uplink, "device");
        topology.uplinks.push_back({device, text_at(uplink, "addresses"), rates.of(device)});
    }
    for (const Json& peer : answers[3]) {
        const std::string name = text_at(peer, "name");
        topology.peers.push_back({name.empty() ? text_at(peer, "address") : name,
                                  text_at(peer, "address") + ' ' + text_at(peer, "origin"),
                                  rates.of_peer(static_cast<uint32_t>(number_at(peer, "id")))});
    }
    return topology;
}

Json json_of(const Topology& topology) {
    Json networks = Json::array();
    for (const TopologyNetwork& network : topology.networks) {
        Json endpoints = Json::array();
        for (const TopologyEndpoint& endpoint : network.endpoints) {
            endpoints.push_back({{"name", endpoint.name},
                                 {"addresses", endpoint.addresses},
                                 {"state", endpoint.state},
                                 {"device", endpoint.device},
                                 {"ports", endpoint.ports},
                                 {"rate", rate_json(endpoint.rate)}});
        }
        networks.push_back(
            {{"name", network.name}, {"about", network.about}, {"endpoints", endpoints}});
    }
    return {{"networks", networks},
            {"uplinks", edges_json(topology.uplinks)},
            {"peers", edges_json(topology.peers)}};
}

Object topology_object() {
    return {"topology",
            "networks, endpoints, ports, uplinks and peers, with rates",
            {{{""},
              "Shows who is connected to whom, and how much goes over each device right now.",
              {},
              {{"--svg", OptionKind::kSwitch, "", "a picture, on standard output", "svg"}},
              show,
              Verb::Repeat::kWatch}}};
}

} // namespace cnet::cli
