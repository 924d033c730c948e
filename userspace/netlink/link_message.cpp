#include "userspace/netlink/link_message.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include "userspace/netlink/question.h"

namespace cnet::netlink {

std::optional<LinkInfo> to_link_info(nlmsghdr* message) {
    const auto* header = header_of<ifinfomsg>(message);
    if (message->nlmsg_type != RTM_NEWLINK || !header) return std::nullopt;
    const Attributes<IFLA_TARGET_NETNSID> link(message, sizeof(ifinfomsg));
    if (header->ifi_family != AF_UNSPEC || !link.find(IFLA_IFNAME)) return std::nullopt;
    const Attributes<IFLA_INFO_MAX> kind(link.find(IFLA_LINKINFO));
    LinkInfo info;
    info.ifindex = static_cast<uint32_t>(header->ifi_index);
    info.name = link.text(IFLA_IFNAME);
    info.kind = kind.text(IFLA_INFO_KIND);
    info.alias = link.text(IFLA_IFALIAS);
    info.mac = link.mac(IFLA_ADDRESS).value_or(MacAddress());
    info.mtu = link.u32(IFLA_MTU);
    info.up = header->ifi_flags & IFF_UP;
    info.loopback = header->ifi_flags & IFF_LOOPBACK;
    info.has_ethernet = header->ifi_type == ARPHRD_ETHER || header->ifi_type == ARPHRD_LOOPBACK;
    info.promiscuous = header->ifi_flags & IFF_PROMISC;
    info.master = link.u32(IFLA_MASTER);
    // The kernel names the other end's namespace when it is another.
    if (info.kind == "veth" && !link.find(IFLA_LINK_NETNSID)) info.peer_here = link.u32(IFLA_LINK);
    return info;
}

} // namespace cnet::netlink
