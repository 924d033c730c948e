#include "userspace/plugin/input.h"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace cnet::plugin {
namespace {

constexpr size_t kInputLimit = 16u << 20;

} // namespace

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

} // namespace cnet::plugin
