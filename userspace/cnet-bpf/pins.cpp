#include "userspace/cnet-bpf/pins.h"

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <algorithm>

#include "loader/cgroup.h"
#include "loader/inspect.h"
#include "loader/pin.h"
#include "loader/sock_link.h"
#include "maps/maps.h"
#include "maps/pin_path.h"
#include "maps/reasons.h"
#include "userspace/base/clock.h"
#include "userspace/base/file.h"
#include "userspace/base/netns.h"
#include "userspace/cnet-bpf/decode.h"
#include "userspace/cnet-bpf/text.h"

namespace cnet::cli {
namespace {

namespace fs = std::filesystem;

struct OpenMap {
    UniqueFd fd;
    maps::MapInfo info;
};

Result<OpenMap> open_map(const fs::path& pins, std::string_view name) {
    auto fd = maps::open_pinned_map(maps::map_pin(pins, name), maps::Access::kReadOnly);
    if (!fd) return fd.error();
    auto info = maps::map_info(fd->get());
    if (!info) return info.error();
    return OpenMap{std::move(*fd), std::move(*info)};
}

Result<std::vector<std::string>> pinned_maps(const fs::path& pins) {
    auto names = loader::list_pins(maps::map_dir(pins));
    if (!names) return names.error();
    if (names->empty()) {
        return Error(ErrorKind::kNotFound,
                     "no maps are pinned below " + pins.native() + ": cnetd has not run here");
    }
    return names;
}

// "fdb" means "cnet_fdb".
Result<std::string> full_name(const fs::path& pins, std::string_view name) {
    auto names = pinned_maps(pins);
    if (!names) return names.error();
    for (const std::string& candidate : {std::string(name), "cnet_" + std::string(name)}) {
        if (std::find(names->begin(), names->end(), candidate) != names->end()) return candidate;
    }
    std::string all;
    for (const std::string& known : *names) {
        all += (all.empty() ? "" : ", ") + known;
    }
    return Error(ErrorKind::kNotFound, "no map '" + std::string(name) + "'; there are: " + all);
}

bool is_array(uint32_t type) {
    return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

// What the kernel charges for the map; null where it does not say.
Json memory_of(int fd) {
    auto text = read_file("/proc/self/fdinfo/" + std::to_string(fd));
    if (!text) return {};
    constexpr std::string_view kField = "memlock:\t";
    size_t start = text->find(kField);
    if (start == std::string::npos) return {};
    start += kField.size();
    auto bytes =
        parse_number(std::string_view(*text).substr(start, text->find('\n', start) - start));
    return bytes ? Json(*bytes) : Json();
}

Result<Json> count_entries(const OpenMap& map) {
    if (is_array(map.info.type)) return Json(map.info.max_entries);
    auto entries = maps::count_entries(map.fd.get(), map.info);
    if (!entries) return entries.error();
    return *entries ? Json(**entries) : Json();
}

Json type_name(uint32_t type) {
    const char* name = libbpf_bpf_map_type_str(static_cast<bpf_map_type>(type));
    return name ? Json(name) : Json(type);
}

Json flag_names(uint32_t flags) {
    struct {
        uint32_t flag;
        const char* name;
    } constexpr kFlags[] = {{BPF_F_NO_PREALLOC, "no_prealloc"}, {BPF_F_MMAPABLE, "mmapable"}};
    Json names = Json::array();
    for (const auto& known : kFlags) {
        if (flags & known.flag) names.push_back(known.name);
        flags &= ~known.flag;
    }
    if (flags != 0) names.push_back(flags);
    return names;
}

Result<Json> describe_map(const fs::path& pins, const std::string& name) {
    auto map = open_map(pins, name);
    if (!map) return map.error();
    auto entries = count_entries(*map);
    if (!entries) return entries.error();
    return Json{{"name", name},
                {"type", type_name(map->info.type)},
                {"key_bytes", map->info.key_size},
                {"value_bytes", map->info.value_size},
                {"entries", *entries},
                {"max_entries", map->info.max_entries},
                {"memory_bytes", memory_of(map->fd.get())},
                {"id", map->info.id},
                {"flags", flag_names(map->info.flags)}};
}

Result<cnet_meta> read_meta(const fs::path& pins) {
    auto map = maps::TypedMapRo<uint32_t, cnet_meta>::open(maps::map_pin(pins, "cnet_meta"));
    if (!map) return map.error();
    auto meta = map->lookup(0);
    if (!meta) return meta.error();
    return meta->value_or(cnet_meta{});
}

// Device names mean something only in the namespace whose indexes the maps hold.
std::function<std::string(uint32_t)> device_names(const cnet_meta& meta) {
    auto here = netns_cookie();
    if (!here || *here != meta.netns_cookie) {
        return [](uint32_t) { return std::string(); };
    }
    return [](uint32_t ifindex) {
        char name[IF_NAMESIZE];
        return if_indextoname(ifindex, name) ? std::string(name) : std::string();
    };
}

using Visit = std::function<void(const Json& entry)>;

Json entry(const MapFormat& format, const void* key, const void* value, const Decoder& decoder) {
    return {{"key", format.key(key, decoder)}, {"value", format.value(value, decoder)}};
}

Status dump_counters(const fs::path& pins, const MapFormat& format, const Decoder& decoder,
                     const Visit& visit) {
    auto counters = maps::CountersRo::open(maps::map_pin(pins, format.name));
    if (!counters) return counters.error();
    auto totals = counters->totals();
    if (!totals) return totals.error();
    for (uint32_t i = 0; i < totals->size(); i++) {
        const cnet_counter& total = (*totals)[i];
        if (total.packets != 0 || total.bytes != 0) visit(entry(format, &i, &total, decoder));
    }
    return {};
}

Status dump_entries(const fs::path& pins, const MapFormat& format, const Decoder& decoder,
                    const Visit& visit) {
    auto map = open_map(pins, format.name);
    if (!map) return map.error();
    auto layout = maps::check_layout(map->fd.get(), format.key_bytes, format.value_bytes);
    if (!layout) return layout.error();
    bool sparse = is_array(map->info.type);
    return maps::for_each_raw(
        map->fd.get(), map->info, format.value_bytes, [&](const void* key, const void* value) {
            auto bytes = static_cast<const unsigned char*>(value);
            bool zero =
                std::all_of(bytes, bytes + format.value_bytes, [](auto b) { return b == 0; });
            if (!sparse || !zero) visit(entry(format, key, value, decoder));
            return true;
        });
}

// The hook that a program is for, from where it is attached or from what may be attached there.
Json hook_of(const loader::LoadedProgram& program) {
    if (!program.attached.empty()) return maps::hook_name(program.attached[0].where.hook);
    for (uint32_t hook = 0; hook < CNET_HOOK_MAX; hook++) {
        auto names = loader::programs_of(static_cast<cnet_hook>(hook));
        if (std::find(names.begin(), names.end(), program.name) != names.end()) {
            return maps::hook_name(hook);
        }
    }
    auto on_cgroups = loader::sock_programs();
    if (std::find(on_cgroups.begin(), on_cgroups.end(), program.name) != on_cgroups.end()) {
        return maps::hook_name(CNET_HOOK_SOCK);
    }
    return {};
}

Json describe_program(const loader::LoadedProgram& program,
                      const std::function<std::string(uint32_t)>& device_name) {
    Json devices = Json::array();
    for (const loader::Attached& attached : program.attached) {
        std::string name = device_name(attached.where.ifindex);
        devices.push_back({{"ifindex", attached.where.ifindex},
                           {"device", name.empty() ? Json() : Json(name)},
                           {"attach", loader::to_string(attached.kind)}});
    }
    Json cgroups = Json::array();
    for (uint64_t id : program.cgroups) {
        std::string path = loader::cgroup_path(id);
        cgroups.push_back({{"id", id}, {"path", path.empty() ? Json() : Json(path)}});
    }
    Json ns_per_run = program.run_count ? Json(program.run_time_ns / program.run_count) : Json();
    return {{"hook", hook_of(program)},
            {"name", program.name},
            {"id", program.id},
            {"tag", program.tag},
            {"devices", devices},
            {"cgroups", cgroups},
            {"runs", program.run_count},
            {"run_time_ns", program.run_time_ns},
            {"ns_per_run", ns_per_run},
            {"instructions", program.verified_instructions},
            {"jited_bytes", program.jited_bytes}};
}

} // namespace

Result<Json> list_maps(const fs::path& pins) {
    auto names = pinned_maps(pins);
    if (!names) return names.error();
    Json list = Json::array();
    for (const std::string& name : *names) {
        auto map = describe_map(pins, name);
        if (!map) return map.error();
        list.push_back(std::move(*map));
    }
    return list;
}

Result<Json> show_map(const fs::path& pins, std::string_view name) {
    auto full = full_name(pins, name);
    if (!full) return full.error();
    return describe_map(pins, *full);
}

Status dump_map(const fs::path& pins, std::string_view name, const Visit& visit) {
    auto full = full_name(pins, name);
    if (!full) return full.error();
    auto meta = read_meta(pins);
    if (!meta) return meta.error();
    const MapFormat* format = find_map_format(*full);
    if (*full == "cnet_dhcp") {
        return Error(ErrorKind::kConflict,
                     "the entries of cnet_dhcp are cnetd's to read, and gone with that");
    }
    if (*full == "cnet_sock") {
        return Error(ErrorKind::kConflict,
                     "the entries of cnet_sock are with their sockets, of which there is no list");
    }
    if (!format) return Error(ErrorKind::kConflict, *full + " has no form that can be decoded");
    if (meta->abi_version != CNET_ABI_VERSION && *full != "cnet_meta") {
        return Error(ErrorKind::kConflict, "cannot decode " + *full + ": the pins are of version " +
                                               std::to_string(meta->abi_version) +
                                               " of the maps, this program knows version " +
                                               std::to_string(CNET_ABI_VERSION));
    }
    Decoder decoder{SystemClock().monotonic_ns(), device_names(*meta)};
    if (format->name == "cnet_counters") return dump_counters(pins, *format, decoder, visit);
    return dump_entries(pins, *format, decoder, visit);
}

Result<Json> list_programs(const fs::path& pins) {
    auto programs = loader::list_programs(pins);
    if (!programs) return programs.error();
    auto meta = read_meta(pins);
    auto device_name = device_names(meta ? *meta : cnet_meta{});
    Json list = Json::array();
    for (const loader::LoadedProgram& program : *programs) {
        list.push_back(describe_program(program, device_name));
    }
    return list;
}

Json summarize_pins(const fs::path& pins) {
    auto meta = read_meta(pins);
    auto map_names = loader::list_pins(maps::map_dir(pins));
    auto program_names = loader::list_pins(maps::prog_dir(pins));
    auto attached = loader::list_attached(pins);
    auto on_cgroups = loader::sock_attached(pins);
    Json attachments;
    if (attached && on_cgroups) attachments = attached->size() + on_cgroups->size();
    auto count = [](const auto& list) { return list ? Json(list->size()) : Json(); };
    return {{"path", pins.native()},
            {"abi_version", meta ? Json(meta->abi_version) : Json()},
            {"maps", count(map_names)},
            {"programs", count(program_names)},
            {"attachments", attachments}};
}

} // namespace cnet::cli
