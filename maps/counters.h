// cnet_counters: packets and bytes by (hook, reason), of all CPUs together.
#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "maps/abi.h"
#include "maps/per_cpu_array.h"
#include "userspace/base/result.h"

namespace cnet::maps {

class CountersRo {
public:
    static Result<CountersRo> open(const std::filesystem::path& pin);

    // CNET_COUNTER_COUNT of them; index with CNET_COUNTER_INDEX(hook, reason).
    Result<std::vector<cnet_counter>> totals() const { return array_.totals(); }
    const MapInfo& info() const { return array_.info(); }

private:
    explicit CountersRo(PerCpuArrayRo<cnet_counter> array) : array_(std::move(array)) {}

    PerCpuArrayRo<cnet_counter> array_;
};

class Counters {
public:
    static Result<Counters> open(const std::filesystem::path& pin);

    Result<std::vector<cnet_counter>> totals() const { return array_.totals(); }
    Result<cnet_counter> total(cnet_hook hook, cnet_reason reason) const {
        return array_.total(CNET_COUNTER_INDEX(hook, reason));
    }
    // All to zero; see PerCpuArray.
    Status reset();

private:
    explicit Counters(PerCpuArray<cnet_counter> array) : array_(std::move(array)) {}

    PerCpuArray<cnet_counter> array_;
};

} // namespace cnet::maps
