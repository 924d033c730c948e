#include "maps/reasons.h"

#include <algorithm>
#include <array>

namespace cnet::maps {

namespace {

constexpr ReasonClass FORWARD = ReasonClass::kForward;
constexpr ReasonClass PUNT = ReasonClass::kPunt;
constexpr ReasonClass DROP = ReasonClass::kDrop;
constexpr ReasonClass EVENT = ReasonClass::kEvent;

constexpr Reason kReasons[] = {
#define CNET_REASON(name, class_, text, meaning) {text, class_, meaning},
#include "maps/reasons.def"
#undef CNET_REASON
};
static_assert(std::size(kReasons) == CNET_R_COUNT);
static_assert(CNET_R_COUNT <= CNET_REASON_MAX);

constexpr Reason kUnknown{"unknown", ReasonClass::kEvent, "counted by a newer version"};

// By number; a hole is a hook that does not exist yet.
constexpr std::array<std::string_view, CNET_HOOK_MAX> kHooks = [] {
    std::array<std::string_view, CNET_HOOK_MAX> names{};
    names[CNET_HOOK_ENDPOINT] = "endpoint";
    names[CNET_HOOK_HOSTPORT] = "hostport";
    names[CNET_HOOK_UPLINK] = "uplink";
    names[CNET_HOOK_UPLINK_EGRESS] = "uplink_egress";
    names[CNET_HOOK_VXLAN] = "vxlan";
    names[CNET_HOOK_UPLINK_XDP] = "uplink_xdp";
    names[CNET_HOOK_SOCK] = "sock";
    names[CNET_HOOK_BRIDGE_PORT] = "bridge_port";
    names[CNET_HOOK_BRIDGE] = "bridge";
    return names;
}();

} // namespace

const Reason& reason(uint32_t number) {
    return number < std::size(kReasons) ? kReasons[number] : kUnknown;
}

std::string_view hint(uint32_t number) {
    switch (number) {
#define CNET_HINT(name, text)                                                                      \
    case CNET_R_##name:                                                                            \
        return text;
#include "maps/hints.def"
#undef CNET_HINT
    default:
        return {};
    }
}

std::span<const cnet_reason> limit_reasons() {
    static constexpr cnet_reason kLimits[] = {
        CNET_R_CT_FULL,         CNET_R_PORTS_EXHAUSTED, CNET_R_FDB_FULL,  CNET_R_MAC_LIMIT,
        CNET_R_FRAGMENT_FULL,   CNET_R_FLOOD_LIMIT,     CNET_R_ICMP_RATE, CNET_R_DHCP_UNSEEN,
        CNET_R_SOCK_PEERS_FULL, CNET_R_SOCK_NO_MEMORY,  CNET_R_FLOW_QUOTA};
    return kLimits;
}

std::optional<cnet_reason> parse_reason(std::string_view name) {
    auto found = std::find_if(std::begin(kReasons), std::end(kReasons),
                              [&](const Reason& candidate) { return candidate.name == name; });
    if (found == std::end(kReasons)) return std::nullopt;
    return static_cast<cnet_reason>(found - std::begin(kReasons));
}

std::string_view to_string(ReasonClass reason_class) {
    switch (reason_class) {
    case ReasonClass::kForward:
        return "forward";
    case ReasonClass::kPunt:
        return "punt";
    case ReasonClass::kDrop:
        return "drop";
    case ReasonClass::kEvent:
        break;
    }
    return "event";
}

std::string_view hook_name(uint32_t hook) {
    return hook < kHooks.size() && !kHooks[hook].empty() ? kHooks[hook] : "unknown";
}

std::optional<cnet_hook> parse_hook(std::string_view name) {
    if (name.empty()) return std::nullopt;
    auto found = std::find(kHooks.begin(), kHooks.end(), name);
    if (found == kHooks.end()) return std::nullopt;
    return static_cast<cnet_hook>(found - kHooks.begin());
}

} // namespace cnet::maps
