// The directory of pins: on a bpffs, with its subdirectories, and gone without a trace after
// remove_pins().
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/paths.h"
#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::loader {

// Makes Paths::pins and its subdirectories on a bpffs, mounting one where there is none: on `pins`
// itself with own_bpffs, else on its parent (/sys/fs/bpf). Adds a warning when that mount is
// invisible to PID 1, because then it and all pins die with this process' mount namespace.
Status prepare_pins(const Paths& paths, std::vector<std::string>& warnings);

// The subdirectories alone.
Status make_pin_directories(const std::filesystem::path& pins);

// Removes all pins (which detaches tcx programs), the directories and, with own_bpffs, the mount.
// Absent is success.
Status remove_pins(const Paths& paths);

// Every pin and the subdirectories, but neither `pins` itself nor a mount.
Status remove_all_pins(const std::filesystem::path& pins);

// The maps alone, cnet_meta first; those of another version alone.
Status remove_maps(const std::filesystem::path& pins);
Status remove_maps_aside(const std::filesystem::path& pins);

// One of them; absent is success.
Status remove_pin(const std::filesystem::path& path);

// Pins `fd`, atomically replacing what is pinned there.
Status replace_pin(int fd, const std::filesystem::path& path);

// A pinned object; no descriptor when there is no pin.
Result<UniqueFd> open_pinned(const std::filesystem::path& path);

// Removes a pin and takes what it holds off its device, which may be in another namespace by now.
// Removing the pin alone does that too, but only when the kernel gets to it.
Status drop_pinned_link(const std::filesystem::path& pin);

// Whether the pinned maps are about the devices of another network namespace than this one. What
// cannot be read is of none that could be missed.
Result<bool> is_of_another_namespace(const std::filesystem::path& pins);

// The names in a directory of pins, sorted; empty when there is no such directory.
Result<std::vector<std::string>> list_pins(const std::filesystem::path& dir);

} // namespace cnet::loader
