#include "loader/sock_link.h"

#include <bpf/bpf.h>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <utility>

#include "loader/cgroup.h"
#include "loader/pin.h"
#include "maps/pin_path.h"
#include "userspace/base/unique_fd.h"

namespace cnet::loader {

namespace {

namespace fs = std::filesystem;

struct SockHook {
    std::string_view program;
    std::string_view pin;
    bpf_attach_type type;
};

// What shows comes before what changes: nobody is connected to an address that is not yet shown as
// the one dialled.
constexpr SockHook kHooks[] = {
    {"cnet_recvmsg4", "sock-recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
    {"cnet_recvmsg6", "sock-recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
    {"cnet_getpeer4", "sock-getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
    {"cnet_getpeer6", "sock-getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
    {"cnet_connect4", "sock-connect4", BPF_CGROUP_INET4_CONNECT},
    {"cnet_connect6", "sock-connect6", BPF_CGROUP_INET6_CONNECT},
    {"cnet_sendmsg4", "sock-sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
    {"cnet_sendmsg6", "sock-sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
};

fs::path pin_of(const fs::path& pins, const SockHook& hook) {
    return maps::link_dir(pins) / hook.pin;
}

struct OpenLink {
    UniqueFd fd;
    SockAttached attached; // cgroup_id 0: its cgroup is gone
};

// Nothing when there is no such pin, or what is pinned there is no such link.
Result<std::optional<OpenLink>> open_link(const fs::path& pin, const SockHook& hook) {
    UniqueFd fd(bpf_obj_get(pin.c_str()));
    if (!fd) {
        if (errno == ENOENT) return std::optional<OpenLink>();
        return Error::system("open " + pin.string());
    }
    bpf_link_info info{};
    uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
        return Error::system("read the link at " + pin.string());
    }
    if (info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.attach_type != hook.type) {
        return std::optional<OpenLink>();
    }
    return std::optional<OpenLink>(OpenLink{std::move(fd), {info.cgroup.cgroup_id, info.prog_id}});
}

Status drop_link(const fs::path& pin, const std::optional<OpenLink>& link) {
    if (link && link->attached.cgroup_id != 0 && bpf_link_detach(link->fd.get()) != 0) {
        return Error::system("detach what is pinned at " + pin.string());
    }
    return remove_pin(pin);
}

// True when a link was made, false when the one that was there was updated.
Result<bool> attach_one(const fs::path& pin, const SockHook& hook, int cgroup, uint64_t cgroup_id,
                        int program) {
    auto link = open_link(pin, hook);
    if (!link) return link.error();
    if (*link && (*link)->attached.cgroup_id == cgroup_id) {
        if (bpf_link_update((*link)->fd.get(), program, nullptr) == 0) return false;
        // The cgroup went in this very moment, and another has its name.
        if (errno != ENOLINK) return Error::system("update " + pin.string());
    }
    if (auto status = drop_link(pin, *link); !status) return status.error();
    UniqueFd fresh(bpf_link_create(program, cgroup, hook.type, nullptr));
    if (!fresh) return Error::system("attach " + std::string(hook.program) + " to the cgroup");
    // Killed here, the link goes with its last descriptor.
    if (bpf_obj_pin(fresh.get(), pin.c_str()) != 0) return Error::system("pin " + pin.string());
    return true;
}

} // namespace

Result<unsigned> SockLinks::attach(const fs::path& cgroup, const Program& program) {
    auto id = cgroup_id(cgroup);
    if (!id) return id.error();
    UniqueFd directory(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return Error::system("open the cgroup " + cgroup.string());
    unsigned made = 0;
    for (const SockHook& hook : kHooks) {
        auto fd = program(hook.program);
        if (!fd) return fd.error();
        auto fresh = attach_one(pin_of(pins_, hook), hook, directory.get(), *id, *fd);
        if (!fresh) return fresh.error().because("use the cgroup " + cgroup.string());
        made += *fresh ? 1 : 0;
    }
    return made;
}

Status SockLinks::detach() {
    // The reverse of attaching: first nobody is redirected any more.
    for (size_t i = std::size(kHooks); i-- > 0;) {
        const fs::path pin = pin_of(pins_, kHooks[i]);
        auto link = open_link(pin, kHooks[i]);
        if (!link) return link.error();
        if (auto status = drop_link(pin, *link); !status) return status.error();
    }
    return {};
}

std::vector<std::string_view> sock_programs() {
    std::vector<std::string_view> names;
    for (const SockHook& hook : kHooks)
        names.push_back(hook.program);
    return names;
}

Result<std::vector<SockAttached>> sock_attached(const fs::path& pins) {
    std::vector<SockAttached> found;
    for (const SockHook& hook : kHooks) {
        auto link = open_link(pin_of(pins, hook), hook);
        if (!link) return link.error();
        if (*link && (*link)->attached.cgroup_id != 0) found.push_back((*link)->attached);
    }
    return found;
}

} // namespace cnet::loader
