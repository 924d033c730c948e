// A clock that stands still until a test moves it.
#pragma once

#include "userspace/base/clock.h"

namespace cnet::test {

class FakeClock final : public Clock {
public:
    explicit FakeClock(uint64_t now_ns = 1'000'000'000) : now_ns_(now_ns) {}

    uint64_t monotonic_ns() const override { return now_ns_; }
    void advance_ns(uint64_t ns) { now_ns_ += ns; }
    void advance_s(uint64_t seconds) { now_ns_ += seconds * 1'000'000'000; }

private:
    uint64_t now_ns_;
};

} // namespace cnet::test
