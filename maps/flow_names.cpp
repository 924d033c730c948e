#include "maps/flow_names.h"

#include <netinet/in.h>

#include <array>
#include <charconv>
#include <utility>

#include "maps/abi.h"

namespace cnet::maps {
namespace {

// From CNET_CT_SNAT on.
constexpr std::array<std::string_view, CNET_CT_KERNEL> kTypes = {
    "snat", "dnat", "hairpin", "host", "routed", "mapping", "kernel"};
constexpr std::array<std::string_view, CNET_CT_STATE_MAX> kStates = {
    "new", "established", "closing", "time_wait", "closed"};
constexpr std::array<std::pair<uint8_t, std::string_view>, 5> kProtocols{
    {{IPPROTO_TCP, "tcp"},
     {IPPROTO_UDP, "udp"},
     {IPPROTO_ICMP, "icmp"},
     {IPPROTO_ICMPV6, "icmpv6"},
     {IPPROTO_SCTP, "sctp"}}};

const std::pair<uint8_t, std::string_view>* find_protocol(uint8_t l4_proto) {
    for (const auto& known : kProtocols) {
        if (known.first == l4_proto) return &known;
    }
    return nullptr;
}

} // namespace

std::string_view flow_type_name(uint32_t type) {
    return type >= CNET_CT_SNAT && type <= kTypes.size() ? kTypes[type - CNET_CT_SNAT] : "unknown";
}

std::string_view flow_state_name(uint32_t state) {
    return state < kStates.size() ? kStates[state] : "unknown";
}

std::string protocol_name(uint8_t l4_proto) {
    const auto* known = find_protocol(l4_proto);
    return known ? std::string(known->second) : std::to_string(l4_proto);
}

std::optional<uint8_t> parse_protocol(std::string_view name) {
    for (const auto& [number, known] : kProtocols) {
        if (known == name) return number;
    }
    uint8_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return number;
}

bool has_name(uint8_t l4_proto) {
    return find_protocol(l4_proto) != nullptr;
}

std::vector<std::string_view> flow_types() {
    std::vector<std::string_view> types;
    for (uint32_t type = CNET_CT_SNAT; type <= kTypes.size(); type++) {
        if (type != CNET_CT_MAPPING) types.push_back(flow_type_name(type));
    }
    return types;
}

std::vector<std::string_view> flow_states() {
    return {kStates.begin(), kStates.end()};
}

std::vector<std::string_view> protocol_names() {
    std::vector<std::string_view> names;
    for (const auto& known : kProtocols)
        names.push_back(known.second);
    return names;
}

} // namespace cnet::maps
