#include "loader/probe.h"

#include <array>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <netinet/in.h>
#include <string_view>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "loader/tcx.h"
#include "userspace/base/unique_fd.h"

namespace cnet::loader {

namespace {

// BPF_F_ADJ_ROOM_DECAP_L4_UDP, of August 2026.
constexpr uint64_t kDecapL4Udp = 1u << 10;
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

// Ethernet, IPv4, UDP, then an inner Ethernet header and an inner packet of zeroes.
constexpr size_t kOuter = 20 + 8 + 8 + 14;
constexpr size_t kInner = 40;

std::array<uint8_t, 14 + kOuter + kInner> tunnelled_packet() {
    std::array<uint8_t, 14 + kOuter + kInner> packet{};
    packet[12] = 0x08; // IPv4
    packet[14] = 0x45;
    packet[17] = kOuter + kInner;
    packet[22] = 64;
    packet[23] = IPPROTO_UDP;
    return packet;
}

struct Release {
    unsigned major = 0, minor = 0, patch = 0;
};

// The first of each line that has c43272299488, "bpf: Scrub packet on bpf_redirect_peer". The
// 0 of 6.15 may be one of its candidates, which are called so too.
constexpr Release kScrubbing[] = {{6, 1, 139}, {6, 6, 91}, {6, 12, 29}, {6, 14, 7}, {6, 15, 1}};

bool scrubs_since(const char* text) {
    Release own;
    if (std::sscanf(text, "%u.%u.%u", &own.major, &own.minor, &own.patch) < 2) return false;
    for (const Release& fixed : kScrubbing)
        if (own.major == fixed.major && own.minor == fixed.minor) return own.patch >= fixed.patch;
    const Release& last = *std::rbegin(kScrubbing);
    return own.major > last.major || (own.major == last.major && own.minor > last.minor);
}

} // namespace

bool scrubs_for_peer(const std::string& release, const std::string& version) {
    constexpr std::string_view kDebian = " Debian ";
    const size_t debian = version.find(kDebian);
    return scrubs_since(release.c_str()) ||
           (debian != std::string::npos && scrubs_since(&version[debian + kDebian.size()]));
}

bool removes_headers_with(uint64_t flags) {
    // return bpf_skb_adjust_room(skb, -kOuter, BPF_ADJ_ROOM_MAC, flags)
    const auto low = static_cast<int32_t>(flags), high = static_cast<int32_t>(flags >> 32);
    const bpf_insn program[] = {
        {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, -static_cast<int32_t>(kOuter)},
        {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, BPF_ADJ_ROOM_MAC},
        {BPF_LD | BPF_DW | BPF_IMM, BPF_REG_4, 0, 0, low},
        {0, 0, 0, 0, high},
        {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_adjust_room},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    const UniqueFd loaded(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "cnet_probe", "GPL", program,
                                        std::size(program), nullptr));
    if (!loaded) return false;
    auto packet = tunnelled_packet();
    bpf_test_run_opts run{};
    run.sz = sizeof(run);
    run.data_in = packet.data();
    run.data_size_in = packet.size();
    return bpf_prog_test_run_opts(loaded.get(), &run) == 0 && run.retval == 0;
}

Result<Features> probe_kernel() {
    Features features;
    utsname system{};
    if (::uname(&system) != 0) return Error::system("uname");
    features.kernel = system.release;
    if (auto status = probe_bpf(); !status) {
        return status.error().because("kernel " + features.kernel);
    }
    features.peer_scrubs = scrubs_for_peer(system.release, system.version);
    features.decap_gso =
        removes_headers_with(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | kDecapL4Udp);
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
