#include "maps/counters.h"

#include <bpf/libbpf.h>

namespace cnet::maps {

namespace {

cnet_counter sum(const void* per_cpu, size_t cpus) {
    // Sixteen bytes each, so the kernel's rounding to eight adds nothing between CPUs.
    cnet_counter total{};
    for (size_t cpu = 0; cpu < cpus; cpu++) {
        cnet_counter part;
        std::memcpy(&part, static_cast<const uint8_t*>(per_cpu) + cpu * sizeof(part), sizeof(part));
        total.packets += part.packets;
        total.bytes += part.bytes;
    }
    return total;
}

} // namespace

Result<CountersRo> CountersRo::open(const std::filesystem::path& pin, Access access) {
    auto fd = open_pinned_map(pin, access);
    if (!fd) return fd.error();
    auto info = check_layout(fd->get(), sizeof(uint32_t), sizeof(cnet_counter), CpuLayout::kPerCpu);
    if (!info) return info.error();
    if (info->max_entries != CNET_COUNTER_COUNT) {
        return Error(ErrorKind::kInvalid,
                     "map " + info->name + " has " + std::to_string(info->max_entries) +
                         " counters, this program expects " + std::to_string(CNET_COUNTER_COUNT));
    }
    int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) return Error::system("count the possible CPUs", -cpus);
    return CountersRo(std::move(*fd), std::move(*info), static_cast<size_t>(cpus));
}

Result<CountersRo> CountersRo::open(const std::filesystem::path& pin) {
    return open(pin, Access::kReadOnly);
}

Result<std::vector<cnet_counter>> CountersRo::totals() const {
    std::vector<cnet_counter> totals(CNET_COUNTER_COUNT);
    auto status = for_each_raw(fd_.get(), info_, cpus_ * sizeof(cnet_counter),
                               [&](const void* key, const void* value) {
                                   uint32_t index;
                                   std::memcpy(&index, key, sizeof(index));
                                   totals[index] = sum(value, cpus_);
                                   return true;
                               });
    if (!status) return status.error();
    return totals;
}

Result<cnet_counter> CountersRo::total(cnet_hook hook, cnet_reason reason) const {
    uint32_t index = CNET_COUNTER_INDEX(hook, reason);
    std::vector<cnet_counter> values(cpus_);
    auto found = lookup_raw(fd_.get(), info_.name, &index, values.data());
    if (!found) return found.error();
    return sum(values.data(), cpus_);
}

Result<Counters> Counters::open(const std::filesystem::path& pin) {
    auto counters = CountersRo::open(pin, Access::kReadWrite);
    if (!counters) return counters.error();
    return Counters(std::move(*counters));
}

Status Counters::reset() {
    const std::vector<cnet_counter> zero(counters_.cpus_);
    for (uint32_t index = 0; index < CNET_COUNTER_COUNT; index++) {
        auto status = update_raw(counters_.fd_.get(), counters_.info_.name, &index, zero.data(),
                                 UpdateFlag::kAny);
        if (!status) return status.error();
    }
    return {};
}

} // namespace cnet::maps
