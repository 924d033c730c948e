#include "userspace/netlink/host_route.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/neighbour.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "userspace/netlink/address.h"
#include "userspace/netlink/cache.h"
#include "userspace/netlink/message.h"
#include "userspace/netlink/read.h"

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

// What the kernel keeps by MAC and address of a device.
struct Table {
    uint8_t family;
    uint16_t state;
    uint8_t flags;
};
constexpr Table kNeighbours{AF_INET, NUD_PERMANENT, 0};
// NTF_SELF: of the vxlan device's own table, not of a bridge that it might be a port of.
constexpr Table kForwarding{AF_BRIDGE, NUD_PERMANENT | NUD_NOARP, NTF_SELF};

Message entry_request(int type, int flags, const Table& table, uint32_t ifindex,
                      const MacAddress& mac, const IpAddress& to) {
    Message message(type, flags);
    ndmsg header{};
    header.ndm_family = table.family;
    header.ndm_ifindex = static_cast<int>(ifindex);
    header.ndm_state = table.state;
    header.ndm_flags = table.flags;
    message.append(header);
    message.put(NDA_LLADDR, mac.bytes());
    message.put(NDA_DST, wire_bytes(to));
    return message;
}

Message neighbour_request(int type, int flags, uint32_t ifindex, const HostRoute& route) {
    return entry_request(type, flags, kNeighbours, ifindex, route.mac, route.subnet.network());
}

Message fdb_request(int type, int flags, uint32_t ifindex, const HostRoute& route) {
    return entry_request(type, flags, kForwarding, ifindex, route.mac, route.vtep);
}

Status absent_is_success(Status status) {
    if (status) return status;
    const int errno_value = status.error().errno_value();
    return errno_value == ESRCH || errno_value == ENOENT ? Status() : status;
}

template <typename Visit>
Status for_each_entry(nl_sock* socket, const Table& table, uint32_t ifindex, Visit visit) {
    nl_cache* made = nullptr;
    if (const int code = nl_cache_alloc_name("route/neigh", &made); code < 0)
        return nl_error("list the neighbours", code);
    const Cache cache(made);
    // libnl's own request is too short for what the kernel wants of one for AF_BRIDGE.
    ndmsg header{};
    header.ndm_family = table.family;
    int code = nl_send_simple(socket, RTM_GETNEIGH, NLM_F_DUMP, &header, sizeof(header));
    if (code >= 0) code = nl_cache_pickup(socket, made);
    if (code < 0) return nl_error("list the neighbours", code);
    for_each(made, [&](nl_object* object) {
        auto* entry = reinterpret_cast<rtnl_neigh*>(object);
        if (static_cast<uint32_t>(rtnl_neigh_get_ifindex(entry)) != ifindex) return;
        const auto ip = to_ip(rtnl_neigh_get_dst(entry));
        const auto mac = to_mac(rtnl_neigh_get_lladdr(entry));
        if (ip && mac) visit(*ip, *mac);
    });
    return {};
}

Result<std::vector<IpPrefix>> read_subnets(nl_sock* socket, uint32_t ifindex) {
    auto routes = read_routes(socket);
    if (!routes) return routes.error();
    std::vector<IpPrefix> subnets;
    for (const RouteInfo& route : *routes) {
        if (route.ifindex == ifindex && route.protocol == kRouteProtocol)
            subnets.push_back(route.destination);
    }
    return subnets;
}

} // namespace

Result<std::vector<HostRoute>> read_host_routes(nl_sock* socket, uint32_t ifindex) {
    auto subnets = read_subnets(socket, ifindex);
    if (!subnets) return subnets.error();
    std::map<IpAddress, MacAddress> neighbours;
    Status read =
        for_each_entry(socket, kNeighbours, ifindex,
                       [&](const IpAddress& ip, const MacAddress& mac) { neighbours[ip] = mac; });
    if (!read) return read.error();
    std::map<MacAddress, IpAddress> vteps;
    read = for_each_entry(socket, kForwarding, ifindex,
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
