#include "userspace/control/attached.h"

#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

Error invalid(const netlink::LinkInfo& link, const std::string& what) {
    return {ErrorKind::kInvalid, "device " + link.name + " " + what};
}

} // namespace

Status check_attachable(const netlink::LinkInfo& link, const State& state) {
    if (link.loopback) return invalid(link, "is the loopback device");
    if (is_own_device(link, state)) return invalid(link, "belongs to one of our networks");
    if (!link.has_ethernet)
        return invalid(link, "has no Ethernet header: it can be an uplink only");
    if (link.kind == "bridge") return invalid(link, "is a bridge: attach its ports, one by one");
    if (link.master != 0) return invalid(link, "is a port of another device already");
    return {};
}

const netlink::LinkInfo* find_attached_link(const AttachedDevice& attached, const State& state,
                                            const Observed& observed) {
    const netlink::LinkInfo* link = observed.find(attached.device);
    return link && check_attachable(*link, state) ? link : nullptr;
}

bool needs_promiscuity(const netlink::LinkInfo& link) {
    return link.kind != "veth" && link.kind != "tun";
}

} // namespace cnet::control
