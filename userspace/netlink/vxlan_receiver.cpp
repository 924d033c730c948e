#include "userspace/netlink/vxlan_receiver.h"

#include <sys/socket.h>

#include <cerrno>

#include "userspace/base/netns.h"
#include "userspace/netlink/read.h"
#include "userspace/netlink/socket.h"
#include "userspace/netlink/sysctl.h"
#include "userspace/netlink/write.h"

namespace cnet::netlink {
namespace {

constexpr char kInside[] = "in"; // the veth's end in the namespace

struct Sysctl {
    const char* family;
    const char* name;
    const char* key;
    const char* value;
};

// Every address is local in there, so peers' sources are too. The namespace may have inherited the
// host's settings.
constexpr Sysctl kSysctls[] = {
    {"ipv4", kInside, "accept_local", "1"}, {"ipv4", kInside, "rp_filter", "0"},
    {"ipv4", "all", "rp_filter", "0"},      {"ipv6", "lo", "disable_ipv6", "0"},
    {"ipv6", kInside, "disable_ipv6", "0"}, {"ipv6", kInside, "addr_gen_mode", "1"},
    {"ipv6", kInside, "accept_ra", "0"},
};

// A kernel without IPv6 has no such files.
Status set_sysctls() {
    for (const Sysctl& sysctl : kSysctls) {
        auto set = write_sysctl(sysctl_path(sysctl.family, sysctl.name, sysctl.key), sysctl.value);
        if (!set && set.error().errno_value() != ENOENT) return set;
    }
    return {};
}

bool has_ipv6() {
    return static_cast<bool>(read_sysctl(sysctl_path("ipv6", "lo", "disable_ipv6")));
}

Status make_everything_local(nl_sock* inside) {
    auto lo = read_link(inside, "lo");
    if (!lo) return lo.error();
    auto status = request_local_default(inside, AF_INET, lo->ifindex);
    if (status && has_ipv6()) status = request_local_default(inside, AF_INET6, lo->ifindex);
    return status;
}

Status make(nl_sock* home, int home_netns, const VxlanReceiverSpec& spec) {
    auto status = create_named_netns(spec.netns);
    if (!status) return status;
    VethSpec veth;
    veth.name = spec.entrance;
    veth.alias = spec.vxlan.alias;
    veth.peer_name = kInside;
    veth.peer_netns = spec.netns;
    veth.mtu = spec.vxlan.mtu;
    status = request_veth(home, veth);
    if (!status) return status;
    auto guard = NetnsGuard::enter(spec.netns);
    if (!guard) return guard.error();
    auto inside = open_socket();
    if (!inside) return inside.error();
    status = set_sysctls();
    if (status) status = request_up(inside->get(), kInside, true);
    if (status) status = make_everything_local(inside->get());
    if (status) status = request_vxlan(inside->get(), spec.vxlan, home, home_netns);
    return status;
}

} // namespace

Status make_vxlan_receiver(nl_sock* home, int home_netns, const VxlanReceiverSpec& spec) {
    auto status = remove_vxlan_receiver(home, spec);
    if (status) status = make(home, home_netns, spec);
    if (status) return {};
    if (auto undone = remove_vxlan_receiver(home, spec); !undone)
        return status.error().because("also failed: " + undone.error().message());
    return status;
}

Status remove_vxlan_receiver(nl_sock* home, const VxlanReceiverSpec& spec) {
    auto status = request_delete_link(home, spec.vxlan.name);
    if (status) status = request_delete_link(home, spec.entrance);
    if (status) status = delete_named_netns(spec.netns);
    return status;
}

} // namespace cnet::netlink
