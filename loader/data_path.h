// The data path as cnetd sees it: open() makes the kernel run this build's programs on maps that
// outlive every process, and every attachment of an earlier cnetd continues without a packet lost.
//
// Everything is pinned below Paths::pins. Destroying a DataPath changes nothing in the kernel;
// release() takes all of it back. open() after a kill -9 at any step converges: maps are pinned
// before programs run on them, cnet_meta is written before anything is attached, and a half-made
// set of maps is made again. All calls must come from the network namespace that open() was called
// in.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loader/link.h"
#include "loader/object.h"
#include "loader/sock_link.h"
#include "maps/abi_event.h"
#include "maps/maps.h"
#include "userspace/base/paths.h"
#include "userspace/base/result.h"

namespace cnet::loader {

struct DataPathSettings {
    // Map name ("cnet_ct") to max_entries, for those that differ from maps/defs.bpf.h. A map that
    // exists with another size is made anew with what it holds, or stays when that does not fit.
    std::map<std::string, uint32_t> max_entries;
    uint32_t fib_cache_ms = 250;
    uint16_t vxlan_port = 4789; // UDP
    // A second set of programs on the existing maps that changes nothing: never pinned, never
    // attached.
    bool dry_run = false;
    // Nothing: tcx where the kernel has it.
    std::optional<AttachKind> attach_kind;
};

class DataPath {
public:
    // kDenied or kSystem with a sentence for the user when the kernel has no BPF or refuses it;
    // kConflict when the pinned maps are of this version and yet of another layout. Maps of another
    // version are migrated (migrate.h); kExhausted, and all as it was, when they do not fit.
    static Result<std::unique_ptr<DataPath>> open(const Paths& paths,
                                                  const DataPathSettings& settings);
    // The same with other programs than the built-in ones. Those of `on_demand`, which name their
    // programs, are loaded once a hook or a caller needs one.
    static Result<std::unique_ptr<DataPath>> open(const Paths& paths,
                                                  const DataPathSettings& settings,
                                                  const std::vector<ObjectImage>& images,
                                                  std::vector<ObjectImage> on_demand = {});

    DataPath(const DataPath&) = delete;
    DataPath& operator=(const DataPath&) = delete;
    ~DataPath();

    // What the administrator should know, since the last call: maps made anew, or not, pins
    // that die with this mount namespace, maps rebuilt for another network namespace, stray
    // programs removed.
    std::vector<std::string> take_warnings();

    maps::DataPathMaps& maps() { return parts_.maps; }
    AttachKind attach_kind() const { return parts_.links.kind(); }

    // Attached and pinned, replacing what an earlier call or process left on this hook and device;
    // the same again is success. `ethernet` false: the device has no Ethernet header (uplinks
    // alone). kNotFound when the device is gone.
    Status attach(cnet_hook hook, uint32_t ifindex, bool ethernet);
    // Absent is success, a device that is gone too.
    Status detach(cnet_hook hook, uint32_t ifindex);
    // What is attached and alive now, by our pins. Pins of dead links are removed on the way.
    Result<std::vector<maps::HookDevice>> attachments();

    // Has the `sock` programs run for the sockets of processes below this cgroup, and below no
    // other any more; the same again is success, and how many were not attached before is returned.
    // kNotFound or kInvalid when it is no cgroup, kSystem when the kernel has no such programs.
    Result<unsigned> attach_sock(const std::filesystem::path& cgroup);
    // Absent is success.
    Status detach_sock();

    // Puts the bpffs, and the pins of maps and programs, back where somebody took them away, and
    // warns. What was attached by a pin is no more: attachments() does not have it.
    Status restore_pins();

    // Runs the collector on at most CNET_GC_BATCH_MAX candidates; how many it deleted.
    Result<unsigned> collect(const std::vector<cnet_gc_ct>& candidates);
    Result<unsigned> collect(const std::vector<cnet_gc_fdb>& candidates);
    // Has it store what was counted.
    Result<unsigned> collect(const std::vector<cnet_gc_quota>& counted);

    // The program of this name, loaded if need be. kNotFound when there is none.
    Result<int> program(std::string_view name);

    const std::filesystem::path& pins() const { return parts_.paths.pins; }
    // What programs of ours that run on the same maps are to be told.
    const cnet_config& config() const { return parts_.object_settings.config; }

    // Detaches everything and removes every pin, and the bpffs if open() mounted one below --root.
    // The maps live on until this object is destroyed; attach() and attachments() must not be
    // called any more.
    Status release();

private:
    struct Parts {
        Paths paths;
        bool dry_run;
        uint64_t netns_cookie;
        ObjectSettings object_settings;
        std::vector<Object> objects;
        std::vector<ObjectImage> on_demand; // not loaded yet
        maps::DataPathMaps maps;
        LinkTable links;
        SockLinks sock_links;
        std::vector<std::string> warnings;
    };

    explicit DataPath(Parts parts) : parts_(std::move(parts)) {}
    // An error in another namespace than open()'s: there every pinned link would look dead, and be
    // removed.
    Status check_namespace() const;
    Status pin_programs();
    int loaded_program(std::string_view name) const; // -1 when it is not
    Status update_attached();
    Result<unsigned> run_collector(const std::vector<uint8_t>& input, size_t candidates);

    Parts parts_;
};

} // namespace cnet::loader
