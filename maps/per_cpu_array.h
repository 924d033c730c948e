// A BPF array with a value for each CPU, which are read as their sum. V is nothing but uint64_t.
// PerCpuArrayRo only reads and needs no write permission on the pin, as in typed_map.h.
#pragma once

#include <cstring>
#include <filesystem>
#include <type_traits>
#include <utility>
#include <vector>

#include "maps/map_fd.h"

namespace cnet::maps {

template <typename V> class PerCpuArrayRo {
    static_assert(std::has_unique_object_representations_v<V> && alignof(V) == alignof(uint64_t));

public:
    static Result<PerCpuArrayRo> open(const std::filesystem::path& pin) {
        return open(pin, Access::kReadOnly);
    }

    // By index.
    Result<std::vector<V>> totals() const {
        std::vector<V> totals(info_.max_entries);
        auto status = for_each_raw(fd_.get(), info_, cpus_ * sizeof(V),
                                   [&](const void* key, const void* value) {
                                       uint32_t index;
                                       std::memcpy(&index, key, sizeof(index));
                                       totals[index] = sum(value);
                                       return true;
                                   });
        if (!status) return status.error();
        return totals;
    }

    // Zero beyond the array.
    Result<V> total(uint32_t index) const {
        std::vector<V> values(cpus_);
        auto found = lookup_raw(fd_.get(), info_.name, &index, values.data());
        if (!found) return found.error();
        return sum(values.data());
    }

    const MapInfo& info() const { return info_; }

private:
    template <typename> friend class PerCpuArray;

    static Result<PerCpuArrayRo> open(const std::filesystem::path& pin, Access access) {
        auto fd = open_pinned_map(pin, access);
        if (!fd) return fd.error();
        auto info = check_layout(fd->get(), sizeof(uint32_t), sizeof(V), CpuLayout::kPerCpu);
        if (!info) return info.error();
        auto cpus = possible_cpus();
        if (!cpus) return cpus.error();
        return PerCpuArrayRo(std::move(*fd), std::move(*info), *cpus);
    }

    PerCpuArrayRo(UniqueFd fd, MapInfo info, size_t cpus)
        : fd_(std::move(fd)), info_(std::move(info)), cpus_(cpus) {}

    // The kernel rounds each CPU's value up to eight bytes, which it is already.
    V sum(const void* per_cpu) const {
        constexpr size_t kWords = sizeof(V) / sizeof(uint64_t);
        uint64_t words[kWords] = {};
        for (size_t i = 0; i < cpus_ * kWords; i++) {
            uint64_t word;
            std::memcpy(&word, static_cast<const uint8_t*>(per_cpu) + i * sizeof(word),
                        sizeof(word));
            words[i % kWords] += word;
        }
        V total;
        std::memcpy(&total, words, sizeof(total));
        return total;
    }

    UniqueFd fd_;
    MapInfo info_;
    size_t cpus_;
};

template <typename V> class PerCpuArray {
public:
    static Result<PerCpuArray> open(const std::filesystem::path& pin) {
        auto array = PerCpuArrayRo<V>::open(pin, Access::kReadWrite);
        if (!array) return array.error();
        return PerCpuArray(std::move(*array));
    }

    Result<std::vector<V>> totals() const { return array_.totals(); }
    Result<V> total(uint32_t index) const { return array_.total(index); }
    const MapInfo& info() const { return array_.info(); }

    // To zero. What is counted on another CPU at the same instant may be lost or survive.
    Status reset(uint32_t index) {
        const std::vector<V> zero(array_.cpus_);
        return update_raw(array_.fd_.get(), info().name, &index, zero.data(), UpdateFlag::kAny);
    }

private:
    explicit PerCpuArray(PerCpuArrayRo<V> array) : array_(std::move(array)) {}

    PerCpuArrayRo<V> array_;
};

} // namespace cnet::maps
