// Single values of cnetd.toml, taken strictly.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <toml++/toml.h>

namespace cnet::daemon {

// What is wrong with a value; nothing when it was taken.
using Fault = std::optional<std::string>;

// Known or not, and when known, the fault.
struct Taken {
    bool known = true;
    Fault fault;
};

Fault take(const toml::node& node, uint32_t min, uint32_t max, uint32_t& out);
Fault take(const toml::node& node, bool& out);
Fault take(const toml::node& node, std::string& out);
Fault take_absolute_path(const toml::node& node, std::string& out);

} // namespace cnet::daemon
