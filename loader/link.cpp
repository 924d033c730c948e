#include "loader/link.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <net/if.h>
#include <optional>
#include <thread>
#include <utility>

#include "loader/clsact.h"
#include "loader/pin.h"
#include "loader/tcx.h"
#include "loader/xdp_link.h"

namespace cnet::loader {

namespace {

namespace fs = std::filesystem;
using maps::HookDevice;

using namespace std::chrono_literals;
constexpr auto kDyingLink = 200ms;

// The kernel keeps this much of a program's name (BPF_OBJ_NAME_LEN, without the zero).
constexpr size_t kKernelNameLength = 15;

Result<bool> is_ours(cnet_hook hook, uint32_t prog_id) {
    auto name = program_name(prog_id);
    if (!name) return name.error();
    auto names = programs_of(hook);
    return std::any_of(names.begin(), names.end(), [&](std::string_view candidate) {
        return *name == candidate.substr(0, kKernelNameLength);
    });
}

struct PinnedLink {
    UniqueFd fd;
    TcxLinkInfo info;
};

// The link pinned for `where`, if it is attached to this very device: its index alone does not say
// so, because another device, or one in another namespace, may have the same.
Result<std::optional<PinnedLink>> open_live_link(const fs::path& pins, HookDevice where,
                                                 const std::vector<TcxEntry>& on_device) {
    auto fd = open_pinned(maps::link_pin(pins, where));
    if (!fd) return fd.error();
    if (!*fd) return std::optional<PinnedLink>();
    auto info = tcx_link_info(fd->get());
    if (!info && info.error().kind() != ErrorKind::kInvalid) return info.error();
    bool alive = info && info->ifindex == where.ifindex && info->side == side_of(where.hook) &&
                 std::any_of(on_device.begin(), on_device.end(),
                             [&](const TcxEntry& entry) { return entry.link_id == info->id; });
    if (!alive) return std::optional<PinnedLink>();
    return std::optional<PinnedLink>(PinnedLink{std::move(*fd), *info});
}

// Programs of ours on the device that are not the link `keep`: left by a crash, or attached by
// hand.
Result<unsigned> remove_strays(HookDevice where, uint32_t keep) {
    const TcxSide side = side_of(where.hook);
    auto on_device = tcx_query(where.ifindex, side);
    if (!on_device) return on_device.error();
    unsigned removed = 0;
    for (const TcxEntry& entry : *on_device) {
        if (keep != 0 && entry.link_id == keep) continue;
        auto ours = is_ours(where.hook, entry.prog_id);
        if (!ours) return ours.error();
        if (!*ours) continue;
        if (auto status = tcx_remove(where.ifindex, side, entry); !status) return status.error();
        removed++;
    }
    return removed;
}

Result<uint32_t> create_link(const fs::path& pin, HookDevice where, int prog_fd) {
    if (auto status = drop_pinned_link(pin); !status) return status.error();
    auto link = tcx_link_create(where.ifindex, side_of(where.hook), prog_fd);
    if (!link) return link.error();
    // Killed here, the link goes with its last descriptor.
    if (bpf_obj_pin(link->get(), pin.c_str()) != 0) return Error::system("pin " + pin.string());
    auto info = tcx_link_info(link->get());
    if (!info) return info.error();
    return info->id;
}

Status detach_tcx(const fs::path& pins, HookDevice where) {
    if (auto status = drop_pinned_link(maps::link_pin(pins, where)); !status) return status.error();
    auto strays = remove_strays(where, 0);
    // No device, or no tcx in this kernel: no strays.
    if (strays || strays.error().kind() == ErrorKind::kNotFound ||
        strays.error().errno_value() == EINVAL) {
        return {};
    }
    return strays.error();
}

constexpr std::string_view kQdiscPrefix = "qdisc-";

// Remembers that the qdisc of this device is our doing; any pinned object will do.
fs::path qdisc_pin(const fs::path& pins, uint32_t ifindex) {
    return maps::filter_dir(pins) / (std::string(kQdiscPrefix) + std::to_string(ifindex));
}

// The devices whose qdisc is remembered.
Result<std::vector<uint32_t>> remembered_qdiscs(const fs::path& pins) {
    auto names = list_pins(maps::filter_dir(pins));
    if (!names) return names.error();
    std::vector<uint32_t> devices;
    for (const std::string& name : *names) {
        uint32_t ifindex = 0;
        if (!name.starts_with(kQdiscPrefix)) continue;
        std::from_chars(name.data() + kQdiscPrefix.size(), name.data() + name.size(), ifindex);
        devices.push_back(ifindex);
    }
    return devices;
}

// The index of a device that is gone may be another's one day, with a qdisc not of our making. One
// that is there is remembered without a filter too, for a kill may have come in between.
Status forget_qdiscs(const fs::path& pins) {
    auto devices = remembered_qdiscs(pins);
    if (!devices) return devices.error();
    for (uint32_t ifindex : *devices) {
        char name[IF_NAMESIZE];
        if (::if_indextoname(ifindex, name)) continue;
        if (auto status = remove_pin(qdisc_pin(pins, ifindex)); !status) return status.error();
    }
    return {};
}

// While filters of others use it, it stays, and is remembered.
Status remove_qdisc(const fs::path& pins, uint32_t ifindex) {
    auto gone = clsact_destroy_if_empty(ifindex);
    if (!gone) return gone.error();
    return *gone ? remove_pin(qdisc_pin(pins, ifindex)) : Status();
}

Result<std::optional<uint32_t>> live_clsact(HookDevice where) {
    auto prog_id = clsact_query(where.ifindex, side_of(where.hook));
    if (!prog_id || !*prog_id) return prog_id;
    auto ours = is_ours(where.hook, **prog_id);
    if (!ours) return ours.error();
    return *ours ? *prog_id : std::nullopt;
}

// A filter of ours that no pin tells of: somebody has removed the pins, with them that of a qdisc
// which most likely was of our making. It is removed only when it is empty, in any case.
Result<bool> is_forgotten(const fs::path& pins, HookDevice where) {
    auto pin = open_pinned(maps::filter_pin(pins, where));
    if (!pin) return pin.error();
    if (*pin) return false;
    auto prog_id = live_clsact(where);
    if (!prog_id) return prog_id.error();
    return prog_id->has_value();
}

// First the memory that the qdisc is of our making, so that one left by a kill is known.
Status make_qdisc(const fs::path& pins, HookDevice where, int prog_fd) {
    const fs::path memory = qdisc_pin(pins, where.ifindex);
    auto known = open_pinned(memory);
    if (!known) return known.error();
    auto forgotten = is_forgotten(pins, where);
    if (!forgotten) return forgotten.error();
    if (!*known) {
        if (auto status = replace_pin(prog_fd, memory); !status) return status.error();
    }
    auto created = clsact_create(where.ifindex);
    const bool ours = *known || *forgotten || (created && *created);
    if (!ours) {
        if (auto status = remove_pin(memory); !status) return status.error();
    }
    return created ? Status() : created.error();
}

Status detach_clsact(const fs::path& pins, HookDevice where) {
    const TcxSide side = side_of(where.hook);
    auto prog_id = clsact_query(where.ifindex, side);
    if (!prog_id) return prog_id.error();
    if (*prog_id) {
        auto ours = is_ours(where.hook, **prog_id);
        if (!ours) return ours.error();
        if (*ours) {
            if (auto status = clsact_detach(where.ifindex, side); !status) return status.error();
        }
    }
    auto made_by_us = open_pinned(qdisc_pin(pins, where.ifindex));
    if (!made_by_us) return made_by_us.error();
    if (*made_by_us) {
        if (auto status = remove_qdisc(pins, where.ifindex); !status) return status.error();
    }
    return remove_pin(maps::filter_pin(pins, where));
}

// The attachments that pins of one kind name.
Result<std::vector<HookDevice>> named_in(const fs::path& dir) {
    auto names = list_pins(dir);
    if (!names) return names.error();
    std::vector<HookDevice> found;
    for (const std::string& name : *names) {
        if (auto where = maps::parse_hook_device(name)) found.push_back(*where);
    }
    return found;
}

// The program on a live tcx attachment.
Result<std::optional<uint32_t>> live_tcx(const fs::path& pins, HookDevice where) {
    auto on_device = tcx_query(where.ifindex, side_of(where.hook));
    if (!on_device) {
        if (on_device.error().kind() != ErrorKind::kNotFound) return on_device.error();
        return std::optional<uint32_t>();
    }
    auto link = open_live_link(pins, where, *on_device);
    if (!link) return link.error();
    return *link ? std::optional((*link)->info.prog_id) : std::nullopt;
}

} // namespace

TcxSide side_of(cnet_hook hook) {
    const bool egress = hook == CNET_HOOK_UPLINK_EGRESS || hook == CNET_HOOK_BRIDGE;
    return egress ? TcxSide::kEgress : TcxSide::kIngress;
}

std::string_view to_string(AttachKind kind) {
    switch (kind) {
    case AttachKind::kTcx:
        return "tcx";
    case AttachKind::kClsact:
        return "clsact";
    case AttachKind::kXdp:
        break;
    }
    return "xdp";
}

bool is_xdp(cnet_hook hook) {
    return hook == CNET_HOOK_UPLINK_XDP;
}

std::vector<std::string_view> programs_of(cnet_hook hook) {
    switch (hook) {
    case CNET_HOOK_ENDPOINT:
        return {"cnet_endpoint"};
    case CNET_HOOK_HOSTPORT:
        return {"cnet_hostport"};
    case CNET_HOOK_UPLINK:
        return {"cnet_uplink", "cnet_uplink_l3"};
    case CNET_HOOK_UPLINK_EGRESS:
        return {"cnet_uplink_egress", "cnet_uplink_egr_l3"};
    case CNET_HOOK_UPLINK_XDP:
        return {"cnet_uplink_xdp"};
    case CNET_HOOK_VXLAN:
        return {"cnet_vxlan"};
    case CNET_HOOK_BRIDGE_PORT:
        return {"cnet_bridgeport"};
    case CNET_HOOK_BRIDGE:
        return {"cnet_bridge"};
    default:
        return {};
    }
}

Result<unsigned> LinkTable::attach(HookDevice where, int prog_fd) {
    if (is_xdp(where.hook)) {
        auto status = xdp_attach(maps::link_pin(pins_, where), where.ifindex, prog_fd);
        if (!status) return status.error();
        return 0u;
    }
    const bool tcx = kind_ == AttachKind::kTcx;
    auto removed = tcx ? attach_tcx(where, prog_fd) : attach_clsact(where, prog_fd);
    if (!removed) return removed.error().because("attach " + maps::hook_device_name(where));
    auto status = detach_kind(tcx ? AttachKind::kClsact : AttachKind::kTcx, where);
    if (!status) return status.error().because("attach " + maps::hook_device_name(where));
    return removed;
}

Result<unsigned> LinkTable::attach_tcx(HookDevice where, int prog_fd) {
    auto on_device = tcx_query(where.ifindex, side_of(where.hook));
    if (!on_device) return on_device.error();
    auto link = open_live_link(pins_, where, *on_device);
    if (!link) return link.error();
    const auto put = [&]() -> Result<uint32_t> {
        if (!*link) return create_link(maps::link_pin(pins_, where), where, prog_fd);
        if (bpf_link_update((*link)->fd.get(), prog_fd, nullptr) != 0) {
            return Error::system("update the link");
        }
        return (*link)->info.id;
    };
    auto id = put();
    unsigned removed = 0;
    // This very program is on the device already, but not by our link; the kernel takes it only
    // once. By a link whose pin was removed just now it is there until the kernel gets to it.
    for (auto wait = 0ms; !id && id.error().errno_value() == EEXIST && wait < kDyingLink;
         wait += 1ms) {
        std::this_thread::sleep_for(wait > 0ms ? 1ms : 0ms);
        auto strays = remove_strays(where, *link ? (*link)->info.id : 0);
        if (!strays) return strays.error();
        removed = std::max(removed, *strays);
        id = put();
    }
    if (!id) return id.error();
    auto strays = remove_strays(where, *id);
    if (!strays) return strays.error();
    return removed + *strays;
}

Result<unsigned> LinkTable::attach_clsact(HookDevice where, int prog_fd) {
    if (auto status = make_qdisc(pins_, where, prog_fd); !status) return status.error();
    // First the memory of it, so that a filter left by a kill is known.
    if (auto status = replace_pin(prog_fd, maps::filter_pin(pins_, where)); !status) {
        return status.error();
    }
    auto status = clsact_attach(where.ifindex, side_of(where.hook), prog_fd);
    if (!status) return status.error();
    return 0u;
}

Status LinkTable::detach_kind(AttachKind kind, HookDevice where) {
    const bool tcx = kind == AttachKind::kTcx;
    if (kind != kind_) {
        // Of the other kind there is something only if it was forced once.
        auto pin = open_pinned(tcx ? maps::link_pin(pins_, where) : maps::filter_pin(pins_, where));
        if (!pin) return pin.error();
        if (!*pin) return {};
    }
    return tcx ? detach_tcx(pins_, where) : detach_clsact(pins_, where);
}

Status LinkTable::detach(HookDevice where) {
    if (is_xdp(where.hook)) return drop_pinned_link(maps::link_pin(pins_, where));
    for (AttachKind kind : {AttachKind::kTcx, AttachKind::kClsact}) {
        if (auto status = detach_kind(kind, where); !status) {
            return status.error().because("detach " + maps::hook_device_name(where));
        }
    }
    return {};
}

Result<std::vector<Attached>> LinkTable::attached() {
    std::vector<Attached> alive;
    auto status = add_attached(AttachKind::kXdp, alive);
    if (status) status = add_attached(kind_, alive);
    if (status) status = forget_qdiscs(pins_);
    if (!status) return status.error();
    return alive;
}

Status LinkTable::add_attached(AttachKind kind, std::vector<Attached>& alive) const {
    const bool clsact = kind == AttachKind::kClsact;
    const fs::path dir = clsact ? maps::filter_dir(pins_) : maps::link_dir(pins_);
    auto named = named_in(dir);
    if (!named) return named.error();
    for (HookDevice where : *named) {
        if (is_xdp(where.hook) != (kind == AttachKind::kXdp)) continue;
        const fs::path pin = dir / maps::hook_device_name(where);
        auto prog_id = is_xdp(where.hook) ? xdp_attached(pin, where.ifindex)
                       : clsact           ? live_clsact(where)
                                          : live_tcx(pins_, where);
        if (!prog_id) return prog_id.error();
        if (*prog_id) {
            alive.push_back({where, kind, **prog_id});
            continue;
        }
        auto status = clsact ? remove_pin(pin) : drop_pinned_link(pin);
        if (!status) return status.error();
    }
    return {};
}

Status LinkTable::detach_all() {
    for (const fs::path& dir : {maps::link_dir(pins_), maps::filter_dir(pins_)}) {
        auto named = named_in(dir);
        if (!named) return named.error();
        for (HookDevice where : *named) {
            if (auto status = detach(where); !status) return status.error();
        }
    }
    // Of attachments that a kill cut short.
    auto devices = remembered_qdiscs(pins_);
    if (!devices) return devices.error();
    for (uint32_t ifindex : *devices) {
        if (auto status = remove_qdisc(pins_, ifindex); !status) return status.error();
    }
    return {};
}

} // namespace cnet::loader
