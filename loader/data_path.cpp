#include "loader/data_path.h"

#include <algorithm>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cstring>
#include <net/if.h>
#include <net/if_arp.h>
#include <span>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

#include "loader/load.h"
#include "loader/migrate.h"
#include "loader/pin.h"
#include "loader/probe.h"
#include "loader/release.h"
#include "loader/settle.h"
#include "maps/pin_path.h"
#include "maps/reasons.h"
#include "userspace/base/netns.h"

namespace cnet::loader {

namespace {

constexpr const char* kMetaMap = "cnet_meta";
constexpr const char* kCollector = "cnet_gc";

// The sizes of the others are part of the ABI.
constexpr std::string_view kResizable[] = {
    "cnet_port",  "cnet_network", "cnet_flood",      "cnet_fdb",        "cnet_fdb_count",
    "cnet_neigh", "cnet_uplinks", "cnet_host_addr",  "cnet_bind_addr",  "cnet_binding",
    "cnet_allow", "cnet_ct",      "cnet_frag",       "cnet_frag_held",  "cnet_peer",
    "cnet_vtep",  "cnet_vni",     "cnet_flood_peer", "cnet_flood_rate", "cnet_quota"};
constexpr std::string_view kFixed[] = {
    kMetaMap,     "cnet_slot",      "cnet_sock",  "cnet_counters", "cnet_icmp_rate", "cnet_dhcp",
    "cnet_watch", "cnet_watch_cpu", "cnet_rings", "cnet_trusted",  "cnet_written"};

bool contains(std::span<const std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

Status check_settings(const DataPathSettings& settings) {
    for (const auto& [name, size] : settings.max_entries) {
        if (contains(kFixed, name)) {
            return Error(ErrorKind::kInvalid, "the size of map " + name + " is fixed");
        }
        if (!contains(kResizable, name)) {
            return Error(ErrorKind::kInvalid, "there is no map " + name);
        }
        if (size == 0) return Error(ErrorKind::kInvalid, "map " + name + " cannot have size 0");
        if (name == "cnet_ct" && size > CNET_CT_ENTRIES_MAX) {
            return Error(ErrorKind::kInvalid, "map cnet_ct cannot have more than " +
                                                  std::to_string(CNET_CT_ENTRIES_MAX) + " entries");
        }
    }
    return {};
}

cnet_config config_of(const DataPathSettings& settings, const Features& features) {
    cnet_config config{};
    config.dry_run = settings.dry_run ? 1 : 0;
    config.fib_cache_ms = settings.fib_cache_ms;
    config.vxlan_port_be = htons(settings.vxlan_port);
    config.decap_gso = features.decap_gso ? 1 : 0;
    config.peer_scrubs = features.peer_scrubs ? 1 : 0;
    return config;
}

// Whether the device's packets begin with an Ethernet header; nothing when the device is gone.
Result<std::optional<bool>> has_ethernet_header(uint32_t ifindex) {
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error::system("open a socket");
    ifreq request{};
    request.ifr_ifindex = static_cast<int>(ifindex);
    if (::ioctl(socket.get(), SIOCGIFNAME, &request) != 0 ||
        ::ioctl(socket.get(), SIOCGIFHWADDR, &request) != 0) {
        if (errno == ENODEV || errno == ENXIO) return std::optional<bool>();
        return Error::system("ask for the type of device " + std::to_string(ifindex));
    }
    int type = request.ifr_hwaddr.sa_family;
    return std::optional<bool>(type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK);
}

template <typename Candidate>
std::vector<uint8_t> collector_input(cnet_gc_op op, const std::vector<Candidate>& candidates) {
    cnet_gc_header header{};
    header.op = op;
    header.count = static_cast<uint32_t>(candidates.size());
    const size_t body = candidates.size() * sizeof(Candidate);
    std::vector<uint8_t> input(sizeof(header) + body);
    std::memcpy(input.data(), &header, sizeof(header));
    std::memcpy(input.data() + sizeof(header), candidates.data(), body);
    return input;
}

} // namespace

DataPath::~DataPath() = default;

std::vector<std::string> DataPath::take_warnings() {
    return std::exchange(parts_.warnings, {});
}

Status DataPath::check_namespace() const {
    auto cookie = netns_cookie();
    if (!cookie) return cookie.error();
    if (*cookie == parts_.netns_cookie) return {};
    return Error(ErrorKind::kSystem,
                 "the data path was called in another network namespace than its own");
}

Result<std::unique_ptr<DataPath>> DataPath::open(const Paths& paths,
                                                 const DataPathSettings& settings,
                                                 const std::vector<ObjectImage>& images,
                                                 std::vector<ObjectImage> on_demand) {
    std::vector<std::string> warnings;
    if (auto status = check_settings(settings); !status) return status.error();
    if (auto status = raise_memlock(); !status) return status.error();
    auto features = probe_kernel();
    if (!features) return features.error();
    auto cookie = netns_cookie();
    if (!cookie) return cookie.error();
    if (!settings.dry_run) {
        if (auto status = prepare_pins(paths, warnings); !status) return status.error();
    }
    auto settled = settle_pins(paths, settings.dry_run, *cookie, warnings);
    if (!settled) return settled.error();
    const ObjectSettings object_settings{paths.pins, settings.max_entries,
                                         config_of(settings, *features)};
    auto objects = load_objects(*settled, images, object_settings, warnings);
    if (!objects) return objects.error();
    auto data_maps = maps::DataPathMaps::open(paths.pins);
    if (!data_maps) return data_maps.error();
    LinkTable links(paths.pins, settings.attach_kind.value_or(features->attach_kind));
    std::unique_ptr<DataPath> path(
        new DataPath({paths, settings.dry_run, *cookie, object_settings, std::move(*objects),
                      std::move(on_demand), std::move(*data_maps), std::move(links),
                      SockLinks(paths.pins), std::move(warnings)}));
    if (settings.dry_run) return path;
    // From here on the set of maps is complete; nothing was attached before.
    cnet_meta meta{CNET_ABI_VERSION, 0, *cookie};
    if (auto status = path->maps().meta.update(0, meta); !status) return status.error();
    if (auto status = path->pin_programs(); !status) return status.error();
    if (auto status = path->update_attached(); !status) return status.error();
    if (auto status = finish_migration(paths.pins); !status) return status.error();
    return path;
}

Status DataPath::pin_programs() {
    const auto dir = maps::prog_dir(parts_.paths.pins);
    for (const Object& object : parts_.objects) {
        if (auto status = object.pin_programs(parts_.paths.pins); !status) return status.error();
    }
    auto pinned = list_pins(dir);
    if (!pinned) return pinned.error();
    for (const std::string& name : *pinned) {
        if (loaded_program(name) >= 0) continue;
        // Of an earlier version, or not needed any more, or about to be loaded again.
        if (auto status = remove_pin(dir / name); !status) return status.error();
    }
    return {};
}

Status DataPath::restore_pins() {
    if (parts_.dry_run) return {};
    std::vector<std::string> known; // said at start already
    if (auto status = prepare_pins(parts_.paths, known); !status) return status.error();
    unsigned restored = 0;
    for (const Object& object : parts_.objects) {
        auto count = object.restore_pins(parts_.paths.pins);
        if (!count) return count.error();
        restored += *count;
    }
    if (restored == 0) return {};
    parts_.warnings.push_back(std::to_string(restored) + " pins below " +
                              parts_.paths.pins.string() + " were gone and are back");
    return {};
}

Status DataPath::update_attached() {
    auto attached = parts_.links.attached();
    if (!attached) return attached.error();
    for (const Attached& attachment : *attached) {
        const maps::HookDevice where = attachment.where;
        auto ethernet = has_ethernet_header(where.ifindex);
        if (!ethernet) return ethernet.error();
        if (!*ethernet) continue;
        auto status = attach(where.hook, where.ifindex, **ethernet);
        if (!status && status.error().kind() != ErrorKind::kNotFound) return status.error();
    }
    return {};
}

Status DataPath::attach(cnet_hook hook, uint32_t ifindex, bool ethernet) {
    if (parts_.dry_run) return Error(ErrorKind::kInvalid, "a dry data path attaches nothing");
    if (auto status = check_namespace(); !status) return status.error();
    auto names = programs_of(hook);
    const size_t variant = ethernet ? 0 : 1;
    if (variant >= names.size()) {
        return Error(ErrorKind::kInvalid, "hook " + std::string(maps::hook_name(hook)) +
                                              " has no program for this kind of device");
    }
    auto fd = program(names[variant]);
    if (!fd) return fd.error();
    auto strays = parts_.links.attach({hook, ifindex}, *fd);
    if (!strays) return strays.error();
    if (*strays > 0) {
        parts_.warnings.push_back("removed " + std::to_string(*strays) +
                                  " stray programs of ours from " +
                                  maps::hook_device_name({hook, ifindex}));
    }
    return {};
}

Status DataPath::detach(cnet_hook hook, uint32_t ifindex) {
    if (auto status = check_namespace(); !status) return status.error();
    return parts_.links.detach({hook, ifindex});
}

Result<std::vector<maps::HookDevice>> DataPath::attachments() {
    if (auto status = check_namespace(); !status) return status.error();
    auto attached = parts_.links.attached();
    if (!attached) return attached.error();
    std::vector<maps::HookDevice> where;
    for (const Attached& attachment : *attached)
        where.push_back(attachment.where);
    return where;
}

Result<unsigned> DataPath::attach_sock(const std::filesystem::path& cgroup) {
    if (parts_.dry_run) return Error(ErrorKind::kInvalid, "a dry data path attaches nothing");
    if (!program(sock_programs().front())) {
        return Error(ErrorKind::kSystem,
                     "this kernel runs no programs on cgroups (CONFIG_CGROUP_BPF)");
    }
    return parts_.sock_links.attach(cgroup,
                                    [this](std::string_view name) { return program(name); });
}

Status DataPath::detach_sock() {
    if (parts_.dry_run) return Error(ErrorKind::kInvalid, "a dry data path detaches nothing");
    return parts_.sock_links.detach();
}

Result<unsigned> DataPath::collect(const std::vector<cnet_gc_ct>& candidates) {
    if (candidates.empty()) return 0u;
    return run_collector(collector_input(CNET_GC_CT, candidates), candidates.size());
}

Result<unsigned> DataPath::collect(const std::vector<cnet_gc_fdb>& candidates) {
    if (candidates.empty()) return 0u;
    return run_collector(collector_input(CNET_GC_FDB, candidates), candidates.size());
}

Result<unsigned> DataPath::collect(const std::vector<cnet_gc_quota>& counted) {
    if (counted.empty()) return 0u;
    return run_collector(collector_input(CNET_GC_QUOTA, counted), counted.size());
}

Result<unsigned> DataPath::run_collector(const std::vector<uint8_t>& input, size_t candidates) {
    if (candidates > CNET_GC_BATCH_MAX) {
        return Error(ErrorKind::kInvalid, std::to_string(candidates) +
                                              " candidates, the collector takes " +
                                              std::to_string(CNET_GC_BATCH_MAX));
    }
    auto fd = program(kCollector);
    if (!fd) return fd.error();
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = input.data();
    options.data_size_in = static_cast<uint32_t>(input.size());
    options.repeat = 1;
    if (int error = bpf_prog_test_run_opts(*fd, &options); error != 0) {
        return Error::system("run the collector", -error);
    }
    if (options.retval > candidates) {
        return Error(ErrorKind::kSystem, "the collector refused its input (result " +
                                             std::to_string(options.retval) + ")");
    }
    return options.retval;
}

int DataPath::loaded_program(std::string_view name) const {
    for (const Object& object : parts_.objects) {
        if (int fd = object.program_fd(name); fd >= 0) return fd;
    }
    return -1;
}

Result<int> DataPath::program(std::string_view name) {
    if (int fd = loaded_program(name); fd >= 0) return fd;
    auto image =
        std::find_if(parts_.on_demand.begin(), parts_.on_demand.end(), [&](const ObjectImage& one) {
            return std::find(one.programs.begin(), one.programs.end(), name) != one.programs.end();
        });
    if (image == parts_.on_demand.end())
        return Error(ErrorKind::kNotFound, "there is no program " + std::string(name));
    // A pin that somebody took away would be made anew, and another map be behind it.
    if (auto status = restore_pins(); !status) return status.error();
    OtherSizes known; // told of when the others were loaded
    auto object = Object::load(*image, parts_.object_settings, known);
    if (!object) return object.error();
    if (!parts_.dry_run) {
        if (auto status = object->pin_programs(parts_.paths.pins); !status) return status.error();
    }
    parts_.on_demand.erase(image);
    parts_.objects.push_back(std::move(*object));
    return loaded_program(name);
}

Status DataPath::release() {
    if (parts_.dry_run) return {};
    if (auto status = check_namespace(); !status) return status.error();
    return loader::release(parts_.paths);
}

} // namespace cnet::loader
