#include "userspace/control/endpoint_macs.h"

#include <sys/random.h>

#include <algorithm>

namespace cnet::control {

namespace {

Error conflict(const std::string& message) {
    return {ErrorKind::kConflict, message};
}

bool mac_is_taken(const State& state, const Observed& observed, const MacAddress& mac) {
    const auto has_mac = [&](const auto& entry) { return entry.second.mac == mac; };
    return std::any_of(state.endpoints.begin(), state.endpoints.end(), has_mac) ||
           std::any_of(state.remotes.begin(), state.remotes.end(), has_mac) ||
           std::any_of(observed.links.begin(), observed.links.end(),
                       [&](const auto& entry) { return entry.second.mac == mac; });
}

} // namespace

Result<MacAddress> random_mac(const State& state, const Observed& observed) {
    while (true) {
        std::array<uint8_t, CNET_MAC_LEN> bytes{};
        if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
            return Error::system("getrandom");
        }
        bytes[0] = 0x02;
        const MacAddress mac(bytes);
        if (!mac_is_taken(state, observed, mac)) return mac;
    }
}

Result<MacAddress> mac_of(const std::vector<IpPrefix>& addresses, const State& state,
                          const Observed& observed) {
    auto v4 = std::find_if(addresses.begin(), addresses.end(),
                           [](const IpPrefix& address) { return address.is_v4(); });
    if (v4 == addresses.end()) return random_mac(state, observed);
    const uint32_t bits = v4->address().v4_host_order();
    const MacAddress mac({0x02, 0x42, static_cast<uint8_t>(bits >> 24),
                          static_cast<uint8_t>(bits >> 16), static_cast<uint8_t>(bits >> 8),
                          static_cast<uint8_t>(bits)});
    return mac_is_taken(state, observed, mac) ? random_mac(state, observed) : mac;
}

Status check_mac(const MacAddress& mac, const Network& network, const State& state) {
    const std::string text = "MAC address " + mac.to_string();
    if (mac.is_multicast()) return Error(ErrorKind::kInvalid, text + " is a multicast address");
    if (mac.is_zero()) return Error(ErrorKind::kInvalid, text + " is no address");
    if (mac == network.gateway_mac)
        return conflict(text + " is the gateway's of network " + network.name);
    for (const auto& [id, endpoint] : state.endpoints) {
        if (endpoint.mac == mac)
            return conflict(text + " is endpoint " + endpoint.name + "'s already");
    }
    return {};
}

} // namespace cnet::control
