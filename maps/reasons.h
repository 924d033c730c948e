// The names of hooks and reasons, from abi.h and reasons.def. Numbers that this build does not know
// (a newer program's counters) have the name "unknown".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "maps/abi.h"

namespace cnet::maps {

enum class ReasonClass { kForward, kPunt, kDrop, kEvent };

struct Reason {
    std::string_view name; // "spoofed_mac"
    ReasonClass reason_class;
    std::string_view meaning; // one sentence
};

const Reason& reason(uint32_t number);
// What to do about a drop; empty for what is none.
std::string_view hint(uint32_t number);
// What has a defined end: those that are counted when it is reached.
std::span<const cnet_reason> limit_reasons();
std::optional<cnet_reason> parse_reason(std::string_view name);
std::string_view to_string(ReasonClass reason_class); // "forward", "punt", "drop", "event"

std::string_view hook_name(uint32_t hook); // "uplink_egress"
std::optional<cnet_hook> parse_hook(std::string_view name);

} // namespace cnet::maps
