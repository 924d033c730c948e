// The kernel's own connection tracking (nf_conntrack), as far as it translates what runs already.
#pragma once

#include <cstdint>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/result.h"

namespace cnet::netlink {

// As one of its sides sends it.
struct KernelFlow {
    uint8_t l4_proto = 0;
    IpAddress src;
    IpAddress dst;
    uint16_t src_port = 0; // host byte order; of an echo, its identifier
    uint16_t dst_port = 0;

    bool operator==(const KernelFlow&) const = default;
};

// What addresses of these prefixes send and the kernel translates: the flows that they began, and
// their answers on ports that lead to them. None where it tracks nothing: then asking would make it
// begin. In the namespace that the calling thread is in.
Result<std::vector<KernelFlow>> read_translated(const std::vector<IpPrefix>& sources);

} // namespace cnet::netlink
