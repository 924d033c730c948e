// One clsact filter of ours on each side of a device, for kernels without tcx: fixed handle and
// priority, direct action, replaced in place. The filter belongs to the device, so it outlives this
// process.
#pragma once

#include <cstdint>
#include <optional>

#include "loader/tcx.h"
#include "userspace/base/result.h"

namespace cnet::loader {

// True when the device had no clsact qdisc and has one now. kNotFound when there is no such device.
Result<bool> clsact_create(uint32_t ifindex);
// Removes the qdisc unless somebody has a filter on it; whether it is gone (or was absent).
Result<bool> clsact_destroy_if_empty(uint32_t ifindex);

// Attaches, or replaces our filter without a gap.
Status clsact_attach(uint32_t ifindex, TcxSide side, int prog_fd);
// The program of the filter with our handle and priority; nothing when there is none, or no device.
Result<std::optional<uint32_t>> clsact_query(uint32_t ifindex, TcxSide side);
// Whether somebody else has a filter there; false when there is no such device.
Result<bool> clsact_has_foreign(uint32_t ifindex, TcxSide side);
// Absent is success.
Status clsact_detach(uint32_t ifindex, TcxSide side);

} // namespace cnet::loader
