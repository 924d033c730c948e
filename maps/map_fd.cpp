#include "maps/map_fd.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <linux/bpf.h>
#include <utility>
#include <vector>

namespace cnet::maps {

namespace {

// What the kernel answers for a command that a map type does not have (ENOTSUPP, not in user
// space's errno.h).
constexpr int kNotSupported = 524;
constexpr uint32_t kBatchEntries = 1024;

bool is_per_cpu(uint32_t type) {
    return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
           type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

ErrorKind kind_of(int errno_value) {
    switch (errno_value) {
    case ENOENT:
        return ErrorKind::kNotFound;
    case EEXIST:
        return ErrorKind::kConflict;
    case E2BIG:
    case ENOMEM:
        return ErrorKind::kExhausted;
    case EPERM:
    case EACCES:
        return ErrorKind::kDenied;
    default:
        return ErrorKind::kSystem;
    }
}

Error map_error(const std::string& attempted, int errno_value) {
    const char* text = errno_value == E2BIG ? "the map is full" : std::strerror(errno_value);
    return {kind_of(errno_value), attempted + ": " + text, errno_value};
}

} // namespace

Result<UniqueFd> open_pinned_map(const std::filesystem::path& pin, Access access) {
    struct bpf_obj_get_opts options {};
    options.sz = sizeof(options);
    if (access == Access::kReadOnly) options.file_flags = BPF_F_RDONLY;
    int fd = bpf_obj_get_opts(pin.c_str(), &options);
    if (fd < 0) return map_error("open the map pinned at " + pin.string(), errno);
    return UniqueFd(fd);
}

Result<size_t> possible_cpus() {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) return Error::system("count the CPUs", -cpus);
    return static_cast<size_t>(cpus);
}

Result<MapInfo> map_info(int fd) {
    bpf_map_info raw{};
    uint32_t size = sizeof(raw);
    if (bpf_obj_get_info_by_fd(fd, &raw, &size) != 0)
        return map_error("ask for a map's layout", errno);
    return MapInfo{raw.name,       raw.id,          raw.type,     raw.key_size,
                   raw.value_size, raw.max_entries, raw.map_flags};
}

Result<MapInfo> check_layout(int fd, size_t key_size, size_t value_size, CpuLayout layout) {
    auto info = map_info(fd);
    if (!info) return info.error();
    if (info->key_size != key_size || info->value_size != value_size) {
        return Error(ErrorKind::kInvalid,
                     "map " + info->name + " has keys of " + std::to_string(info->key_size) +
                         " and values of " + std::to_string(info->value_size) +
                         " bytes, this program expects " + std::to_string(key_size) + " and " +
                         std::to_string(value_size) + ": it was made by another version");
    }
    if (is_per_cpu(info->type) != (layout == CpuLayout::kPerCpu)) {
        return Error(ErrorKind::kInvalid,
                     "map " + info->name + " is of type " + std::to_string(info->type) +
                         (layout == CpuLayout::kPerCpu ? ", expected one with a value per CPU"
                                                       : ", expected one without per-CPU values"));
    }
    return info;
}

Result<bool> lookup_raw(int fd, const std::string& name, const void* key, void* value) {
    if (bpf_map_lookup_elem(fd, key, value) == 0) return true;
    if (errno == ENOENT) return false;
    return map_error("map " + name + ": look up", errno);
}

Status update_raw(int fd, const std::string& name, const void* key, const void* value,
                  UpdateFlag flag) {
    if (bpf_map_update_elem(fd, key, value, static_cast<uint64_t>(flag)) == 0) return {};
    return map_error("map " + name + ": update", errno);
}

Status erase_raw(int fd, const std::string& name, const void* key) {
    if (bpf_map_delete_elem(fd, key) == 0 || errno == ENOENT) return {};
    return map_error("map " + name + ": delete", errno);
}

Status for_each_by_key(int fd, const MapInfo& info, size_t value_bytes, const RawVisitor& visit) {
    std::vector<uint8_t> key(info.key_size), next(info.key_size), value(value_bytes);
    const void* previous = nullptr;
    // Restarts after a deletion must not make this endless while others keep deleting.
    for (uint64_t steps = 0; steps < uint64_t{info.max_entries} * 2 + 1; steps++) {
        if (bpf_map_get_next_key(fd, previous, next.data()) != 0) {
            if (errno == ENOENT) return {};
            return map_error("map " + info.name + ": walk", errno);
        }
        auto found = lookup_raw(fd, info.name, next.data(), value.data());
        if (!found) return found.error();
        if (*found && !visit(next.data(), value.data())) return {};
        std::swap(key, next);
        previous = key.data();
    }
    return Error(ErrorKind::kSystem, "map " + info.name + ": walk: it changes too fast");
}

BatchWalk::BatchWalk(int fd, const MapInfo& info, size_t value_bytes)
    : fd_(fd), info_(info), value_bytes_(value_bytes),
      capacity_(std::clamp(info.max_entries, 1u, kBatchEntries)),
      // The place in the map: a bucket number for hashes, a key for others.
      here_(std::max<size_t>(info.key_size, sizeof(uint64_t))), next_(here_.size()) {
    resize();
}

void BatchWalk::resize() {
    keys_.resize(size_t{capacity_} * info_.key_size);
    values_.resize(size_t{capacity_} * value_bytes_);
}

int BatchWalk::step() {
    for (;;) {
        got_ = capacity_;
        int result = bpf_map_lookup_batch(fd_, started_ ? here_.data() : nullptr, next_.data(),
                                          keys_.data(), values_.data(), &got_, nullptr);
        int error = result == 0 ? 0 : errno;
        if (error == ENOSPC && capacity_ < info_.max_entries) {
            // One hash bucket holds more entries than fit.
            capacity_ = std::min(capacity_ * 2, info_.max_entries);
            resize();
            continue;
        }
        if (error == 0 || error == ENOENT) {
            started_ = true;
            std::swap(here_, next_);
        }
        return error;
    }
}

bool BatchWalk::visit_all(const RawVisitor& visit) const {
    for (size_t i = 0; i < got_; i++) {
        if (!visit(&keys_[i * info_.key_size], &values_[i * value_bytes_])) return false;
    }
    return true;
}

Result<bool> BatchWalk::next(const RawVisitor& visit) {
    const int error = step();
    if (error != 0 && error != ENOENT) return map_error("map " + info_.name + ": walk", error);
    return visit_all(visit) && error == 0;
}

Status for_each_raw(int fd, const MapInfo& info, size_t value_bytes, const RawVisitor& visit) {
    BatchWalk walk(fd, info, value_bytes);
    for (;;) {
        int error = walk.step();
        bool no_batches = error == kNotSupported || error == EOPNOTSUPP || error == EINVAL;
        if (no_batches && !walk.started()) return for_each_by_key(fd, info, value_bytes, visit);
        if (error != 0 && error != ENOENT) return map_error("map " + info.name + ": walk", error);
        if (!walk.visit_all(visit) || error == ENOENT) return {};
    }
}

Result<std::optional<uint64_t>> count_entries(int fd, const MapInfo& info) {
    switch (info.type) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_SK_STORAGE:
    case BPF_MAP_TYPE_RINGBUF:
        return std::optional<uint64_t>();
    default:
        break;
    }
    uint64_t entries = 0;
    auto status = for_each_raw(fd, info, info.value_size,
                               [&](const void*, const void*) { return ++entries != 0; });
    if (!status) return status.error();
    return std::optional(entries);
}

} // namespace cnet::maps
