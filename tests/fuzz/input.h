// A fuzzer's bytes, cut into what a parser takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "userspace/base/result.h" // CNET_CHECK, for what has to hold whatever comes

namespace cnet::fuzz {

// One byte says which of `ways` the rest is for.
struct Input {
    Input(const uint8_t* data, size_t size, unsigned ways)
        : way(size ? data[0] % ways : 0),
          text(reinterpret_cast<const char*>(data) + (size ? 1 : 0), size ? size - 1 : 0) {}

    unsigned way;
    std::string_view text;
};

} // namespace cnet::fuzz
