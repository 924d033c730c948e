#include "userspace/cnet-bpf/topology.h"

#include <ifaddrs.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <ostream>
#include <thread>

#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr std::chrono::milliseconds kSample(500);
constexpr const char* kPeers = "/v1/peers";

struct Bytes {
    uint32_t in = 0; // the kernel's counters of this interface wrap
    uint32_t out = 0;
};

std::map<std::string, Bytes> counters() {
    std::map<std::string, Bytes> bytes;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return bytes;
    for (ifaddrs* one = list; one; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_PACKET || !one->ifa_data) continue;
        auto* stats = static_cast<const rtnl_link_stats*>(one->ifa_data);
        bytes[one->ifa_name] = {stats->rx_bytes, stats->tx_bytes};
    }
    freeifaddrs(list);
    return bytes;
}

std::map<uint64_t, Bytes> peer_counters(const Json& peers) {
    std::map<uint64_t, Bytes> bytes;
    for (const Json& peer : peers) {
        auto count = [&](const char* key) { return static_cast<uint32_t>(number_at(peer, key)); };
        bytes[number_at(peer, "id")] = {count("received_bytes"), count("sent_bytes")};
    }
    return bytes;
}

struct Sample {
    explicit Sample(const Json& peers_)
        : devices(counters()), peers(peer_counters(peers_)), at(std::chrono::steady_clock::now()) {}

    std::map<std::string, Bytes> devices; // by name
    std::map<uint64_t, Bytes> peers;      // by id
    std::chrono::steady_clock::time_point at;
};

class Rates {
public:
    Rates(Sample before, Sample after)
        : before_(std::move(before)), after_(std::move(after)),
          seconds_(std::chrono::duration<double>(after_.at - before_.at).count()) {}

    Rate of(const std::string& device) const {
        return rate(before_.devices, after_.devices, device);
    }
    Rate of_peer(uint64_t id) const { return rate(before_.peers, after_.peers, id); }

private:
    template <typename Key>
    Rate rate(const std::map<Key, Bytes>& before, const std::map<Key, Bytes>& after,
              const Key& key) const {
        auto first = before.find(key), last = after.find(key);
        if (first == before.end() || last == after.end()) return {};
        return {bits_a_second(last->second.in - first->second.in),
                bits_a_second(last->second.out - first->second.out)};
    }

    double bits_a_second(uint32_t bytes) const { return bytes * 8.0 / seconds_; }

    Sample before_, after_;
    double seconds_;
};

// The sentence is the API's, and so is the status.
Result<Json> list_of(Context& context, const char* target) {
    Reply reply = get_list(context, target);
    if (reply.ok()) return std::move(reply.body);
    return Error(reply.status == kUnreachable ? ErrorKind::kUnavailable : ErrorKind::kSystem,
                 reply.message);
}

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
    for (const TopologyEdge& edge : edges)
        list.push_back(
            {{"name", edge.name}, {"about", edge.about}, {"rate", rate_json(edge.rate)}});
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

std::string rate_text(const Rate& rate) {
    return human_rate(rate.in) + " in, " + human_rate(rate.out) + " out";
}

Result<Topology> read_topology(Context& context) {
    Json answers[4];
    const char* const targets[] = {"/v1/networks", "/v1/endpoints", "/v1/uplinks", kPeers};
    for (size_t i = 0; i < std::size(targets); i++) {
        auto list = list_of(context, targets[i]);
        if (!list) return list.error();
        answers[i] = std::move(*list);
    }
    Sample before(answers[3]);
    std::this_thread::sleep_for(kSample);
    auto peers = list_of(context, kPeers);
    if (!peers) return peers.error();
    const Rates rates(std::move(before), Sample(*peers));
    Topology topology;
    for (const Json& network : answers[0])
        topology.networks.push_back(network_of(network, answers[1], rates));
    for (const Json& uplink : answers[2]) {
        const std::string device = text_at(uplink, "device");
        topology.uplinks.push_back(
            {device, text_at(uplink, "addresses"), device, rates.of(device)});
    }
    for (const Json& peer : *peers) {
        const std::string name = text_at(peer, "name");
        topology.peers.push_back({name.empty() ? text_at(peer, "address") : name,
                                  text_at(peer, "address") + ' ' + text_at(peer, "origin"),
                                  {},
                                  rates.of_peer(number_at(peer, "id"))});
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
