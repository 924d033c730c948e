// cnet_counters with the CPUs summed up: packets and bytes by (hook, reason).
#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "maps/abi.h"
#include "maps/map_fd.h"
#include "userspace/base/result.h"

namespace cnet::maps {

class CountersRo {
public:
    static Result<CountersRo> open(const std::filesystem::path& pin);

    // CNET_COUNTER_COUNT of them; index with CNET_COUNTER_INDEX(hook, reason).
    Result<std::vector<cnet_counter>> totals() const;
    Result<cnet_counter> total(cnet_hook hook, cnet_reason reason) const;
    const MapInfo& info() const { return info_; }

private:
    friend class Counters;
    static Result<CountersRo> open(const std::filesystem::path& pin, Access access);
    CountersRo(UniqueFd fd, MapInfo info, size_t cpus)
        : fd_(std::move(fd)), info_(std::move(info)), cpus_(cpus) {}

    UniqueFd fd_;
    MapInfo info_;
    size_t cpus_;
};

class Counters {
public:
    static Result<Counters> open(const std::filesystem::path& pin);

    Result<std::vector<cnet_counter>> totals() const { return counters_.totals(); }
    Result<cnet_counter> total(cnet_hook hook, cnet_reason reason) const {
        return counters_.total(hook, reason);
    }
    // All to zero. A packet counted on another CPU at the same instant may be lost or survive.
    Status reset();
    const CountersRo& read_only() const { return counters_; }

private:
    explicit Counters(CountersRo counters) : counters_(std::move(counters)) {}

    CountersRo counters_;
};

} // namespace cnet::maps
