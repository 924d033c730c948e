#include "userspace/cnetd/config_take.h"

namespace cnet::daemon {

Fault take(const toml::node& node, uint32_t min, uint32_t max, uint32_t& out) {
    auto number = node.value_exact<int64_t>();
    if (!number || *number < min || *number > max)
        return "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max);
    out = static_cast<uint32_t>(*number);
    return {};
}

Fault take(const toml::node& node, bool& out) {
    auto value = node.value_exact<bool>();
    if (!value) return "must be true or false";
    out = *value;
    return {};
}

Fault take(const toml::node& node, std::string& out) {
    auto value = node.value_exact<std::string>();
    if (!value) return "must be a string";
    out = *value;
    return {};
}

Fault take_absolute_path(const toml::node& node, std::string& out) {
    auto value = node.value_exact<std::string>();
    if (!value || !value->starts_with('/')) return "must be an absolute path";
    out = *value;
    return {};
}

} // namespace cnet::daemon
