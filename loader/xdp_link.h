// One XDP program on a device, by a pinned link (links/uplink_xdp-5): native, before the driver has
// made an skb of a packet, or not at all. It outlives the process. A program that somebody else has
// put there is left alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "userspace/base/result.h"

namespace cnet::loader {

// A link that is on this device is updated, so that no packet falls between two programs. kInvalid
// when the device's driver cannot run the program natively, kConflict when somebody else's is on
// it, kNotFound when the device is gone.
Status xdp_attach(const std::filesystem::path& pin, uint32_t ifindex, int prog_fd);

// The program of a link on this device, of whichever namespace the device is; nothing when it is
// not attached any more.
Result<std::optional<uint32_t>> xdp_linked(int link_fd, uint32_t ifindex);

// The program that this namespace's device runs by this pin; nothing when that is another one.
Result<std::optional<uint32_t>> xdp_attached(const std::filesystem::path& pin, uint32_t ifindex);

} // namespace cnet::loader
