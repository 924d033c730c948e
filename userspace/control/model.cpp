#include "userspace/control/model.h"

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
