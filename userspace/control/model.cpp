#include "userspace/control/model.h"

#include <cstdio>

namespace cnet::control {

namespace {

// Four letters and at most eight digits: within IFNAMSIZ.
std::string device_name(const char* prefix, uint32_t id) {
    char name[16];
    std::snprintf(name, sizeof(name), "%s%x", prefix, id);
    return name;
}

} // namespace

std::string Network::host_port_outer() const {
    return device_name("cngw", id);
}
std::string Network::host_port_inner() const {
    return device_name("cnhp", id);
}
std::string Endpoint::host_ifname() const {
    return device_name("cnet", id);
}

} // namespace cnet::control
