#include <cstdlib>
#include <iostream>

#include "userspace/netavark/run.h"
#include "userspace/plugin/input.h"

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const char* root = std::getenv("CNET_ROOT");
    // Asking for it at a terminal waits for nothing.
    const bool reads = !arguments.empty() && arguments[0] != "info";
    return cnet::netavark::run(arguments, root ? root : "",
                               reads ? cnet::plugin::read_input() : std::string(), std::cout);
}
