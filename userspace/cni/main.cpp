#include <cstdlib>
#include <iostream>

#include "userspace/cni/run.h"
#include "userspace/plugin/input.h"

int main() {
    const auto environment =
        cnet::cni::read_environment([](const char* name) { return std::getenv(name); });
    // Without a verb somebody at a terminal wants to know what this is.
    const std::string input = environment.command.empty() ? "" : cnet::plugin::read_input();
    return cnet::cni::run(environment, input, std::cout, std::cerr);
}
