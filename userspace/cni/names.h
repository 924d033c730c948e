// Endpoints of the plugin have names that say to whom they belong, so that DEL and GC need no state
// of their own: "cni-" + hash of the configuration's name, container, device, hash of both in full.
#pragma once

#include <string>

namespace cnet::cni {

inline constexpr const char* kNamePrefix = "cni-";

// What the endpoints of one network configuration have in common.
std::string names_of(const std::string& config_name);
std::string endpoint_name(const std::string& config_name, const std::string& container_id,
                          const std::string& ifname);

} // namespace cnet::cni
