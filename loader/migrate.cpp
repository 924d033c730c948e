#include "loader/migrate.h"

#include <algorithm>
#include <bpf/libbpf.h>
#include <cstdio>
#include <iterator>
#include <linux/bpf.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loader/layout.h"
#include "loader/pin.h"
#include "maps/map_fd.h"
#include "maps/pin_path.h"

namespace cnet::loader {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConnections = "cnet_ct";
// What programs add to by themselves.
constexpr std::string_view kGrowing[] = {kConnections, "cnet_fdb"};
// Says that the maps are complete, so it is written when they are; and what the programs of one set
// remember of its entries.
constexpr std::string_view kOfOneSet[] = {"cnet_meta", "cnet_memo"};

struct Pair {
    UniqueFd from, to;
    maps::MapInfo from_info, to_info;
};

// Of what has entries that a process can read and write.
bool can_be_copied(uint32_t type) {
    switch (type) {
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_LPM_TRIE:
        return true;
    default:
        return false;
    }
}

// Nothing when one of the two does not have it, or not as such a map.
Result<std::optional<Pair>> open_both(const fs::path& pins, const std::string& name) {
    auto from = open_pinned(maps::maps_aside_dir(pins) / name);
    if (!from) return from.error();
    auto to = open_pinned(maps::map_pin(pins, name));
    if (!to) return to.error();
    if (!*from || !*to) return std::optional<Pair>();
    auto from_info = maps::map_info(from->get());
    if (!from_info) return from_info.error();
    auto to_info = maps::map_info(to->get());
    if (!to_info) return to_info.error();
    if (from_info->type != to_info->type || !can_be_copied(to_info->type))
        return std::optional<Pair>();
    return std::optional<Pair>({std::move(*from), std::move(*to), *from_info, *to_info});
}

bool is_zero(const std::vector<uint8_t>& bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

// One entry: of a per-CPU map with a value for each CPU, each rounded up to eight bytes.
class Copy {
public:
    Copy(const Pair& maps, EntryConversion conversion, size_t cpus, maps::UpdateFlag flag)
        : maps_(maps), conversion_(std::move(conversion)), cpus_(cpus), flag_(flag),
          is_per_cpu_(maps.to_info.type == BPF_MAP_TYPE_PERCPU_ARRAY),
          is_array_(is_per_cpu_ || maps.to_info.type == BPF_MAP_TYPE_ARRAY) {}

    size_t from_bytes() const { return cpus_ * stride(maps_.from_info.value_size); }

    Status entry(const uint8_t* key, const uint8_t* value) {
        const std::vector<uint8_t> to_key = conversion_.key.apply(key);
        std::vector<uint8_t> to_value;
        for (size_t cpu = 0; cpu < cpus_; cpu++) {
            auto of_cpu = conversion_.value.apply(value + cpu * stride(maps_.from_info.value_size));
            of_cpu.resize(stride(maps_.to_info.value_size));
            to_value.insert(to_value.end(), of_cpu.begin(), of_cpu.end());
        }
        // An array begins with zeros, and may have become shorter.
        if (is_array_ && is_zero(to_value)) return {};
        auto status = maps::update_raw(maps_.to.get(), maps_.to_info.name, to_key.data(),
                                       to_value.data(), flag_);
        if (status) copied++;
        return status || is_expected(status.error()) ? Status() : status;
    }

    uint64_t copied = 0;

private:
    // Present already, where that was asked; beyond the end of an array.
    bool is_expected(const Error& error) const {
        return (flag_ == maps::UpdateFlag::kNoExist && error.kind() == ErrorKind::kConflict) ||
               (is_array_ && error.kind() == ErrorKind::kExhausted);
    }
    size_t stride(uint32_t value_size) const {
        return is_per_cpu_ ? (size_t{value_size} + 7) / 8 * 8 : value_size;
    }

    const Pair& maps_;
    EntryConversion conversion_;
    size_t cpus_;
    maps::UpdateFlag flag_;
    bool is_per_cpu_;
    bool is_array_;
};

Result<size_t> cpus_of(uint32_t type) {
    if (type != BPF_MAP_TYPE_PERCPU_ARRAY) return size_t{1};
    return maps::possible_cpus();
}

// How many entries that were; none when one of the two versions does not have the map.
Result<uint64_t> copy_map(const fs::path& pins, const std::string& name, maps::UpdateFlag flag) {
    auto both = open_both(pins, name);
    if (!both) return both.error();
    if (!*both) return uint64_t{0};
    auto conversion = conversion_between((*both)->from.get(), (*both)->to.get());
    if (!conversion) return conversion.error();
    auto cpus = cpus_of((*both)->to_info.type);
    if (!cpus) return cpus.error();
    Copy copy(**both, std::move(*conversion), *cpus, flag);
    Status status;
    auto walked = maps::for_each_raw((*both)->from.get(), (*both)->from_info, copy.from_bytes(),
                                     [&](const void* key, const void* value) {
                                         status = copy.entry(static_cast<const uint8_t*>(key),
                                                             static_cast<const uint8_t*>(value));
                                         return static_cast<bool>(status);
                                     });
    if (!walked) return walked.error();
    if (!status) return status.error();
    return copy.copied;
}

Status rename_maps(const fs::path& from, const fs::path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0)
        return Error::system("rename " + from.string() + " to " + to.string());
    return {};
}

} // namespace

// An empty directory is one whose removal was cut short.
Result<bool> has_maps_aside(const fs::path& pins) {
    std::error_code error;
    const bool exists = fs::exists(maps::maps_aside_dir(pins), error);
    if (error)
        return Error::system("look for " + maps::maps_aside_dir(pins).string(), error.value());
    return exists;
}

Status set_maps_aside(const fs::path& pins) {
    // Those of a migration that was not finished before the next version came.
    if (auto status = remove_maps_aside(pins); !status) return status;
    if (auto status = rename_maps(maps::map_dir(pins), maps::maps_aside_dir(pins)); !status)
        return status;
    return make_pin_directories(pins);
}

Status put_maps_back(const fs::path& pins) {
    if (auto status = remove_maps(pins); !status) return status;
    return rename_maps(maps::maps_aside_dir(pins), maps::map_dir(pins));
}

Result<uint64_t> take_entries_along(const fs::path& pins) {
    auto names = list_pins(maps::maps_aside_dir(pins));
    if (!names) return names.error();
    uint64_t connections = 0;
    for (const std::string& name : *names) {
        if (std::find(std::begin(kOfOneSet), std::end(kOfOneSet), name) != std::end(kOfOneSet))
            continue;
        auto copied = copy_map(pins, name, maps::UpdateFlag::kAny);
        if (!copied)
            return copied.error().because("take the entries of map " + name +
                                          " along from the version before");
        if (name == kConnections) connections = *copied;
    }
    return connections;
}

Status finish_migration(const fs::path& pins) {
    for (const std::string_view name : kGrowing) {
        auto copied = copy_map(pins, std::string(name), maps::UpdateFlag::kNoExist);
        // What does not fit any more is refused like any other.
        if (!copied && copied.error().kind() != ErrorKind::kExhausted) return copied.error();
    }
    return remove_maps_aside(pins);
}

} // namespace cnet::loader
