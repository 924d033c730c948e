// When a fake of the kernel answers no more.
#pragma once

#include <optional>

#include "userspace/base/result.h"

namespace cnet::test {

// What is left of the process's life, in calls to the kernel: at 0 every further one fails, as
// after a kill.
struct Life {
    std::optional<int> calls_left;

    bool spend() {
        if (!calls_left) return true;
        if (*calls_left == 0) return false;
        --*calls_left;
        return true;
    }
    static Error dead() { return {ErrorKind::kSystem, "dead"}; }
};

} // namespace cnet::test
