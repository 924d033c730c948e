#include "userspace/netlink/bridging_message.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "userspace/netlink/question.h"

namespace cnet::netlink {
namespace {

constexpr uint32_t kUserHz = 100; // clock_t, in which the kernel counts a bridge's times

using LinkAttributes = Attributes<IFLA_TARGET_NETNSID>;
using KindAttributes = Attributes<IFLA_INFO_MAX>;

BridgeInfo to_bridge(nlattr* data) {
    const Attributes<IFLA_BR_MAX> in(data);
    BridgeInfo info;
    info.vlan_filtering = in.u8(IFLA_BR_VLAN_FILTERING) != 0;
    info.stp = in.u32(IFLA_BR_STP_STATE) != 0;
    info.calls_netfilter = in.u8(IFLA_BR_NF_CALL_IPTABLES) || in.u8(IFLA_BR_NF_CALL_IP6TABLES);
    info.ageing_s = in.u32(IFLA_BR_AGEING_TIME) / kUserHz;
    info.forward_delay_s = in.u32(IFLA_BR_FORWARD_DELAY) / kUserHz;
    return info;
}

BridgePortInfo to_port(nlattr* data) {
    const Attributes<IFLA_BRPORT_MAX> in(data);
    BridgePortInfo info;
    info.forwarding = in.u8(IFLA_BRPORT_STATE) == BR_STATE_FORWARDING;
    info.learning = in.u8(IFLA_BRPORT_LEARNING) != 0;
    info.isolated = in.u8(IFLA_BRPORT_ISOLATED) != 0;
    info.locked = in.u8(IFLA_BRPORT_LOCKED) != 0;
    info.has_backup = in.find(IFLA_BRPORT_BACKUP_PORT) != nullptr;
    return info;
}

} // namespace

void add_link(nlmsghdr* message, const std::set<uint32_t>& wanted, Bridging& found,
              std::vector<FarEnd>& far_ends) {
    const auto* header = header_of<ifinfomsg>(message);
    if (message->nlmsg_type != RTM_NEWLINK || !header) return;
    const auto ifindex = static_cast<uint32_t>(header->ifi_index);
    const LinkAttributes link(message, sizeof(ifinfomsg));
    const KindAttributes kind(link.find(IFLA_LINKINFO));
    if (wanted.contains(ifindex) && kind.text(IFLA_INFO_KIND) == "bridge")
        found.bridges[ifindex] = to_bridge(kind.find(IFLA_INFO_DATA));
    if (!wanted.contains(link.u32(IFLA_MASTER)) || kind.text(IFLA_INFO_SLAVE_KIND) != "bridge")
        return;
    BridgePortInfo& port = found.ports[ifindex] = to_port(kind.find(IFLA_INFO_SLAVE_DATA));
    port.shaped = link.text(IFLA_QDISC) != "noqueue" && kind.text(IFLA_INFO_KIND) == "veth";
    if (kind.text(IFLA_INFO_KIND) == "veth" && link.find(IFLA_LINK_NETNSID))
        far_ends.push_back({ifindex, link.u32(IFLA_LINK), link.u32(IFLA_LINK_NETNSID)});
}

void add_address(nlmsghdr* message, uint32_t bridge, BridgeInfo& info) {
    const auto* neigh = header_of<ndmsg>(message);
    if (message->nlmsg_type != RTM_NEWNEIGH || !neigh) return;
    const Attributes<NDA_MAX> in(message, sizeof(ndmsg));
    const auto mac = in.mac(NDA_LLADDR);
    if (!mac || in.u32(NDA_MASTER) != bridge) return;
    if (neigh->ndm_state & NUD_PERMANENT)
        info.own.insert(*mac);
    else if (neigh->ndm_state & NUD_NOARP || neigh->ndm_flags & NTF_STICKY)
        info.stated.insert(*mac);
}

} // namespace cnet::netlink
