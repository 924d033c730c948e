#include "loader/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "loader/tcx.h"
#include "userspace/base/unique_fd.h"

namespace cnet::loader {

namespace {

constexpr uint32_t kLoopback = 1; // the index of lo in every network namespace

Status probe_bpf() {
    UniqueFd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "cnet_probe", sizeof(uint32_t),
                                sizeof(uint32_t), 1, nullptr));
    if (map) return {};
    switch (errno) {
    case ENOSYS:
        return Error(ErrorKind::kSystem, "this kernel has no BPF (CONFIG_BPF_SYSCALL)", ENOSYS);
    case EPERM:
    case EACCES:
        return Error(ErrorKind::kDenied,
                     "not permitted to use BPF: this needs root with CAP_BPF and CAP_NET_ADMIN, "
                     "and a sandbox or container that allows the bpf system call",
                     errno);
    default:
        return Error::system("create a BPF map");
    }
}

} // namespace

Result<Features> probe_kernel() {
    Features features;
    utsname system{};
    if (::uname(&system) != 0) return Error::system("uname");
    features.kernel = system.release;
    if (auto status = probe_bpf(); !status) {
        return status.error().because("kernel " + features.kernel);
    }
    // A kernel without tcx does not know the attach type.
    auto on_loopback = tcx_query(kLoopback, TcxSide::kIngress);
    if (on_loopback) {
        features.attach_kind = AttachKind::kTcx;
    } else if (on_loopback.error().errno_value() == EPERM) {
        return Error(ErrorKind::kDenied,
                     "not permitted to attach BPF programs to devices: this needs CAP_NET_ADMIN",
                     EPERM);
    } else if (on_loopback.error().errno_value() != EINVAL) {
        return on_loopback.error().because("find out whether the kernel has tcx");
    }
    return features;
}

bool has_cgroup_programs() {
    return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, nullptr) == 1;
}

Status raise_memlock() {
    rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || errno == EPERM) return {};
    return Error::system("raise RLIMIT_MEMLOCK");
}

} // namespace cnet::loader
