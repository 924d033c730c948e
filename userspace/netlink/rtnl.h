// The one narrow interface over the kernel's links, addresses, routes and network namespaces. Rtnl
// is pure virtual so that control/ can be tested with a fake; KernelRtnl (kernel_rtnl.h) is the
// real one, on libnl-route-3.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/rate.h"
#include "userspace/base/result.h"
#include "userspace/netlink/bridging.h"

namespace cnet::netlink {

struct LinkInfo {
    uint32_t ifindex = 0;
    std::string name;
    std::string kind;  // "veth", "bridge", "" for hardware
    std::string alias; // ours: "cnet-bpf ..."
    MacAddress mac;
    uint32_t mtu = 0;
    bool up = false;
    bool loopback = false;
    bool has_ethernet = true; // false: tun, WireGuard, ppp
    uint32_t master = 0;      // ifindex of the bridge it is a port of
    bool promiscuous = false; // by somebody's setting; what the kernel's own users ask for aside
    uint32_t peer_here = 0;   // ifindex of a veth's other end, where that is in this namespace too

    bool operator==(const LinkInfo&) const = default;
};

struct AddressInfo {
    uint32_t ifindex = 0;
    IpPrefix prefix;
    bool global_scope = false;
    bool secondary = false; // IPv6: a temporary one, RFC 8981
    bool deprecated = false;
    bool tentative = false; // not the host's: being probed for a duplicate, or one

    bool operator==(const AddressInfo&) const = default;

    // What new connections of the host's may come from.
    bool is_stable() const {
        return global_scope && !deprecated && !tentative && (prefix.is_v4() || !secondary);
    }
};

struct RouteInfo {
    IpPrefix destination; // host bits zero
    uint32_t ifindex = 0; // of its first nexthop, 0 when it has none
    uint8_t protocol = 0; // RTPROT_*: who made it
};

// A veth pair whose peer may be created straight in another namespace.
struct VethSpec {
    std::string name;
    std::optional<MacAddress> mac;
    std::string alias;
    std::string peer_name;
    std::optional<MacAddress> peer_mac;
    std::string peer_netns; // path; empty: the same namespace
    uint32_t mtu = 1500;
};

// A vxlan device that learns nothing. Without a VNI it has no destination of its own either: each
// packet says where it goes, and from where it came ("external" in ip-link(8)).
struct VxlanSpec {
    std::string name;
    std::string alias;
    uint32_t vni = 0;               // 0: external
    std::optional<IpAddress> local; // where its packets come from
    std::optional<MacAddress> mac;
    uint16_t port = 4789;
    uint16_t source_port_min = 0; // of the outer UDP header; both 0: the kernel's choice
    uint16_t source_port_max = 0;
    uint32_t mtu = 1500;
};

// A vxlan device whose socket is in a namespace of its own, where no rule of the host's firewall
// is, and where every address is local. What is handed to the far end of `entrance` comes out of
// the device.
struct VxlanReceiverSpec {
    VxlanSpec vxlan;
    std::string entrance; // a veth's end
    std::string netns;    // path of the namespace's file
};

// The way to the subnet of another host by a vxlan device, as flannel's vxlan backend makes it: a
// route by way of the subnet's own address, whose neighbour entry says the MAC of the other host's
// device, whose FDB entry says where that host is.
struct HostRoute {
    IpPrefix subnet; // IPv4
    MacAddress mac;
    IpAddress vtep;

    auto operator<=>(const HostRoute&) const = default;
};

class Rtnl {
public:
    virtual ~Rtnl() = default;

    // All of this is about the namespace that the object was opened in.
    virtual Result<std::vector<LinkInfo>> links() = 0;
    virtual Result<std::vector<AddressInfo>> addresses() = 0;
    // Unicast routes of the main table, both families, all but the default ones.
    virtual Result<std::vector<RouteInfo>> routes() = 0;
    // Of these bridges, by ifindex; what is no bridge is left out.
    virtual Result<Bridging> bridging(const std::set<uint32_t>& bridges) = 0;
    // kNotFound when there is none.
    virtual Result<LinkInfo> link(const std::string& name) = 0;
    virtual Result<LinkInfo> link(uint32_t ifindex) = 0;

