#include "userspace/docker/adopt_ports.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "userspace/docker/reader.h"

namespace cnet::docker {
namespace {

// Where a container's ports lead.
struct Place {
    const control::AdoptedBridge* bridge = nullptr;
    std::string network;
    int64_t priority = 0; // since Docker 28: the highest has the default route
    std::optional<IpAddress> address4;
    std::optional<IpAddress> address6;

    // As Docker orders them.
    bool is_before(const Place& other) const {
        return priority != other.priority ? priority > other.priority : network < other.network;
    }
};

int64_t priority_of(const Reader& network) {
    auto found = network.object().find("GwPriority");
    return found != network.object().end() && found->is_number_integer() ? found->get<int64_t>()
                                                                         : 0;
}

const control::AdoptedBridge* find(const std::vector<control::AdoptedBridge>& bridges,
                                   const std::string& id) {
    auto found = std::ranges::find_if(
        bridges, [&](const control::AdoptedBridge& one) { return one.docker->id == id; });
    return found == bridges.end() ? nullptr : &*found;
}

std::optional<Place> place_of(const Reader& container,
                              const std::vector<control::AdoptedBridge>& bridges) {
    std::optional<Place> first;
    const Reader networks = container.inside("NetworkSettings").inside("Networks");
    for (const auto& [name, value] : networks.object().items()) {
        const Reader network = networks.inside(name.c_str());
        const control::AdoptedBridge* bridge = find(bridges, network.text("NetworkID"));
        if (!bridge || bridge->internal) continue;
        Place place{bridge, name, priority_of(network), network.parsed<IpAddress>("IPAddress"),
                    network.parsed<IpAddress>("GlobalIPv6Address")};
        if (!first || place.is_before(*first)) first = std::move(place);
    }
    return first;
}

std::optional<cnet_l4> protocol_of(const std::string& name) {
    if (name == "tcp") return CNET_L4_TCP;
    if (name == "udp") return CNET_L4_UDP;
    if (name == "sctp") return CNET_L4_SCTP;
    return std::nullopt;
}

bool is_port(uint32_t number) {
    return number > 0 && number <= UINT16_MAX;
}

IpAddress unspecified(bool v4) {
    return *IpAddress::parse(v4 ? "0.0.0.0" : "::");
}

// None for one that is exposed alone, or of a family that the container does not have. Of one that
// is routed it is a port of the container's address, and none of the host: a Docker that knows such
// networks says none (moby#53693), an older one what it has reserved.
std::optional<control::DockerPort> port_of(const Reader& port, const Place& place) {
    const auto host_ip = port.parsed<IpAddress>("IP");
    const auto l4 = protocol_of(port.text("Type"));
    const uint32_t inside = port.number("PrivatePort");
    if (!host_ip || !l4 || !is_port(inside)) return std::nullopt;
    const bool v4 = host_ip->is_v4();
    const auto& address = v4 ? place.address4 : place.address6;
    const control::Outside& outside = v4 ? place.bridge->outside4 : place.bridge->outside6;
    const bool routed = outside.gateway == control::Gateway::kRouted;
    const uint32_t host_port = routed ? inside : port.number("PublicPort");
    if (!address || !is_port(host_port)) return std::nullopt;
    return control::DockerPort{place.bridge->bridge,
                               *address,
                               routed ? unspecified(v4) : *host_ip,
                               static_cast<uint16_t>(host_port),
                               static_cast<uint16_t>(inside),
                               *l4};
}

// A routed port may be published as several of the host's.
void add(std::vector<control::DockerPort>& ports, control::DockerPort port) {
    if (std::ranges::find(ports, port) == ports.end()) ports.push_back(std::move(port));
}

// Of a container's own page, {"80/tcp": [{"HostIp", "HostPort"}]}, what has no port of the host, as
// the list of all has it from moby#53693 on. Of no address: of both families.
Json left_out_of(const Reader& page) {
    Json list = Json::array();
    const Reader ports = page.inside("NetworkSettings").inside("Ports");
    for (const auto& [name, value] : ports.object().items()) {
        const size_t slash = name.find('/');
        for (const Reader& binding : ports.each(name.c_str())) {
            if (slash == name.npos || !binding.text("HostPort").empty()) continue;
            uint32_t inside = 0;
            std::from_chars(name.data(), name.data() + slash, inside);
            const std::string own = binding.text("HostIp");
            for (const char* any : {"0.0.0.0", "::"})
                list.push_back({{"IP", own.empty() ? any : own.c_str()},
                                {"PrivatePort", inside},
                                {"Type", name.substr(slash + 1)}});
        }
    }
    return list;
}

// By id, what `inspected` has besides.
Result<std::map<std::string, Json>> left_out(const std::vector<std::string>& inspected) {
    std::map<std::string, Json> found;
    for (const std::string& text : inspected) {
        const Json page = Json::parse(text, nullptr, false);
        const Reader reader(page);
        found[reader.text("Id")] = {{"Ports", left_out_of(reader)}};
        if (Status fault = reader.fault(); !fault)
            return fault.error().because("Docker's answer about a container");
    }
    return found;
}

} // namespace

Result<std::vector<control::DockerPort>>
published_ports(const std::string& containers, const std::vector<std::string>& inspected,
                const std::vector<control::AdoptedBridge>& bridges) {
    const auto more = left_out(inspected);
    if (!more) return more.error();
    Json list = Json::parse(containers, nullptr, false);
    const Json whole = {{"containers", std::move(list)}};
    const Reader reader(whole);
    std::vector<control::DockerPort> ports;
    const Json nothing = Json::object();
    for (const Reader& container : reader.each("containers")) {
        const auto place = place_of(container, bridges);
        if (!place) continue;
        const auto others = more->find(container.text("Id"));
        for (const Reader& from :
             {container, Reader(others == more->end() ? nothing : others->second)})
            for (const Reader& one : from.each("Ports"))
                if (auto port = port_of(one, *place)) add(ports, std::move(*port));
    }
    if (Status fault = reader.fault(); !fault)
        return fault.error().because("Docker's answer to /containers/json");
    return ports;
}

} // namespace cnet::docker
