#include "loader/pin.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <system_error>
#include <unistd.h>

#include "maps/pin_path.h"
#include "maps/typed_map.h"
#include "userspace/base/netns.h"

namespace cnet::loader {

namespace {

namespace fs = std::filesystem;

constexpr long kBpffsMagic = 0xcafe4a11;

Result<bool> is_bpffs(const fs::path& path) {
    struct statfs info {};
    if (::statfs(path.c_str(), &info) == 0) {
        return static_cast<unsigned long>(info.f_type) == static_cast<unsigned long>(kBpffsMagic);
    }
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return Error::system("statfs " + path.string());
}

Status make_directory(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) return Error::system("create " + path.string(), error.value());
    return {};
}

Status mount_bpffs(const fs::path& where) {
    if (auto status = make_directory(where); !status) return status.error();
    if (::mount("bpf", where.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
        return Error::system("mount a bpffs on " + where.string());
    }
    return {};
}

// Whether PID 1 has the file system of `path` mounted too, so that it outlives this process and its
// namespaces. By device number, which every bpffs has of its own: what a path leads to in another
// mount namespace may not be asked even by root, when PID 1 has more capabilities.
Result<bool> mounted_for_init(const fs::path& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return Error::system("stat " + path.string());
    const std::string device =
        std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev));
    std::ifstream mounts("/proc/1/mountinfo");
    if (!mounts) return Error::system("open /proc/1/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        // "36 35 98:0 /root /mount/point ..."
        std::istringstream fields(line);
        std::string id, parent, number;
        if (fields >> id >> parent >> number && number == device) return true;
    }
    return false;
}

Status remove_tree(const fs::path& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return Error::system("remove " + path.string(), error.value());
    return {};
}

Status remove_mount(const fs::path& pins) {
    if (::umount2(pins.c_str(), UMOUNT_NOFOLLOW) != 0) {
        return Error::system("unmount " + pins.string());
    }
    if (::rmdir(pins.c_str()) != 0 && errno != ENOENT) {
        return Error::system("remove " + pins.string());
    }
    return {};
}

} // namespace

Status prepare_pins(const Paths& paths, std::vector<std::string>& warnings) {
    const fs::path mount_point = paths.own_bpffs ? paths.pins : paths.pins.parent_path();
    auto mounted = is_bpffs(mount_point);
    if (!mounted) return mounted.error();
    if (!*mounted) {
        if (auto status = mount_bpffs(mount_point); !status) return status.error();
    }
    if (auto status = make_pin_directories(paths.pins); !status) return status.error();
    auto lasting = mounted_for_init(paths.pins);
    if (!lasting) {
        warnings.push_back("cannot tell whether " + paths.pins.string() +
                           " outlives this process: " + lasting.error().message());
    } else if (!*lasting) {
        warnings.push_back(
            "PID 1 does not see " + paths.pins.string() +
            ": this process runs in a mount namespace of its own, and when that ends, every "
            "program and map goes with it and all traffic stops. Start cnetd outside of `ip netns "
            "exec` (use `nsenter --net=`) and of a unit with a private mount namespace");
    }
    return {};
}

Status make_pin_directories(const fs::path& pins) {
    for (const fs::path& dir : {maps::map_dir(pins), maps::prog_dir(pins), maps::link_dir(pins),
                                maps::filter_dir(pins)}) {
        if (auto status = make_directory(dir); !status) return status.error();
    }
    return {};
}

Status remove_maps(const fs::path& pins) {
    if (auto status = remove_tree(maps::map_pin(pins, "cnet_meta")); !status) return status.error();
    return remove_tree(maps::map_dir(pins));
}

Status remove_maps_aside(const fs::path& pins) {
    return remove_tree(maps::maps_aside_dir(pins));
}

Status remove_all_pins(const fs::path& pins) {
    // Nothing but a bpffs is ever removed recursively. Links go before the maps that their programs
    // use, and cnet_meta before the other maps: maps without it are known to be half of a set.
    auto on_bpffs = is_bpffs(pins);
    if (!on_bpffs) return on_bpffs.error();
    if (!*on_bpffs) return {};
    for (const fs::path& path :
         {maps::link_dir(pins), maps::filter_dir(pins), maps::prog_dir(pins)}) {
        if (auto status = remove_tree(path); !status) return status.error();
    }
    if (auto status = remove_maps(pins); !status) return status.error();
    return remove_maps_aside(pins);
}

Status remove_pins(const Paths& paths) {
    auto on_bpffs = is_bpffs(paths.pins);
    if (!on_bpffs) return on_bpffs.error();
    if (!*on_bpffs) return {};
    if (auto status = remove_all_pins(paths.pins); !status) return status.error();
    return paths.own_bpffs ? remove_mount(paths.pins) : remove_tree(paths.pins);
}

Status remove_pin(const fs::path& path) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return Error::system("remove " + path.string());
}

Status replace_pin(int fd, const fs::path& path) {
    const fs::path fresh = path.parent_path() / "new";
    if (auto status = remove_pin(fresh); !status) return status.error();
    if (bpf_obj_pin(fd, fresh.c_str()) != 0) return Error::system("pin " + path.string());
    if (::rename(fresh.c_str(), path.c_str()) != 0) {
        return Error::system("rename a pin to " + path.string());
    }
    return {};
}

Result<UniqueFd> open_pinned(const fs::path& path) {
    int fd = bpf_obj_get(path.c_str());
    if (fd >= 0) return UniqueFd(fd);
    if (errno == ENOENT) return UniqueFd();
    return Error::system("open " + path.string());
}

Status drop_pinned_link(const fs::path& pin) {
    auto link = open_pinned(pin);
    if (!link) return link.error();
    // Not a link at all, or not one that can be detached, is not worth more than its removal.
    if (*link && bpf_link_detach(link->get()) != 0 && errno != EINVAL && errno != EOPNOTSUPP) {
        return Error::system("detach what is pinned at " + pin.string());
    }
    return remove_pin(pin);
}

Result<bool> is_of_another_namespace(const fs::path& pins) {
    using Meta = maps::TypedMapRo<uint32_t, cnet_meta>;
    auto meta = Meta::open(maps::map_pin(pins, "cnet_meta"));
    if (!meta) return false;
    auto value = meta->lookup(0);
    auto cookie = netns_cookie();
    if (!cookie) return cookie.error();
    return value && *value && (*value)->netns_cookie != *cookie && (*value)->netns_cookie != 0;
}

Result<std::vector<std::string>> list_pins(const fs::path& dir) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(dir, error), end; !error && entry != end;
         entry.increment(error)) {
        names.push_back(entry->path().filename());
    }
    if (error && error.value() != ENOENT) {
        return Error::system("list " + dir.string(), error.value());
    }
    std::sort(names.begin(), names.end());
    return names;
}

} // namespace cnet::loader
