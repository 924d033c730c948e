#include "userspace/netlink/read.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>

#include <optional>

#include "userspace/netlink/address.h"
#include "userspace/netlink/cache.h"
#include "userspace/netlink/link_message.h"
#include "userspace/netlink/message.h"
#include "userspace/netlink/question.h"
#include "userspace/netlink/socket.h"

namespace cnet::netlink {
namespace {

// An optimistic address is used while it is being probed, RFC 4429.
bool is_tentative(unsigned flags) {
    return (flags & IFA_F_DADFAILED) || ((flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC));
}

Question question_of(const std::string& name) {
    Question question = make_question(RTM_GETLINK, 0, ifinfomsg{});
    CNET_CHECK(nla_put_string(question.get(), IFLA_IFNAME, name.c_str()) == 0);
    return question;
}

Result<LinkInfo> ask_link(nl_sock* socket, const Question& question, const std::string& which) {
    std::optional<LinkInfo> link;
    auto status =
        ask(socket, question, which, [&](nlmsghdr* message) { link = to_link_info(message); });
    if (!status) return status.error();
    if (!link) return Error(ErrorKind::kSystem, which + ": no answer");
    return *std::move(link);
}

} // namespace

Result<std::vector<LinkInfo>> read_links(nl_sock* socket) {
    std::vector<LinkInfo> links;
    const auto begin = [&links] {
        links.clear();
        Question question = make_question(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
        // Statistics are most of what there is to copy, and nobody looks at them.
        CNET_CHECK(nla_put_u32(question.get(), IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) == 0);
        return question;
    };
    auto status = ask_for_list(socket, begin, "list the devices", [&](nlmsghdr* message) {
        if (auto link = to_link_info(message)) links.push_back(*std::move(link));
    });
    if (!status) return status.error();
    return links;
}

Result<LinkInfo> read_link(nl_sock* socket, const std::string& name) {
    return ask_link(socket, question_of(name), "device " + name);
}

Result<LinkInfo> read_link(nl_sock* socket, uint32_t ifindex) {
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(ifindex);
    return ask_link(socket, make_question(RTM_GETLINK, 0, header),
                    "device " + std::to_string(ifindex));
}

Result<uint32_t> read_peer_ifindex(nl_sock* socket, const std::string& name) {
    uint32_t peer = 0;
    auto status =
        ask(socket, question_of(name), "the other end of " + name, [&](nlmsghdr* message) {
            if (message->nlmsg_type != RTM_NEWLINK || !header_of<ifinfomsg>(message)) return;
            const Attributes<IFLA_LINKINFO> link(message, sizeof(ifinfomsg));
            const Attributes<IFLA_INFO_KIND> kind(link.find(IFLA_LINKINFO));
            if (kind.text(IFLA_INFO_KIND) == "veth") peer = link.u32(IFLA_LINK);
        });
    if (!status) return status.error();
    if (!peer) return Error(ErrorKind::kNotFound, name + " has no other end");
    return peer;
}

Result<bool> is_settled(nl_sock* socket, uint32_t ifindex) {
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(ifindex);
    bool settled = false;
    auto status =
        ask(socket, make_question(RTM_GETLINK, 0, header),
            "the state of device " + std::to_string(ifindex), [&](nlmsghdr* message) {
                const auto* answer = header_of<ifinfomsg>(message);
                if (message->nlmsg_type != RTM_NEWLINK || !answer) return;
                const Attributes<IFLA_OPERSTATE> link(message, sizeof(ifinfomsg));
                settled = !(answer->ifi_flags & IFF_UP) || link.u8(IFLA_OPERSTATE) == IF_OPER_UP;
            });
    if (!status) return status.error();
    return settled;
}

Result<std::vector<AddressInfo>> read_addresses(nl_sock* socket) {
    nl_cache* filled = nullptr;
    if (const int code = rtnl_addr_alloc_cache(socket, &filled); code < 0)
        return nl_error("list the addresses", code);
    const Cache cache(filled);
    std::vector<AddressInfo> addresses;
    for_each(filled, [&](nl_object* object) {
        auto* address = reinterpret_cast<rtnl_addr*>(object);
        // Other families (MPLS, phonet) have addresses too.
        const auto local = to_ip(rtnl_addr_get_local(address));
        if (!local) return;
        const auto length = static_cast<unsigned>(rtnl_addr_get_prefixlen(address));
        const auto flags = rtnl_addr_get_flags(address);
        addresses.push_back(
            {static_cast<uint32_t>(rtnl_addr_get_ifindex(address)), IpPrefix(*local, length),
             rtnl_addr_get_scope(address) == RT_SCOPE_UNIVERSE, (flags & IFA_F_SECONDARY) != 0,
             (flags & IFA_F_DEPRECATED) != 0, is_tentative(flags)});
    });
    return addresses;
}

Result<bool> is_delivered(nl_sock* socket, const IpAddress& address) {
    rtmsg header{};
    header.rtm_family = AF_INET6;
    header.rtm_dst_len = 128;
    const Question question = make_question(RTM_GETROUTE, 0, header);
    const auto bytes = wire_bytes(address);
    CNET_CHECK(nla_put(question.get(), RTA_DST, static_cast<int>(bytes.size()), bytes.data()) == 0);
    bool local = false;
    auto status = ask(socket, question, "look for the route to " + address.to_string(),
                      [&](nlmsghdr* message) {
                          const auto* route = header_of<rtmsg>(message);
                          if (message->nlmsg_type != RTM_NEWROUTE || !route) return;
                          local = route->rtm_type == RTN_LOCAL;
                      });
    if (!status) return status.error();
    return local;
}

Result<std::vector<RouteInfo>> read_routes(nl_sock* socket) {
    nl_cache* filled = nullptr;
    if (const int code = rtnl_route_alloc_cache(socket, AF_UNSPEC, 0, &filled); code < 0)
        return nl_error("list the routes", code);
    const Cache cache(filled);
    std::vector<RouteInfo> routes;
    for_each(filled, [&](nl_object* object) {
        auto* route = reinterpret_cast<rtnl_route*>(object);
        if (rtnl_route_get_table(route) != RT_TABLE_MAIN ||
            rtnl_route_get_type(route) != RTN_UNICAST)
            return;
        const nl_addr* to = rtnl_route_get_dst(route);
        const auto address = to_ip(to);
        if (!address || nl_addr_get_prefixlen(to) == 0) return;
        rtnl_nexthop* hop = rtnl_route_nexthop_n(route, 0);
        routes.push_back({IpPrefix(*address, nl_addr_get_prefixlen(to)),
                          hop ? static_cast<uint32_t>(rtnl_route_nh_get_ifindex(hop)) : 0,
                          rtnl_route_get_protocol(route)});
    });
    return routes;
}

namespace {

// The first nexthop of every default route of a family in the main table.
template <typename Visit> Status for_each_default_route(nl_sock* socket, int family, Visit visit) {
    nl_cache* filled = nullptr;
    if (const int code = rtnl_route_alloc_cache(socket, family, 0, &filled); code < 0)
        return nl_error("list the routes", code);
    const Cache cache(filled);
    for_each(filled, [&](nl_object* object) {
        auto* route = reinterpret_cast<rtnl_route*>(object);
        const nl_addr* destination = rtnl_route_get_dst(route);
        rtnl_nexthop* hop = rtnl_route_nexthop_n(route, 0);
        if (destination && hop && nl_addr_get_prefixlen(destination) == 0 &&
            rtnl_route_get_table(route) == RT_TABLE_MAIN &&
            rtnl_route_get_type(route) == RTN_UNICAST)
            visit(hop);
    });
    return {};
}

} // namespace

Result<bool> has_default_route(nl_sock* socket, const IpAddress& gateway, uint32_t ifindex) {
    bool found = false;
    const int family = gateway.is_v4() ? AF_INET : AF_INET6;
    Status read = for_each_default_route(socket, family, [&](rtnl_nexthop* hop) {
        const auto by = to_ip(rtnl_route_nh_get_gateway(hop));
        found = found || (by && *by == gateway &&
                          static_cast<uint32_t>(rtnl_route_nh_get_ifindex(hop)) == ifindex);
    });
    if (!read) return read.error();
    return found;
}

Result<bool> has_default_route(nl_sock* socket, bool v4) {
    bool found = false;
    Status read = for_each_default_route(socket, v4 ? AF_INET : AF_INET6,
                                         [&](rtnl_nexthop*) { found = true; });
    if (!read) return read.error();
    return found;
}

} // namespace cnet::netlink
