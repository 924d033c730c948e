#include "tests/faults/step.h"

#include <array>
#include <cstdint>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <map>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace cnet::faults {

namespace {

// Of any file or mount, whatever the arguments are.
const std::map<uint64_t, const char*> kAlways = {
    {SYS_fsync, "fsync"},       {SYS_fdatasync, "fdatasync"}, {SYS_ftruncate, "ftruncate"},
    {SYS_renameat, "rename"},   {SYS_renameat2, "rename"},    {SYS_unlinkat, "unlink"},
    {SYS_mkdirat, "mkdir"},     {SYS_mount, "mount"},         {SYS_umount2, "umount"},
    {SYS_symlinkat, "symlink"}, {SYS_fchmod, "chmod"},        {SYS_fallocate, "fallocate"},
    {SYS_unshare, "unshare"},
#ifdef SYS_unlink
    {SYS_rename, "rename"},     {SYS_unlink, "unlink"},       {SYS_mkdir, "mkdir"},
    {SYS_rmdir, "rmdir"},
#endif
};

const std::map<uint64_t, const char*> kBpf = {
    {BPF_MAP_UPDATE_ELEM, "update"},
    {BPF_MAP_DELETE_ELEM, "delete"},
    {BPF_OBJ_PIN, "pin"},
    {BPF_PROG_ATTACH, "attach"},
    {BPF_PROG_DETACH, "detach"},
    {BPF_PROG_TEST_RUN, "run"},
    {BPF_MAP_UPDATE_BATCH, "update_batch"},
    {BPF_MAP_DELETE_BATCH, "delete_batch"},
    {BPF_LINK_CREATE, "link_create"},
    {BPF_LINK_UPDATE, "link_update"},
    {BPF_LINK_DETACH, "link_detach"},
};

std::string named(const std::map<uint64_t, const char*>& names, uint64_t which) {
    auto found = names.find(which);
    return found == names.end() ? "" : found->second;
}

template <typename T> bool read_from(pid_t pid, uint64_t address, T& value) {
    const iovec here{&value, sizeof(value)};
    const iovec there{reinterpret_cast<void*>(address), sizeof(value)};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == static_cast<ssize_t>(sizeof(value));
}

std::string path_of(pid_t pid, uint64_t fd) {
    std::array<char, 4096> path{};
    const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
    const ssize_t length = readlink(link.c_str(), path.data(), path.size());
    return length > 0 ? std::string(path.data(), static_cast<size_t>(length)) : "";
}

int family_of(pid_t pid, uint64_t fd) {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (process < 0) return -1;
    const int copy = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
    close(process);
    if (copy < 0) return -1;
    int family = -1;
    socklen_t size = sizeof(family);
    getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &family, &size);
    close(copy);
    return family;
}

// rtnetlink's types come in fours, NEW, DEL, GET and SET; below are the protocol's own.
bool only_asks(uint16_t type) {
    return type < NLMSG_MIN_TYPE || (type & 3) == 2;
}

// What goes by a socket that has no structure to look into.
std::string by_socket(int family) {
    if (family == AF_UNIX) return "answer";
    return family == AF_INET || family == AF_INET6 ? "message" : "";
}

std::string sent(pid_t pid, uint64_t fd, uint64_t data) {
    const int family = family_of(pid, fd);
    if (family != AF_NETLINK) return by_socket(family);
    nlmsghdr header{};
    if (!read_from(pid, data, header) || only_asks(header.nlmsg_type)) return "";
    return "netlink " + std::to_string(header.nlmsg_type);
}

std::string sent_message(pid_t pid, uint64_t fd, uint64_t message) {
    msghdr header{};
    iovec first{};
    if (!read_from(pid, message, header) ||
        !read_from(pid, reinterpret_cast<uint64_t>(header.msg_iov), first))
        return "";
    return sent(pid, fd, reinterpret_cast<uint64_t>(first.iov_base));
}

std::string written(pid_t pid, uint64_t fd) {
    const std::string path = path_of(pid, fd);
    if (path.starts_with("socket:")) return by_socket(family_of(pid, fd));
    const bool to_log = fd == STDOUT_FILENO || fd == STDERR_FILENO;
    return path.starts_with("/") && !to_log ? "write " + path : "";
}

} // namespace

std::string step_of(pid_t pid, const __ptrace_syscall_info& info) {
    const auto& args = info.entry.args;
    switch (info.entry.nr) {
    case SYS_bpf: {
        const std::string command = named(kBpf, args[0]);
        return command.empty() ? "" : "bpf " + command;
    }
    case SYS_sendto:
        return sent(pid, args[0], args[1]);
    case SYS_sendmsg:
        return sent_message(pid, args[0], args[1]);
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
        return written(pid, args[0]);
    case SYS_openat:
        return args[2] & O_CREAT ? "create" : "";
    default:
        return named(kAlways, info.entry.nr);
    }
}

} // namespace cnet::faults
