// What the running kernel lets us do, found by asking it; by its version only where it cannot be
// asked.
#pragma once

#include <string>

#include "loader/link.h"
#include "userspace/base/result.h"

namespace cnet::loader {

struct Features {
    std::string kernel; // uname -r
    AttachKind attach_kind = AttachKind::kClsact;
    // bpf_skb_adjust_room takes the marks of a UDP tunnel off an aggregate whose headers it
    // removes.
    bool decap_gso = false;
    bool peer_scrubs = false; // see below
};

// An error is one sentence for the user: no BPF in this kernel (kSystem), or not for us (kDenied).
Result<Features> probe_kernel();

// Whether bpf_skb_adjust_room removes the outer headers of a UDP tunnel with these flags: it is run
// once, on a packet of its own. False where that cannot be found out.
bool removes_headers_with(uint64_t flags);

// Whether bpf_redirect_peer makes a packet the receiver's own, PACKET_HOST: c43272299488, of May
// 2025, and in the stable releases since. By `uname -r`, or by `uname -v` where that is Debian's
// and says which release the kernel was made from. False for a kernel that does not say so: a test
// run redirects nothing, so it cannot be asked.
bool scrubs_for_peer(const std::string& release, const std::string& version);

// Whether programs can be attached to cgroups: without CONFIG_CGROUP_BPF they do not even load.
bool has_cgroup_programs();

// RLIMIT_MEMLOCK to infinity. Kernels that account BPF memory to cgroups (5.11 on) do not need it,
// so a refusal is success.
Status raise_memlock();

} // namespace cnet::loader
