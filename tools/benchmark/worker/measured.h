// What a client has measured, and how it says so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tools/benchmark/worker/options.h"
#include "userspace/base/clock.h"
#include "userspace/base/result.h"

namespace cnet::bench {

struct Measured {
    uint64_t elapsed_ns = 0;
    std::vector<uint32_t> latencies_ns;
};

inline constexpr double kLikelyPerSecond = 400e3;

// `transact(number)` does one transaction; those before `first` have been done.
template <typename Transact>
Result<Measured> measure(double seconds, uint64_t first, Transact transact) {
    const SystemClock clock;
    Measured measured;
    measured.latencies_ns.reserve(static_cast<size_t>(seconds * kLikelyPerSecond));
    const auto wanted_ns = static_cast<uint64_t>(seconds * 1e9);
    const uint64_t start = clock.monotonic_ns();
    uint64_t number = first;
    for (uint64_t before = start; before - start < wanted_ns; ++number) {
        const Status done = transact(number);
        if (!done) return done.error();
        const uint64_t now = clock.monotonic_ns();
        measured.latencies_ns.push_back(
            static_cast<uint32_t>(std::min<uint64_t>(now - before, UINT32_MAX)));
        before = now;
        measured.elapsed_ns = now - start;
    }
    return measured;
}

// Of those that ran side by side: their transactions add up, and the longest is the time of all.
void print(std::vector<Measured>& together);

// The share of these latencies that are at most the answer.
double percentile_us(std::vector<uint32_t>& latencies_ns, double share);

} // namespace cnet::bench
