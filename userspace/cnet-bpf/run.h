// The whole program but for the process around it: what main() calls and tests call.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace cnet::cli {

struct Environment {
    std::optional<std::string> root; // CNET_ROOT
    bool no_color = false;           // NO_COLOR, or a terminal that knows none
    bool terminal = false;           // standard output is one
    size_t columns = 0;              // of that terminal, 0: unknown
};

// `words` without the program's name; returns the exit status.
int run(const std::vector<std::string>& words, const Environment& environment, std::ostream& out,
        std::ostream& err);

} // namespace cnet::cli
