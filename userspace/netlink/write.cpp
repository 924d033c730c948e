#include "userspace/netlink/write.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>

#include "userspace/base/netns.h"
#include "userspace/netlink/message.h"
#include "userspace/netlink/read.h"

namespace cnet::netlink {
namespace {

int family_of(const IpAddress& address) {
    return address.is_v4() ? AF_INET : AF_INET6;
}

Message link_request(int type, int flags, const std::string& name, ifinfomsg header = {}) {
    Message message(type, flags);
    message.append(header);
    message.put(IFLA_IFNAME, name);
    return message;
}

Message address_request(int type, int flags, uint32_t ifindex, const IpPrefix& address) {
    Message message(type, flags);
    ifaddrmsg header{};
    header.ifa_family = static_cast<uint8_t>(family_of(address.address()));
    header.ifa_prefixlen = static_cast<uint8_t>(address.length());
    header.ifa_flags = address.is_v4() ? 0 : IFA_F_NODAD;
    header.ifa_index = ifindex;
    if (address.address().is_loopback()) header.ifa_scope = RT_SCOPE_HOST;
    message.append(header);
    message.put(IFA_LOCAL, wire_bytes(address.address()));
    message.put(IFA_ADDRESS, wire_bytes(address.address()));
    return message;
}

void put_end(Message& message, const std::string& name, const std::optional<MacAddress>& mac,
             uint32_t mtu) {
    message.put(IFLA_IFNAME, name);
    message.put(IFLA_MTU, mtu);
    if (mac) message.put(IFLA_ADDRESS, mac->bytes());
}

// EEXIST does not say which of the two names is taken.
Error name_the_taken(nl_sock* socket, const VethSpec& spec, const Error& error) {
    if (error.kind() != ErrorKind::kConflict) return error;
    const auto where = spec.peer_netns.empty() ? "" : " in " + spec.peer_netns;
    const auto& taken = read_link(socket, spec.name) ? spec.name : spec.peer_name + where;
    return {ErrorKind::kConflict, "device " + taken + " exists already", error.errno_value()};
}

// RTM_NEWLINK ignores an alias when it creates. A device that cannot have it goes again.
Status set_first_alias(nl_sock* socket, const std::string& name, const std::string& text) {
    if (text.empty()) return {};
    auto alias = link_request(RTM_NEWLINK, 0, name);
    alias.put(IFLA_IFALIAS, text);
    auto named = alias.send(socket, "set the alias of " + name);
    if (named) return {};
    if (auto undone = request_delete_link(socket, name); !undone)
        return named.error().because("also failed: " + undone.error().message());
    return named;
}

std::array<uint8_t, 2> port_bytes(uint16_t port) {
    return {static_cast<uint8_t>(port >> 8), static_cast<uint8_t>(port)};
}

constexpr int kHere = -1;

// The device comes to be in `netns`.
Message vxlan_request(const VxlanSpec& spec, int netns) {
    ifla_vxlan_port_range sources{htons(spec.source_port_min), htons(spec.source_port_max)};
    Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.append(ifinfomsg{});
    put_end(message, spec.name, spec.mac, spec.mtu);
    if (netns != kHere) message.put(IFLA_NET_NS_FD, static_cast<uint32_t>(netns));
    message.begin_nest(IFLA_LINKINFO);
    message.put(IFLA_INFO_KIND, "vxlan");
    message.begin_nest(IFLA_INFO_DATA);
    if (spec.vni == 0)
        message.put(IFLA_VXLAN_COLLECT_METADATA, uint8_t{1});
    else
        message.put(IFLA_VXLAN_ID, spec.vni);
    if (spec.local) {
        message.put(spec.local->is_v4() ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6,
                    wire_bytes(*spec.local));
    }
    message.put(IFLA_VXLAN_LEARNING, uint8_t{0});
    // Without it the kernel drops what comes over IPv6 without an outer checksum, as we send it.
    message.put(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, uint8_t{1});
    message.put(IFLA_VXLAN_PORT, port_bytes(spec.port));
    if (spec.source_port_max != 0) {
        message.put(IFLA_VXLAN_PORT_RANGE,
                    std::span(reinterpret_cast<const uint8_t*>(&sources), sizeof(sources)));
    }
    for (int nest = 0; nest < 2; ++nest)
        message.end_nest();
    return message;
}

} // namespace

Status request_veth(nl_sock* socket, const VethSpec& spec) {
    UniqueFd peer_netns;
    if (!spec.peer_netns.empty()) {
        auto opened = open_netns(spec.peer_netns);
        if (!opened) return opened.error();
        peer_netns = std::move(*opened);
    }
    Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.append(ifinfomsg{});
    put_end(message, spec.name, spec.mac, spec.mtu);
    message.begin_nest(IFLA_LINKINFO);
    message.put(IFLA_INFO_KIND, "veth");
    message.begin_nest(IFLA_INFO_DATA);
    message.begin_nest(VETH_INFO_PEER);
    message.append(ifinfomsg{});
    put_end(message, spec.peer_name, spec.peer_mac, spec.mtu);
    if (peer_netns) message.put(IFLA_NET_NS_FD, static_cast<uint32_t>(peer_netns.get()));
    for (int nest = 0; nest < 3; ++nest)
        message.end_nest();
    auto created = message.send(socket, "create the veth pair " + spec.name);
    if (!created) return name_the_taken(socket, spec, created.error());
    return set_first_alias(socket, spec.name, spec.alias);
}

Status request_vxlan(nl_sock* socket, const VxlanSpec& spec) {
    auto created = vxlan_request(spec, kHere).send(socket, "create the vxlan device " + spec.name);
    if (!created) return created;
    return set_first_alias(socket, spec.name, spec.alias);
}

Status request_vxlan(nl_sock* socket, const VxlanSpec& spec, nl_sock* home, int home_netns) {
    auto created =
        vxlan_request(spec, home_netns).send(socket, "create the vxlan device " + spec.name);
    if (!created) return created;
    return set_first_alias(home, spec.name, spec.alias);
}
Status request_delete_link(nl_sock* socket, const std::string& name) {
    auto deleted = link_request(RTM_DELLINK, 0, name).send(socket, "delete " + name);
    if (!deleted && deleted.error().kind() == ErrorKind::kNotFound) return {};
    return deleted;
}

Status request_up(nl_sock* socket, const std::string& name, bool up) {
    ifinfomsg header{};
    header.ifi_flags = up ? IFF_UP : 0;
    header.ifi_change = IFF_UP; // every other flag stays
    return link_request(RTM_NEWLINK, 0, name, header)
        .send(socket, "set " + name + (up ? " up" : " down"));
}

Status request_promiscuous(nl_sock* socket, const std::string& name, bool on) {
    ifinfomsg header{};
    header.ifi_flags = on ? IFF_PROMISC : 0;
    header.ifi_change = IFF_PROMISC;
    return link_request(RTM_NEWLINK, 0, name, header)
        .send(socket, "switch promiscuous mode of " + name + (on ? " on" : " off"));
}

Status request_same_mac(nl_sock* socket, const LinkInfo& link) {
    auto message = link_request(RTM_NEWLINK, 0, link.name);
    message.put(IFLA_ADDRESS, link.mac.bytes());
    return message.send(socket, "announce the addresses of " + link.name);
}

Status request_eui64(nl_sock* socket, const std::string& name) {
    auto message = link_request(RTM_NEWLINK, 0, name);
    message.begin_nest(IFLA_AF_SPEC);
    message.begin_nest(AF_INET6);
    message.put(IFLA_INET6_ADDR_GEN_MODE, uint8_t{IN6_ADDR_GEN_MODE_EUI64});
    for (int nest = 0; nest < 2; ++nest)
        message.end_nest();
    auto set = message.send(socket, "have " + name + " make addresses from its MAC");
    if (!set && set.error().errno_value() == EAFNOSUPPORT) return {};
    return set;
}

Status request_mtu(nl_sock* socket, const std::string& name, uint32_t mtu) {
    auto message = link_request(RTM_NEWLINK, 0, name);
    message.put(IFLA_MTU, mtu);
    return message.send(socket, "set the MTU of " + name + " to " + std::to_string(mtu));
}

Status request_add_address(nl_sock* socket, uint32_t ifindex, const IpPrefix& address) {
    auto added = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, address)
                     .send(socket, "add the address " + address.to_string());
    if (!added && added.error().errno_value() == EEXIST) return {};
    return added;
}

