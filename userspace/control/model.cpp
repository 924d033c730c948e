#include "userspace/control/model.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace cnet::control {

namespace {

// Four letters and at most eight digits: within IFNAMSIZ, and within a std::string without
// allocation.
std::string device_name(std::string_view prefix, uint32_t id) {
    char digits[8];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), id, 16).ptr;
    std::string name(prefix);
    name.append(digits, end);
    return name;
}

} // namespace

bool HostPool::is_sound() const {
    constexpr unsigned kLongest = 30; // a gateway and an endpoint
    return prefix.is_v4() && prefix.address() == prefix.network() && prefix.length() > 0 &&
           subnet_length > prefix.length() && subnet_length <= kLongest;
}

IpPrefix HostPool::part(uint32_t index) const {
    const auto& bytes = prefix.address().bytes();
    uint32_t address = 0;
    for (auto byte = bytes.end() - 4; byte != bytes.end(); ++byte)
        address = address << 8 | *byte;
    return {IpAddress::from_v4(address + (index << (32 - subnet_length))), subnet_length};
}

bool HostPool::has_part(const IpPrefix& subnet) const {
    return subnet.is_v4() && subnet.length() == subnet_length &&
           subnet.address() == subnet.network() && prefix.contains(subnet);
}

MacAddress vtep_mac(const IpPrefix& part) {
    const auto address = part.network().bytes();
    std::array<uint8_t, CNET_MAC_LEN> bytes{0x0a, 0x58}; // locally administered
    std::copy(address.end() - 4, address.end(), bytes.begin() + 2);
    return MacAddress(bytes);
}

std::string_view to_string(Mode mode) {
    switch (mode) {
    case Mode::kNat:
        return "nat";
    case Mode::kRouted:
        return "routed";
    case Mode::kRoutedPublished:
        return "routed-published";
    case Mode::kNatUnprotected:
        return "nat-unprotected";
    case Mode::kIsolated:
        break;
    }
    return "isolated";
}

Result<Mode> parse_mode(std::string_view text) {
    for (Mode mode : {Mode::kNat, Mode::kNatUnprotected, Mode::kRouted, Mode::kRoutedPublished,
                      Mode::kIsolated})
        if (to_string(mode) == text) return mode;
    return Error(ErrorKind::kInvalid,
                 "mode \"" + std::string(text) +
                     "\" is neither nat, nat-unprotected, routed, routed-published nor isolated");
}

std::string_view to_string(Nat nat) {
    return nat == Nat::kSymmetric ? "symmetric" : "endpoint-independent";
}

Result<Nat> parse_nat(std::string_view text) {
    for (Nat nat : {Nat::kSymmetric, Nat::kEndpointIndependent})
        if (to_string(nat) == text) return nat;
    return Error(ErrorKind::kInvalid,
                 "nat \"" + std::string(text) + "\" is neither symmetric nor endpoint-independent");
}

std::string_view to_string(Gateway gateway) {
    switch (gateway) {
    case Gateway::kUnprotected:
        return "nat-unprotected";
    case Gateway::kKept:
        return "kept";
    case Gateway::kKeptUnprotected:
        return "kept-unprotected";
    case Gateway::kRouted:
        return "routed";
    case Gateway::kNat:
        break;
    }
    return "nat";
}

Result<Gateway> parse_gateway(std::string_view text) {
    for (Gateway gateway : {Gateway::kNat, Gateway::kUnprotected, Gateway::kKept, Gateway::kRouted,
                            Gateway::kKeptUnprotected})
        if (to_string(gateway) == text) return gateway;
    return Error(ErrorKind::kInvalid, "gateway mode \"" + std::string(text) + "\" is none");
}

bool Network::has_family(bool v4) const {
    return std::any_of(subnets.begin(), subnets.end(),
                       [&](const Subnet& subnet) { return subnet.prefix.is_v4() == v4; });
}

bool Network::is_open() const {
    return std::ranges::any_of(std::array{true, false}, [&](bool v4) {
        const Mode one = mode_of(v4);
        return one != Mode::kNat && one != Mode::kIsolated;
    });
}

bool Endpoint::has_family(bool v4) const {
    return std::any_of(addresses.begin(), addresses.end(),
                       [&](const IpPrefix& address) { return address.is_v4() == v4; });
}

bool State::is_open(const Network& network) const {
    return network.allow_spoofing ||
           std::any_of(attached.begin(), attached.end(),
                       [&](const auto& entry) { return entry.second.network_id == network.id; });
}

bool State::is_direct(const PublishedPort& port) const {
    if (port.behind) return is_direct(port, port.behind->address.is_v4());
    if (port.host_ip) return is_direct(port, port.host_ip->is_v4());
    const Endpoint& endpoint = endpoints.at(port.endpoint_id);
    return std::ranges::all_of(std::array{true, false}, [&](bool v4) {
        return !endpoint.has_family(v4) || is_direct(port, v4);
    });
}

bool State::is_direct(const PublishedPort& port, bool v4) const {
    if (!port.behind) {
        const Endpoint& endpoint = endpoints.at(port.endpoint_id);
        return networks.at(endpoint.network_id).mode_of(v4) == Mode::kRoutedPublished;
    }
    return std::any_of(adopted.begin(), adopted.end(), [&](const auto& entry) {
        const AdoptedBridge& bridge = entry.second;
        const Outside& outside = v4 ? bridge.outside4 : bridge.outside6;
        return bridge.network_id == port.behind->network_id && bridge.masquerade &&
               outside.gateway == Gateway::kRouted;
    });
}

std::string State::network_name(NetworkId id) const {
    if (auto network = networks.find(id); network != networks.end()) return network->second.name;
    for (const auto& [bridge, entry] : adopted)
        if (entry.network_id == id) return bridge;
    return {};
}

std::string Network::host_port_outer() const {
    return device_name("cngw", id);
}
std::string Network::host_port_inner() const {
    return device_name("cnhp", id);
}
std::string Network::vtep_device() const {
    return device_name("cnvt", id);
}
std::string Endpoint::host_ifname() const {
    return device_name("cnet", id);
}
std::string waiting_ifname(EndpointId id) {
    return device_name("cnep", id);
}

} // namespace cnet::control
