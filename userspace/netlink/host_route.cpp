#include "userspace/netlink/host_route.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "userspace/netlink/cache.h"
#include "userspace/netlink/message.h"

namespace cnet::netlink {

namespace {

// By this the routes are known as ours: the numbers below 192 are taken by others, see
// /etc/iproute2/rt_protos.
constexpr uint8_t kRouteProtocol = 199;

Message route_request(int type, int flags, uint32_t ifindex, const HostRoute& route) {
    Message message(type, flags);
    rtmsg header{};
    header.rtm_family = AF_INET;
    header.rtm_dst_len = static_cast<uint8_t>(route.subnet.length());
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = kRouteProtocol;
    header.rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    header.rtm_flags = RTNH_F_ONLINK; // the next hop is on no subnet of the device
    message.append(header);
    message.put(RTA_DST, wire_bytes(route.subnet.network()));
    message.put(RTA_GATEWAY, wire_bytes(route.subnet.network()));
    message.put(RTA_OIF, ifindex);
    return message;
}

Message neighbour_request(int type, int flags, uint32_t ifindex, const HostRoute& route) {
    Message message(type, flags);
    ndmsg header{};
    header.ndm_family = AF_INET;
    header.ndm_ifindex = static_cast<int>(ifindex);
    header.ndm_state = NUD_PERMANENT;
    message.append(header);
    message.put(NDA_DST, wire_bytes(route.subnet.network()));
    message.put(NDA_LLADDR, route.mac.bytes());
    return message;
}

// NTF_SELF: of the vxlan device's own table, not of a bridge that it might be a port of.
Message fdb_request(int type, int flags, uint32_t ifindex, const HostRoute& route) {
    Message message(type, flags);
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = static_cast<int>(ifindex);
    header.ndm_state = NUD_PERMANENT | NUD_NOARP;
    header.ndm_flags = NTF_SELF;
    message.append(header);
    message.put(NDA_LLADDR, route.mac.bytes());
    message.put(NDA_DST, wire_bytes(route.vtep));
    return message;
}

Status absent_is_success(Status status) {
    if (status) return status;
    const int errno_value = status.error().errno_value();
    return errno_value == ESRCH || errno_value == ENOENT ? Status() : status;
}

std::optional<IpAddress> ip_of(const nl_addr* address) {
    if (!address) return std::nullopt;
    auto ip = IpAddress::from_bytes(nl_addr_get_binary_addr(address), nl_addr_get_len(address));
    return ip ? std::optional(*ip) : std::nullopt;
}

std::optional<MacAddress> mac_of(const nl_addr* address) {
    if (!address || nl_addr_get_len(address) != CNET_MAC_LEN) return std::nullopt;
    std::array<uint8_t, CNET_MAC_LEN> bytes{};
    std::memcpy(bytes.data(), nl_addr_get_binary_addr(address), bytes.size());
    return MacAddress(bytes);
}

// Entries of one device: of its neighbours (AF_INET), or of its forwarding table (AF_BRIDGE).
template <typename Visit>
Status for_each_neighbour(nl_sock* socket, int family, uint32_t ifindex, Visit visit) {
    nl_cache* made = nullptr;
    if (const int code = nl_cache_alloc_name("route/neigh", &made); code < 0)
        return nl_error("list the neighbours", code);
    const Cache cache(made);
    // libnl's own request is too short for what the kernel wants of one for AF_BRIDGE.
    ndmsg header{};
    header.ndm_family = static_cast<uint8_t>(family);
    int code = nl_send_simple(socket, RTM_GETNEIGH, NLM_F_DUMP, &header, sizeof(header));
    if (code >= 0) code = nl_cache_pickup(socket, made);
    if (code < 0) return nl_error("list the neighbours", code);
    for_each(made, [&](nl_object* object) {
        auto* entry = reinterpret_cast<rtnl_neigh*>(object);
        if (static_cast<uint32_t>(rtnl_neigh_get_ifindex(entry)) != ifindex) return;
        const auto ip = ip_of(rtnl_neigh_get_dst(entry));
        const auto mac = mac_of(rtnl_neigh_get_lladdr(entry));
        if (ip && mac) visit(*ip, *mac);
    });
    return {};
}

Result<std::vector<IpPrefix>> read_subnets(nl_sock* socket, uint32_t ifindex) {
    nl_cache* filled = nullptr;
    if (const int code = rtnl_route_alloc_cache(socket, AF_INET, 0, &filled); code < 0)
        return nl_error("list the routes", code);
    const Cache cache(filled);
    std::vector<IpPrefix> subnets;
    for_each(filled, [&](nl_object* object) {
        auto* route = reinterpret_cast<rtnl_route*>(object);
        rtnl_nexthop* hop = rtnl_route_nexthop_n(route, 0);
        const auto to = ip_of(rtnl_route_get_dst(route));
        if (!hop || !to || rtnl_route_get_table(route) != RT_TABLE_MAIN ||
            rtnl_route_get_protocol(route) != kRouteProtocol ||
            static_cast<uint32_t>(rtnl_route_nh_get_ifindex(hop)) != ifindex)
            return;
        subnets.emplace_back(*to, nl_addr_get_prefixlen(rtnl_route_get_dst(route)));
    });
    return subnets;
}

} // namespace

Result<std::vector<HostRoute>> read_host_routes(nl_sock* socket, uint32_t ifindex) {
    auto subnets = read_subnets(socket, ifindex);
    if (!subnets) return subnets.error();
    std::map<IpAddress, MacAddress> neighbours;
    Status read = for_each_neighbour(
        socket, AF_INET, ifindex,
        [&](const IpAddress& ip, const MacAddress& mac) { neighbours[ip] = mac; });
    if (!read) return read.error();
    std::map<MacAddress, IpAddress> vteps;
    read = for_each_neighbour(socket, AF_BRIDGE, ifindex,
                              [&](const IpAddress& ip, const MacAddress& mac) { vteps[mac] = ip; });
    if (!read) return read.error();
    std::vector<HostRoute> routes;
    for (const IpPrefix& subnet : *subnets) {
        HostRoute route{subnet, {}, {}};
        if (auto it = neighbours.find(subnet.network()); it != neighbours.end())
            route.mac = it->second;
        if (auto it = vteps.find(route.mac); it != vteps.end()) route.vtep = it->second;
        routes.push_back(route);
    }
    return routes;
}

// The route last, and first to go: one that is there says that the rest is, or was.
Status request_host_route(nl_sock* socket, uint32_t ifindex, const HostRoute& route) {
    constexpr int kReplace = NLM_F_CREATE | NLM_F_REPLACE;
    const std::string what = "the way to " + route.subnet.to_string();
    Status status = fdb_request(RTM_NEWNEIGH, kReplace, ifindex, route).send(socket, "add " + what);
    if (status) {
        status =
            neighbour_request(RTM_NEWNEIGH, kReplace, ifindex, route).send(socket, "add " + what);
    }
    if (!status) return status;
    status = route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, ifindex, route)
                 .send(socket, "add " + what);
    if (status || status.error().errno_value() != EEXIST) return status;
    auto subnets = read_subnets(socket, ifindex);
    if (!subnets) return subnets.error();
    if (std::find(subnets->begin(), subnets->end(), route.subnet) != subnets->end()) return {};
    return Error(ErrorKind::kConflict, "the host has another route to " + route.subnet.to_string(),
                 EEXIST);
}

Status request_no_host_route(nl_sock* socket, uint32_t ifindex, const HostRoute& route) {
    const std::string what = "delete the way to " + route.subnet.to_string();
    Status status =
        absent_is_success(route_request(RTM_DELROUTE, 0, ifindex, route).send(socket, what));
    if (status && !route.mac.is_zero()) {
        status = absent_is_success(
            neighbour_request(RTM_DELNEIGH, 0, ifindex, route).send(socket, what));
    }
    if (status && !route.mac.is_zero() && !route.vtep.is_unspecified())
        status = absent_is_success(fdb_request(RTM_DELNEIGH, 0, ifindex, route).send(socket, what));
    return status;
}

} // namespace cnet::netlink
