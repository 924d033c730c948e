#include "loader/clsact.h"

#include <array>
#include <bpf/libbpf.h>
#include <cerrno>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <utility>

#include "loader/libbpf_log.h"
#include "loader/link.h"

namespace cnet::loader {

namespace {

bpf_tc_hook make_hook(uint32_t ifindex, bpf_tc_attach_point point) {
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = static_cast<int>(ifindex);
    hook.attach_point = point;
    return hook;
}

bpf_tc_hook side_hook(uint32_t ifindex, TcxSide side) {
    return make_hook(ifindex, side == TcxSide::kIngress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
}

bpf_tc_hook whole_hook(uint32_t ifindex) {
    return make_hook(ifindex, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
}

bpf_tc_opts our_filter() {
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.handle = kClsactHandle;
    options.priority = kClsactPriority;
    return options;
}

// No filter, no qdisc and no device are all told apart by nobody: nothing of ours is there.
bool is_absent(int errno_value) {
    return errno_value == ENOENT || errno_value == EINVAL || errno_value == ENODEV;
}

Error device_error(const std::string& attempted, uint32_t ifindex, int errno_value) {
    std::string device = "device with index " + std::to_string(ifindex);
    if (errno_value == ENODEV) {
        return {ErrorKind::kNotFound, attempted + ": no " + device, ENODEV};
    }
    return Error::system(attempted + " on the " + device, errno_value);
}

enum class Whose { kAnybodys, kForeign };

// What heads the list of a priority's filters has no handle.
bool is_ours(const tcmsg& filter) {
    return TC_H_MAJ(filter.tcm_info) >> 16 == kClsactPriority &&
           (filter.tcm_handle == 0 || filter.tcm_handle == kClsactHandle);
}

// Asks the kernel for the filters below `parent` and says whether there is any.
Result<bool> has_filters(int socket, uint32_t ifindex, uint32_t parent, Whose whose) {
    struct {
        nlmsghdr header;
        tcmsg filter;
    } request{};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = RTM_GETTFILTER;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.filter.tcm_family = AF_UNSPEC;
    request.filter.tcm_ifindex = static_cast<int>(ifindex);
    request.filter.tcm_parent = parent;
    if (::send(socket, &request, sizeof(request), 0) < 0) return Error::system("ask for filters");
    bool found = false;
    for (;;) {
        alignas(nlmsghdr) std::array<char, 32768> buffer;
        ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error::system("read the list of filters");
        auto left = static_cast<uint32_t>(got);
        for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
             message = NLMSG_NEXT(message, left)) {
            if (message->nlmsg_type == NLMSG_DONE) return found;
            if (message->nlmsg_type == NLMSG_ERROR) {
                int error = -static_cast<nlmsgerr*>(NLMSG_DATA(message))->error;
                if (is_absent(error)) return false;
                return Error::system("list filters", error);
            }
            if (message->nlmsg_type != RTM_NEWTFILTER) continue;
            auto* filter = static_cast<const tcmsg*>(NLMSG_DATA(message));
            found = found || whose == Whose::kAnybodys || !is_ours(*filter);
        }
    }
}

} // namespace

Result<bool> clsact_create(uint32_t ifindex) {
    LibbpfLog log;
    bpf_tc_hook hook = whole_hook(ifindex);
    int error = -bpf_tc_hook_create(&hook);
    if (error == 0) return true;
    if (error == EEXIST) return false;
    return device_error("create a clsact qdisc", ifindex, error);
}

Result<bool> clsact_destroy_if_empty(uint32_t ifindex) {
    UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket) return Error::system("open a netlink socket");
    for (uint32_t minor : {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS}) {
        auto found =
            has_filters(socket.get(), ifindex, TC_H_MAKE(TC_H_CLSACT, minor), Whose::kAnybodys);
        if (!found) return found.error();
        if (*found) return false;
    }
    LibbpfLog log;
    bpf_tc_hook hook = whole_hook(ifindex);
    int error = -bpf_tc_hook_destroy(&hook);
    if (error == 0 || is_absent(error)) return true;
    return device_error("remove the clsact qdisc", ifindex, error);
}

Status clsact_attach(uint32_t ifindex, TcxSide side, int prog_fd) {
    LibbpfLog log;
    bpf_tc_hook hook = side_hook(ifindex, side);
    bpf_tc_opts options = our_filter();
    options.prog_fd = prog_fd;
    options.flags = BPF_TC_F_REPLACE;
    int error = -bpf_tc_attach(&hook, &options);
    if (error == 0) return {};
    return device_error("attach a filter", ifindex, error);
}

Result<std::optional<uint32_t>> clsact_query(uint32_t ifindex, TcxSide side) {
    LibbpfLog log;
    bpf_tc_hook hook = side_hook(ifindex, side);
    bpf_tc_opts options = our_filter();
    int error = -bpf_tc_query(&hook, &options);
    if (error == 0) return std::optional<uint32_t>(options.prog_id);
    if (is_absent(error)) return std::optional<uint32_t>();
    return device_error("look for a filter", ifindex, error);
}

Result<bool> clsact_has_foreign(uint32_t ifindex, TcxSide side) {
    UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket) return Error::system("open a netlink socket");
    const uint32_t minor = side == TcxSide::kIngress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS;
    return has_filters(socket.get(), ifindex, TC_H_MAKE(TC_H_CLSACT, minor), Whose::kForeign);
}

Status clsact_detach(uint32_t ifindex, TcxSide side) {
    LibbpfLog log;
    bpf_tc_hook hook = side_hook(ifindex, side);
    bpf_tc_opts options = our_filter();
    int error = -bpf_tc_detach(&hook, &options);
    if (error == 0 || is_absent(error)) return {};
    return device_error("detach a filter", ifindex, error);
}

} // namespace cnet::loader
