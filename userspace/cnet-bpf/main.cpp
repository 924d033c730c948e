#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "userspace/cnet-bpf/run.h"

namespace {

cnet::cli::Environment read_environment() {
    cnet::cli::Environment environment;
    if (const char* root = std::getenv("CNET_ROOT")) environment.root = root;
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    environment.no_color = (no_color && *no_color) || !term || std::string_view(term) == "dumb";
    environment.terminal = isatty(STDOUT_FILENO) == 1;
    winsize size{};
    if (environment.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        environment.columns = size.ws_col;
    }
    return environment;
}

} // namespace

int main(int argc, char** argv) {
    std::ios::sync_with_stdio(false);
    // An empty argv[0] is the caller's business; argc may even be 0.
    std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    return cnet::cli::run(words, read_environment(), std::cout, std::cerr);
}
