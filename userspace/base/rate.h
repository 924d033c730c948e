// How fast packets may go one way through a device.
#pragma once

#include <cstdint>

namespace cnet {

struct RateLimit {
    uint64_t bits_per_s = 0; // 0: no limit
    uint64_t burst_bits = 0; // what may go at once after a pause

    explicit operator bool() const { return bits_per_s != 0; }
    bool operator==(const RateLimit&) const = default;
};

} // namespace cnet