Status request_delete_address(nl_sock* socket, uint32_t ifindex, const IpPrefix& address) {
    auto deleted = address_request(RTM_DELADDR, 0, ifindex, address)
                       .send(socket, "delete the address " + address.to_string());
    if (deleted) return deleted;
    const int errno_value = deleted.error().errno_value();
    if (errno_value == EADDRNOTAVAIL || errno_value == ENODEV) return {};
    return deleted;
}

namespace {

Message default_route_request(int type, int flags, uint32_t ifindex, const IpAddress& gateway) {
    Message message(type, flags);
    rtmsg header{};
    header.rtm_family = static_cast<uint8_t>(family_of(gateway));
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol =
        RTPROT_BOOT; // as ip-route(8) has it, and what a container's own tools expect
    header.rtm_scope = RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    message.append(header);
    message.put(RTA_GATEWAY, wire_bytes(gateway));
    message.put(RTA_OIF, ifindex);
    return message;
}

} // namespace

Status request_local_default(nl_sock* socket, int family, uint32_t lo_ifindex) {
    Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    rtmsg header{};
    header.rtm_family = static_cast<uint8_t>(family);
    header.rtm_table = RT_TABLE_LOCAL;
    header.rtm_protocol = RTPROT_BOOT;
    header.rtm_scope = RT_SCOPE_HOST;
    header.rtm_type = RTN_LOCAL;
    message.append(header);
    message.put(RTA_OIF, lo_ifindex);
    return message.send(socket, "make every address local");
}

Status request_default_route(nl_sock* socket, uint32_t ifindex, const IpAddress& gateway) {
    auto message = default_route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, ifindex, gateway);
    auto added = message.send(socket, "add a default route by way of " + gateway.to_string());
    if (added || added.error().errno_value() != EEXIST) return added;
    auto same = has_default_route(socket, gateway, ifindex);
    if (!same) return same.error();
    if (*same) return {};
    return Error(ErrorKind::kConflict,
                 "there is another default route than by way of " + gateway.to_string(), EEXIST);
}

Status request_no_default_route(nl_sock* socket, uint32_t ifindex, const IpAddress& gateway) {
    auto deleted = default_route_request(RTM_DELROUTE, 0, ifindex, gateway)
                       .send(socket, "delete the default route by way of " + gateway.to_string());
    if (!deleted && deleted.error().errno_value() == ESRCH) return {};
    return deleted;
}

} // namespace cnet::netlink
