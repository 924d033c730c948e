#include "userspace/plugin/inside.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <span>

#include "userspace/base/netns.h"
#include "userspace/netlink/message.h"
#include "userspace/netlink/read.h"
#include "userspace/netlink/socket.h"

namespace cnet::plugin {
namespace {

// A socket stays in the namespace it was opened in, so the visit is over before the socket is used.
Result<netlink::Socket> open_socket_in(const std::string& netns) {
    auto guard = NetnsGuard::enter(netns);
    if (!guard) return guard.error();
    return netlink::open_socket();
}

std::span<const uint8_t> wire_bytes(const IpAddress& address) {
    const std::span<const uint8_t> bytes = address.bytes();
    return address.is_v4() ? bytes.last(4) : bytes;
}

Status add_route(nl_sock* socket, uint32_t ifindex, const Route& route) {
    netlink::Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    rtmsg header{};
    header.rtm_family = route.destination.is_v4() ? AF_INET : AF_INET6;
    header.rtm_dst_len = static_cast<uint8_t>(route.destination.length());
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_BOOT;
    header.rtm_scope = RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    message.append(header);
    if (route.destination.length() > 0)
        message.put(RTA_DST, wire_bytes(route.destination.address()));
    message.put(RTA_GATEWAY, wire_bytes(route.gateway));
    message.put(RTA_OIF, ifindex);
    auto added = message.send(socket, "add a route to " + route.destination.to_string() +
                                          " by way of " + route.gateway.to_string());
    if (!added && added.error().errno_value() == EEXIST) return {};
    return added;
}

Status change_address(nl_sock* socket, uint32_t ifindex, const IpPrefix& address, bool add) {
    netlink::Message message(add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
    ifaddrmsg header{};
    header.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
    header.ifa_prefixlen = static_cast<uint8_t>(address.length());
    header.ifa_index = ifindex;
    message.append(header);
    message.put(IFA_LOCAL, wire_bytes(address.address()));
    message.put(IFA_ADDRESS, wire_bytes(address.address()));
    auto changed = message.send(socket, (add ? "add the address " : "remove the address ") +
                                            address.to_string());
    const int done_already = add ? EEXIST : EADDRNOTAVAIL;
    if (!changed && changed.error().errno_value() == done_already) return {};
    return changed;
}

bool has_address(const std::vector<netlink::AddressInfo>& addresses, uint32_t ifindex,
                 const IpPrefix& wanted) {
    return std::any_of(addresses.begin(), addresses.end(), [&](const auto& address) {
        return address.ifindex == ifindex && address.prefix == wanted;
    });
}

Result<bool> has_route(nl_sock* socket, uint32_t ifindex, const Route& wanted) {
    if (wanted.destination.length() == 0)
        return netlink::has_default_route(socket, wanted.gateway, ifindex);
    auto routes = netlink::read_routes(socket);
    if (!routes) return routes.error();
    return std::any_of(routes->begin(), routes->end(), [&](const netlink::RouteInfo& route) {
        return route.ifindex == ifindex && route.destination == wanted.destination;
    });
}

} // namespace

Result<bool> has_default_route(const std::string& netns, bool v4) {
    auto socket = open_socket_in(netns);
    if (!socket) return socket.error();
    return netlink::has_default_route(socket->get(), v4);
}

Status add_routes(const std::string& netns, const std::string& ifname,
                  const std::vector<Route>& routes) {
    if (routes.empty()) return {};
    auto socket = open_socket_in(netns);
    if (!socket) return socket.error();
    auto link = netlink::read_link(socket->get(), ifname);
    if (!link) return link.error();
    for (const Route& route : routes) {
        if (Status added = add_route(socket->get(), link->ifindex, route); !added) return added;
    }
    return {};
}

Status replace_addresses(const std::string& netns, const std::string& ifname,
                         const std::vector<IpPrefix>& before, const std::vector<IpPrefix>& after) {
    auto socket = open_socket_in(netns);
    if (!socket) return socket.error();
    auto link = netlink::read_link(socket->get(), ifname);
    if (!link) return link.error();
    for (const auto* addresses : {&before, &after}) {
        for (const IpPrefix& address : *addresses) {
            auto changed =
                change_address(socket->get(), link->ifindex, address, addresses == &after);
            if (!changed) return changed;
        }
    }
    return {};
}

std::string mac_of(const std::string& device) {
    auto socket = netlink::open_socket();
    if (!socket) return {};
    auto link = netlink::read_link(socket->get(), device);
    return link ? link->mac.to_string() : std::string();
}

Result<std::string> difference(const std::string& netns, const Expected& expected) {
    auto socket = open_socket_in(netns);
    if (!socket) return socket.error();
    auto link = netlink::read_link(socket->get(), expected.ifname);
    if (!link) {
        if (link.error().kind() != ErrorKind::kNotFound) return link.error();
        return "there is no device " + expected.ifname + " in " + netns;
    }
    const std::string device = "device " + expected.ifname + " in " + netns;
    if (!link->up && !expected.may_be_down) return device + " is down";
    if (!expected.mac.empty() && link->mac.to_string() != expected.mac)
        return device + " has the MAC " + link->mac.to_string() + ", not " + expected.mac;
    auto addresses = netlink::read_addresses(socket->get());
    if (!addresses) return addresses.error();
    for (const IpPrefix& address : expected.addresses) {
        if (!has_address(*addresses, link->ifindex, address))
            return device + " has lost the address " + address.to_string();
    }
    for (const Route& route : expected.routes) {
        auto found = has_route(socket->get(), link->ifindex, route);
        if (!found) return found.error();
        if (!*found) return device + " has lost the route to " + route.destination.to_string();
    }
    return std::string();
}

} // namespace cnet::plugin