    // Both ends exist, down, or none. kConflict when a name is taken, kNotFound when peer_netns is
    // gone.
    virtual Status create_veth(const VethSpec& spec) = 0;
    // Down. kConflict when the name is taken.
    virtual Status create_vxlan(const VxlanSpec& spec) = 0;
    // Both devices, down, and the namespace, or none of them; what there was of them goes first.
    virtual Status create_vxlan_receiver(const VxlanReceiverSpec& spec) = 0;
    virtual Status delete_vxlan_receiver(const VxlanReceiverSpec& spec) = 0; // absent is success
    virtual Status delete_link(const std::string& name) = 0;                 // absent is success
    virtual Status set_up(const std::string& name, bool up) = 0;
    virtual Status set_mtu(const std::string& name, uint32_t mtu) = 0;
    // Of what leaves the device. The same again is success.
    virtual Status limit_rate(const std::string& name, const RateLimit& limit) = 0;
    virtual Status set_promiscuous(const std::string& name, bool on) = 0;
    virtual Status add_address(const std::string& name,
                               const IpPrefix& address) = 0; // present is success
    virtual Status delete_address(const std::string& name,
                                  const IpPrefix& address) = 0; // absent is success
    // Those that add_host_route() made; what is missing of one is zero. In no order.
    virtual Result<std::vector<HostRoute>> host_routes(const std::string& name) = 0;
    // Replaces what there was for the subnet. kConflict when the host has another route to it.
    virtual Status add_host_route(const std::string& name, const HostRoute& route) = 0;
    virtual Status delete_host_route(const std::string& name,
                                     const HostRoute& route) = 0; // absent is success
    // /proc/sys/net/FAMILY/conf/NAME/KEY of this namespace, for example ("ipv4", "cngw1",
    // "forwarding", "1").
    virtual Status set_sysctl(const std::string& family, const std::string& name,
                              const std::string& key, const std::string& value) = 0;

    // The same file, read: kNotFound when there is none.
    virtual Result<std::string> sysctl(const std::string& family, const std::string& name,
                                       const std::string& key) = 0;

    // Inside another namespace: sysctls, addresses, link up, lo up, default routes; one visit, all
    // or an error. IPv6 is switched on where the namespace's default is off, when there is an
    // address for it; router advertisements are not listened to unless
    // `listens`.
    struct EndpointSetup {
        std::string netns; // path
        std::string ifname;
        std::vector<IpPrefix> addresses;
        std::vector<IpAddress> default_gateways;
        RateLimit egress;     // none: the device's queue stays as it is
        bool up = true;       // off: it has no addresses either
        bool listens = false; // to router advertisements, as the namespace has it
    };
    virtual Status configure_endpoint(const EndpointSetup& setup) = 0;
    // Once frames can leave: gratuitous ARP and unsolicited neighbour advertisements for the
    // addresses, so that whoever knew another MAC for one of them forgets it. When it returns, the
    // kernel sends by the device and delivers what comes for each of them.
    virtual Status announce_endpoint(const EndpointSetup& setup) = 0;
    // A veth's end inside a namespace, whatever it is called by now: the other end of `host_ifname`
    // that has this MAC, since the namespace's path may be another's by now, and the index with it.
    struct InnerEnd {
        std::string netns; // path
        std::string host_ifname;
        MacAddress mac;
    };
    // What may change of an endpoint while it is in use; when its device or its namespace is gone
    // there is nothing to do.
    struct EndpointUpdate {
        InnerEnd inside;
        uint32_t mtu = 1500;
        std::vector<IpAddress> default_gateways;
        std::vector<IpAddress> former_gateways; // of default routes to take away
    };
    virtual Status update_endpoint(const EndpointUpdate& update) = 0;
    // As its namespace sees it; kNotFound when either is gone.
    virtual Result<LinkInfo> inner_end(const InnerEnd& which) = 0;
};

} // namespace cnet::netlink
