// What an engine gives a plugin on stdin.
#pragma once

#include <string>

namespace cnet::plugin {

// To its end, or to a length that no configuration has.
std::string read_input();

} // namespace cnet::plugin
