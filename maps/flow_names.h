// The names of what the connection table holds: protocols, types and states of flows. Numbers that
// this build does not know have the name "unknown".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cnet::maps {

std::string_view flow_type_name(uint32_t type);   // of enum cnet_ct_type: "snat"
std::string_view flow_state_name(uint32_t state); // of enum cnet_ct_state: "time_wait"
std::string protocol_name(uint8_t l4_proto);      // "tcp", or the number

bool is_flow_type(std::string_view name);
bool is_flow_state(std::string_view name);
// None for what is neither a protocol's name nor its number.
std::optional<uint8_t> parse_protocol(std::string_view name);
// Whether protocol_name() has more than the number.
bool has_name(uint8_t l4_proto);

// "new, established, ...": for who gave another one.
std::string flow_type_list();
std::string flow_state_list();

} // namespace cnet::maps
