// Where each pinned object lies below Paths::pins, and the names of the hooks that some of these
// paths hold:
//
//   maps/<map>                   progs/<program>
//   maps_aside/<map>             of another version, while it is being replaced
//   links/<hook>-<ifindex>       a tcx or XDP link; removing the file detaches the program
//   filters/<hook>-<ifindex>     clsact: the program last attached there; the file only remembers
//   the attachment
//
// bpffs refuses names with a dot.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "maps/abi.h"

namespace cnet::maps {

struct HookDevice {
    cnet_hook hook;
    uint32_t ifindex;

    auto operator<=>(const HookDevice&) const = default;
};

std::filesystem::path map_dir(const std::filesystem::path& pins);
std::filesystem::path maps_aside_dir(const std::filesystem::path& pins);
std::filesystem::path prog_dir(const std::filesystem::path& pins);
std::filesystem::path link_dir(const std::filesystem::path& pins);
std::filesystem::path filter_dir(const std::filesystem::path& pins);

std::filesystem::path map_pin(const std::filesystem::path& pins, std::string_view map);
std::filesystem::path prog_pin(const std::filesystem::path& pins, std::string_view program);
std::filesystem::path link_pin(const std::filesystem::path& pins, HookDevice where);
std::filesystem::path filter_pin(const std::filesystem::path& pins, HookDevice where);

// "uplink_egress-12", the last part of a link's or filter's path; nothing when it is not one.
std::string hook_device_name(HookDevice where);
std::optional<HookDevice> parse_hook_device(std::string_view name);

} // namespace cnet::maps
