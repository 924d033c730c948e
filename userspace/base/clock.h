// The time that maps and programs use: CLOCK_MONOTONIC, bpf_ktime_get_ns() to a BPF program.
#pragma once

#include <cstdint>
#include <ctime>

namespace cnet {

class Clock {
public:
    virtual ~Clock() = default;
    virtual uint64_t monotonic_ns() const = 0;
};

class SystemClock final : public Clock {
public:
    uint64_t monotonic_ns() const override {
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u +
               static_cast<uint64_t>(now.tv_nsec);
    }
};

} // namespace cnet
