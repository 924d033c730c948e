#include "userspace/control/model.h"

#include <algorithm>
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

std::string_view to_string(Mode mode) {
    switch (mode) {
    case Mode::kNat:
        return "nat";
    case Mode::kRouted:
        return "routed";
    case Mode::kIsolated:
        break;
    }
    return "isolated";
}

Result<Mode> parse_mode(std::string_view text) {
    for (Mode mode : {Mode::kNat, Mode::kRouted, Mode::kIsolated})
        if (to_string(mode) == text) return mode;
    return Error(ErrorKind::kInvalid,
                 "mode \"" + std::string(text) + "\" is neither nat, routed nor isolated");
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

bool Network::has_family(bool v4) const {
    return std::any_of(subnets.begin(), subnets.end(),
                       [&](const Subnet& subnet) { return subnet.prefix.is_v4() == v4; });
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
std::string Endpoint::host_ifname() const {
    return device_name("cnet", id);
}
std::string Endpoint::waiting_ifname() const {
    return device_name("cnep", id);
}

} // namespace cnet::control
