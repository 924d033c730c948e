// A clock that stands still until a test moves it.
#pragma once

#include "userspace/base/clock.h"

namespace cnet::test {

class FakeClock final : public Clock {
public:
    explicit FakeClock(uint64_t now_ns = 1'000'000'000) : now_ns_(now_ns) {}

    uint64_t monotonic_ns() const override { return now_ns_; }
    uint64_t boot_ns() const override { return now_ns_ + 77; }
    int64_t wall_s() const override {
        return 1'700'000'000 + wall_set_by_s_ + static_cast<int64_t>(now_ns_ / 1'000'000'000);
    }
    void set_wall_s(int64_t by) { wall_set_by_s_ += by; } // by somebody who sets the time
    void advance_ns(uint64_t ns) { now_ns_ += ns; }
    void advance_s(uint64_t seconds) { now_ns_ += seconds * 1'000'000'000; }

private:
    uint64_t now_ns_;
    int64_t wall_set_by_s_ = 0;
};

} // namespace cnet::test
