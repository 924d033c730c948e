// What the kernel says about tcx: the two calls and the link type that libbpf 1.1 and Linux 6.1's
// headers do not know. Layouts are the kernel's (6.6); devices are looked up in the calling
// thread's network namespace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::loader {

enum class TcxSide : uint32_t { kIngress = 46, kEgress = 47 }; // BPF_TCX_INGRESS, BPF_TCX_EGRESS

struct TcxEntry {
    uint32_t prog_id;
    uint32_t link_id; // 0: attached without a link
};

// In the order in which they run. errno ENODEV: no such device; EINVAL: this kernel has no tcx.
Result<std::vector<TcxEntry>> tcx_query(uint32_t ifindex, TcxSide side);

Result<UniqueFd> tcx_link_create(uint32_t ifindex, TcxSide side, int prog_fd);

struct TcxLinkInfo {
    uint32_t id;
    uint32_t prog_id;
    uint32_t ifindex; // 0: the device is gone
    TcxSide side;
};

// kInvalid when it is a link of another type.
Result<TcxLinkInfo> tcx_link_info(int link_fd);

// Takes one entry of tcx_query off the device, whoever holds it.
Status tcx_remove(uint32_t ifindex, TcxSide side, const TcxEntry& entry);

// The name of a loaded program; empty when it is gone by now.
Result<std::string> program_name(uint32_t prog_id);

} // namespace cnet::loader
