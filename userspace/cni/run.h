// The plugin as a function of its environment and stdin.
#pragma once

#include <iosfwd>
#include <string>

#include "userspace/cni/environment.h"

namespace cnet::cni {

// Prints the result, or the error as the specification has it, on `out`; returns the exit status.
int run(const Environment& environment, const std::string& input, std::ostream& out,
        std::ostream& err);

} // namespace cnet::cni
