// What TypedMap stands on: the untyped operations on a BPF map's file descriptor, with our errors.
//
// ErrorKind: kNotFound (no such pin, or kExist on an absent key), kConflict (kNoExist on a present
// key), kExhausted (the map is full), kInvalid (the map's layout is not the one asked for),
// kDenied, kSystem.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::maps {

enum class Access { kReadOnly, kReadWrite };

enum class UpdateFlag : uint64_t {
    kAny = 0,
    kNoExist = 1,
    kExist = 2
}; // BPF_ANY, BPF_NOEXIST, BPF_EXIST

struct MapInfo {
    std::string name;
    uint32_t id = 0;
    uint32_t type = 0; // enum bpf_map_type
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    uint32_t max_entries = 0;
    uint32_t flags = 0; // BPF_F_*
};

Result<UniqueFd> open_pinned_map(const std::filesystem::path& pin, Access access);
Result<MapInfo> map_info(int fd);
Result<size_t> possible_cpus(); // how many values a per-CPU map has of each entry
enum class CpuLayout { kShared, kPerCpu };

// kInvalid, naming the map and what differs, unless the kernel's map has exactly these sizes and,
// for kPerCpu alone, a value per CPU.
Result<MapInfo> check_layout(int fd, size_t key_size, size_t value_size,
                             CpuLayout layout = CpuLayout::kShared);

// False: no such entry.
Result<bool> lookup_raw(int fd, const std::string& name, const void* key, void* value);
Status update_raw(int fd, const std::string& name, const void* key, const void* value,
                  UpdateFlag flag);
// Absent is success.
Status erase_raw(int fd, const std::string& name, const void* key);

// Calls `visit(key, value)` once for each entry that was there throughout; `value_bytes` is the
// size of a value as the kernel hands it out (for per-CPU maps that of all CPUs). Entries that come
// and go meanwhile may be seen or not. Stops when `visit` returns false. Batched where the map type
// has batches, else entry by entry; the latter restarts when its place is deleted, so it may then
// show an entry twice.
using RawVisitor = std::function<bool(const void* key, const void* value)>;
Status for_each_raw(int fd, const MapInfo& info, size_t value_bytes, const RawVisitor& visit);
// The entry-by-entry way alone.
Status for_each_by_key(int fd, const MapInfo& info, size_t value_bytes, const RawVisitor& visit);

// How many entries there are now. None where that is no figure: arrays have all of theirs, sockets'
// storage is with the sockets, and of a ring there are but positions.
Result<std::optional<uint64_t>> count_entries(int fd, const MapInfo& info);

// for_each_raw in pieces, of a map type that has batches: what comes between two pieces is done
// meanwhile. The descriptor and `info` must outlive it.
class BatchWalk {
public:
    BatchWalk(int fd, const MapInfo& info, size_t value_bytes);

    // Calls `visit` for each entry of the next piece, a thousand or so. False: that was the last.
    Result<bool> next(const RawVisitor& visit);

    // What next() is made of. 0: more may follow; ENOENT: that was the last; else an error.
    int step();
    bool visit_all(const RawVisitor& visit) const;
    bool started() const { return started_; } // the map has batches

private:
    void resize();

    int fd_;
    const MapInfo& info_;
    size_t value_bytes_;
    uint32_t capacity_;
    uint32_t got_ = 0;
    bool started_ = false;
    std::vector<uint8_t> here_, next_, keys_, values_;
};

} // namespace cnet::maps
