#include <unistd.h>

#include <array>
#include <cstdlib>
#include <iostream>

#include "userspace/cni/run.h"

namespace {

constexpr size_t kInputLimit = 16u << 20;

std::string read_input() {
    std::string text;
    std::array<char, 16384> buffer;
    ssize_t got = 0;
    while (text.size() < kInputLimit &&
           (got = read(STDIN_FILENO, buffer.data(), buffer.size())) != 0) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        text.append(buffer.data(), static_cast<size_t>(got));
    }
    return text;
}

} // namespace

int main() {
    const auto environment =
        cnet::cni::read_environment([](const char* name) { return std::getenv(name); });
    // Without a verb somebody at a terminal wants to know what this is.
    const std::string input = environment.command.empty() ? "" : read_input();
    return cnet::cni::run(environment, input, std::cout, std::cerr);
}
