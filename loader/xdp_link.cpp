#include "loader/xdp_link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <linux/if_link.h>
#include <net/if.h>
#include <string>

#include "loader/pin.h"
#include "loader/tcx.h"
#include "userspace/base/unique_fd.h"

namespace cnet::loader {

namespace {

namespace fs = std::filesystem;

// The program that packets of the device meet, 0 for none. What cannot be asked is taken for none.
uint32_t program_on(uint32_t ifindex) {
    bpf_xdp_query_opts query{};
    query.sz = sizeof(query);
    if (bpf_xdp_query(static_cast<int>(ifindex), 0, &query) != 0) return 0;
    return query.prog_id;
}

Error taken(uint32_t ifindex, int errno_value) {
    const uint32_t id = program_on(ifindex);
    auto name = program_name(id);
    const std::string which =
        name && !name->empty() ? " (" + *name + ", id " + std::to_string(id) + ")" : "";
    return {ErrorKind::kConflict,
            "the device has an XDP program that is not this data path's" + which +
                ": take that off first, it is left alone",
            errno_value};
}

// What the drivers mean by it; the kernel's own words cannot be had for a link.
Error refusal(uint32_t ifindex, int errno_value) {
    char name[IF_NAMESIZE];
    // The kernel has EINVAL for that.
    if (::if_indextoname(ifindex, name) == nullptr) errno_value = ENODEV;
    switch (errno_value) {
    case EBUSY:
    case EEXIST:
        return taken(ifindex, errno_value);
    case ENODEV:
        return {ErrorKind::kNotFound, "no device with index " + std::to_string(ifindex), ENODEV};
    case EOPNOTSUPP:
        return {ErrorKind::kInvalid,
                "the device's driver runs no XDP programs natively, or not with the features that "
                "are on (LRO, hardware GRO: `ethtool -k`)",
                errno_value};
    case EINVAL:
    case ERANGE:
        return {ErrorKind::kInvalid,
                "the device's driver refuses native XDP as it is now: its MTU may be too large, or "
                "it is a port of a bond",
                errno_value};
    case ENOSPC:
    case ENOMEM:
        return {ErrorKind::kInvalid,
                "the device has too few queues for native XDP (`ethtool -l`; a veth needs as many "
                "receive queues as its peer has transmit queues)",
                errno_value};
    default:
        return Error::system("attach an XDP program", errno_value);
    }
}

struct XdpLink {
    UniqueFd fd;
    uint32_t prog_id = 0;
};

// The link pinned there, if its program is what this very device runs: the index alone may be
// another device's by now.
Result<XdpLink> live_link(const fs::path& pin, uint32_t ifindex) {
    auto fd = open_pinned(pin);
    if (!fd) return fd.error();
    if (!*fd) return XdpLink{};
    auto prog_id = xdp_linked(fd->get(), ifindex);
    if (!prog_id) return prog_id.error();
    if (!*prog_id || program_on(ifindex) != **prog_id) return XdpLink{};
    return XdpLink{std::move(*fd), **prog_id};
}

} // namespace

Status xdp_attach(const fs::path& pin, uint32_t ifindex, int prog_fd) {
    auto live = live_link(pin, ifindex);
    if (!live) return live.error();
    if (live->fd) {
        if (bpf_link_update(live->fd.get(), prog_fd, nullptr) == 0) return {};
        return Error::system("update " + pin.string());
    }
    if (auto status = drop_pinned_link(pin); !status) return status.error();
    bpf_link_create_opts options{};
    options.sz = sizeof(options);
    options.flags = XDP_FLAGS_DRV_MODE;
    UniqueFd link(bpf_link_create(prog_fd, static_cast<int>(ifindex), BPF_XDP, &options));
    if (!link) return refusal(ifindex, errno);
    // Killed here, the link goes with its last descriptor.
    if (bpf_obj_pin(link.get(), pin.c_str()) != 0) return Error::system("pin " + pin.string());
    return {};
}

Result<std::optional<uint32_t>> xdp_linked(int link_fd, uint32_t ifindex) {
    bpf_link_info info{};
    uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(link_fd, &info, &size) != 0) return Error::system("read a link");
    if (info.type != BPF_LINK_TYPE_XDP || info.xdp.ifindex != ifindex) {
        return std::optional<uint32_t>();
    }
    return std::optional<uint32_t>(info.prog_id);
}

Result<std::optional<uint32_t>> xdp_attached(const fs::path& pin, uint32_t ifindex) {
    auto live = live_link(pin, ifindex);
    if (!live) return live.error();
    return live->fd ? std::optional(live->prog_id) : std::nullopt;
}

} // namespace cnet::loader
