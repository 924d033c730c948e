// The names of what the connection table holds: protocols, types and states of flows. Numbers that
// this build does not know have the name "unknown".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "maps/abi.h"

namespace cnet::maps {

std::string_view flow_type_name(uint32_t type);   // of enum cnet_ct_type: "snat"
std::string_view flow_state_name(uint32_t state); // of enum cnet_ct_state: "time_wait"
std::string protocol_name(uint8_t l4_proto);      // "tcp", or the number

// None for what is neither a protocol's name nor its number.
std::optional<uint8_t> parse_protocol(std::string_view name);
// Whether protocol_name() has more than the number.
bool has_name(uint8_t l4_proto);

// Of enum cnet_l4.
inline constexpr std::array<const char*, CNET_L4_MAX> kL4Names = {"tcp", "udp", "icmp", "sctp"};

// All that a flow can have. A mapping is in the connection table too, and is no flow.
std::vector<std::string_view> flow_types();
std::vector<std::string_view> flow_states();
std::vector<std::string_view> protocol_names();

} // namespace cnet::maps
