#include "maps/counters.h"

#include <string>

namespace cnet::maps {

namespace {

template <typename Array> Result<Array> open_counters(const std::filesystem::path& pin) {
    auto array = Array::open(pin);
    if (!array) return array.error();
    const MapInfo& info = array->info();
    if (info.max_entries != CNET_COUNTER_COUNT) {
        return Error(ErrorKind::kInvalid,
                     "map " + info.name + " has " + std::to_string(info.max_entries) +
                         " counters, this program expects " + std::to_string(CNET_COUNTER_COUNT));
    }
    return array;
}

} // namespace

Result<CountersRo> CountersRo::open(const std::filesystem::path& pin) {
    auto array = open_counters<PerCpuArrayRo<cnet_counter>>(pin);
    if (!array) return array.error();
    return CountersRo(std::move(*array));
}

Result<Counters> Counters::open(const std::filesystem::path& pin) {
    auto array = open_counters<PerCpuArray<cnet_counter>>(pin);
    if (!array) return array.error();
    return Counters(std::move(*array));
}

Status Counters::reset() {
    for (uint32_t index = 0; index < CNET_COUNTER_COUNT; index++) {
        auto status = array_.reset(index);
        if (!status) return status.error();
    }
    return {};
}

} // namespace cnet::maps
