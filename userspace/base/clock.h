// The time that maps and programs use, CLOCK_MONOTONIC (bpf_ktime_get_ns() to a BPF program), and
// those of what others give an end.
#pragma once

#include <cstdint>
#include <ctime>

namespace cnet {

inline constexpr uint64_t kSecondNs = 1'000'000'000;

// As clock_gettime(2).
inline uint64_t clock_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<uint64_t>(now.tv_sec) * kSecondNs + static_cast<uint64_t>(now.tv_nsec);
}

class Clock {
public:
    virtual ~Clock() = default;
    virtual uint64_t monotonic_ns() const = 0;
    virtual uint64_t boot_ns() const = 0; // goes on while the host is suspended
    virtual int64_t wall_s() const = 0;   // since 1970; jumps when somebody sets it
};

class SystemClock final : public Clock {
public:
    uint64_t monotonic_ns() const override { return clock_ns(CLOCK_MONOTONIC); }
    uint64_t boot_ns() const override { return clock_ns(CLOCK_BOOTTIME); }
    int64_t wall_s() const override { return std::time(nullptr); }
};

} // namespace cnet
