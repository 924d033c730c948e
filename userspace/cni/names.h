// Endpoints of the CNI plugin, by name: DEL and GC know them by the configuration and the
// container.
#pragma once

#include "userspace/plugin/endpoints.h"

namespace cnet::cni {

inline constexpr const char* kNamePrefix = "cni-";

inline std::string names_of(const std::string& config_name) {
    return plugin::names_of(kNamePrefix, config_name);
}

inline std::string endpoint_name(const std::string& config_name, const std::string& container_id,
                                 const std::string& ifname) {
    return plugin::endpoint_name(kNamePrefix, config_name, container_id, ifname);
}

inline plugin::Outcome<plugin::Answer> create(plugin::Daemon& daemon, const std::string& target,
                                              const plugin::Json& body) {
    return plugin::create(daemon, target, body, kNamePrefix);
}

} // namespace cnet::cni
