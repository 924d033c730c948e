#include "loader/tcx.h"

#include <algorithm>
#include <array>
#include <bpf/bpf.h>
#include <cerrno>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cnet::loader {

namespace {

constexpr uint32_t kMaxPrograms = 64; // BPF_MPROG_MAX: a device has no more on one side
constexpr uint32_t kLinkTypeTcx = 11; // BPF_LINK_TYPE_TCX

// The part of union bpf_attr that BPF_PROG_QUERY has since 6.6.
struct ProgQuery {
    uint32_t target_ifindex;
    uint32_t attach_type;
    uint32_t query_flags;
    uint32_t attach_flags;
    uint64_t prog_ids;
    uint32_t count;
    uint32_t pad;
    uint64_t prog_attach_flags;
    uint64_t link_ids;
    uint64_t link_attach_flags;
    uint64_t revision;
};
static_assert(sizeof(ProgQuery) == 5 * 4 + 4 + 5 * 8);

// The beginning of struct bpf_link_info as it is for tcx links since 6.6.
struct LinkInfo {
    uint32_t type;
    uint32_t id;
    uint32_t prog_id;
    uint32_t pad;
    uint32_t ifindex;
    uint32_t attach_type;
    // Newer kernels know more; the room keeps what they write apart from the rest of the stack.
    std::array<uint8_t, 104> rest;
};
static_assert(sizeof(LinkInfo) == 6 * 4 + 104);

uint64_t address_of(const void* pointer) {
    return reinterpret_cast<uintptr_t>(pointer);
}

std::string device(uint32_t ifindex) {
    return "device with index " + std::to_string(ifindex);
}

const char* name_of(TcxSide side) {
    return side == TcxSide::kIngress ? "ingress" : "egress";
}

Error device_error(const std::string& attempted, uint32_t ifindex, int errno_value) {
    if (errno_value == ENODEV) {
        return {ErrorKind::kNotFound, attempted + ": no " + device(ifindex), ENODEV};
    }
    return Error::system(attempted + " on the " + device(ifindex), errno_value);
}

} // namespace

Result<std::vector<TcxEntry>> tcx_query(uint32_t ifindex, TcxSide side) {
    std::array<uint32_t, kMaxPrograms> programs{};
    std::array<uint32_t, kMaxPrograms> links{};
    ProgQuery query{};
    query.target_ifindex = ifindex;
    query.attach_type = static_cast<uint32_t>(side);
    query.prog_ids = address_of(programs.data());
    query.link_ids = address_of(links.data());
    query.count = kMaxPrograms;
    if (::syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof(query)) != 0) {
        return device_error("list the programs", ifindex, errno);
    }
    std::vector<TcxEntry> entries;
    for (size_t i = 0; i < std::min(query.count, kMaxPrograms); i++) {
        entries.push_back({programs[i], links[i]});
    }
    return entries;
}

Result<UniqueFd> tcx_link_create(uint32_t ifindex, TcxSide side, int prog_fd) {
    int fd = bpf_link_create(prog_fd, static_cast<int>(ifindex),
                             static_cast<enum bpf_attach_type>(side), nullptr);
    if (fd < 0) {
        return device_error(std::string("attach a program to ") + name_of(side), ifindex, errno);
    }
    return UniqueFd(fd);
}

Result<TcxLinkInfo> tcx_link_info(int link_fd) {
    LinkInfo info{};
    uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(link_fd, &info, &size) != 0) return Error::system("read a link");
    if (info.type != kLinkTypeTcx) {
        return Error(ErrorKind::kInvalid, "link " + std::to_string(info.id) + " is of type " +
                                              std::to_string(info.type) + ", not tcx");
    }
    return TcxLinkInfo{info.id, info.prog_id, info.ifindex, static_cast<TcxSide>(info.attach_type)};
}

Status tcx_remove(uint32_t ifindex, TcxSide side, const TcxEntry& entry) {
    if (entry.link_id != 0) {
        UniqueFd link(bpf_link_get_fd_by_id(entry.link_id));
        if (!link && errno == ENOENT) return {};
        if (!link || bpf_link_detach(link.get()) != 0) {
            return device_error("detach link " + std::to_string(entry.link_id), ifindex, errno);
        }
        return {};
    }
    UniqueFd program(bpf_prog_get_fd_by_id(entry.prog_id));
    if (!program && errno == ENOENT) return {};
    if (!program || bpf_prog_detach2(program.get(), static_cast<int>(ifindex),
                                     static_cast<enum bpf_attach_type>(side)) != 0) {
        if (errno == ENOENT) return {};
        return device_error("detach program " + std::to_string(entry.prog_id), ifindex, errno);
    }
    return {};
}

Result<std::string> program_name(uint32_t prog_id) {
    UniqueFd program(bpf_prog_get_fd_by_id(prog_id));
    if (!program) {
        if (errno == ENOENT) return std::string();
        return Error::system("open program " + std::to_string(prog_id));
    }
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) {
        return Error::system("read program " + std::to_string(prog_id));
    }
    return std::string(info.name);
}

} // namespace cnet::loader
