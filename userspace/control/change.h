// One step from what is observed to what is desired. reconcile() orders them, Applier does them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "userspace/control/hooks.h"
#include "userspace/control/model.h"
#include "userspace/control/tables.h"
#include "userspace/netlink/rtnl.h"

namespace cnet::control {

struct CreateVeth {
    netlink::VethSpec spec;
};

struct CreateVxlan {
    netlink::VxlanSpec spec;
};

struct CreateVxlanReceiver {
    netlink::VxlanReceiverSpec spec;
};

struct DeleteVxlanReceiver {
    netlink::VxlanReceiverSpec spec;
};

struct DeleteLink {
    std::string name;
};

struct SetMtu {
    std::string name;
    uint32_t mtu = 0;
};

struct SetPromiscuous {
    std::string name;
    bool on = true;
};

struct AddAddress {
    std::string name;
    IpPrefix address;
};

struct DeleteAddress {
    std::string name;
    IpPrefix address;
};

// Sysctls of both ends, then up: a host port that is up has been configured. Again when its
// addresses change.
struct BringUpHostPort {
    // What IPv6 is on the outer end: not there, as the distribution has it, or a router's.
    enum class Ipv6 { kOff, kLinkLocal, kRouter };

    std::string outer;
    std::string inner;
    Ipv6 ipv6 = Ipv6::kLinkLocal;
};

// A vxlan device or the way into another's namespace: sysctls, then up.
struct BringUpVxlan {
    std::string name;
};

// An endpoint whose inside is Docker's to configure.
struct BringUpHostEnd {
    std::string host_ifname;
};

// The inside first, the host's end last: an endpoint whose host end is up has been configured.
struct BringUpEndpoint {
    std::string host_ifname;
    netlink::Rtnl::EndpointSetup setup;
    RateLimit ingress;
};

// The inside first again: a host end with the right MTU has an inside with it.
struct UpdateEndpoint {
    netlink::Rtnl::EndpointUpdate update;
};

struct AddHostRoute {
    std::string device;
    netlink::HostRoute route;
};

struct DeleteHostRoute {
    std::string device;
    netlink::HostRoute route;
};

struct AttachHook {
    Attachment attachment;
    bool ethernet = true;
    std::string device;
};

struct DetachHook {
    Attachment attachment;
};

// Flows of an endpoint's address, in a network that has no other addresses than these by now, of a
// binding, of a binding whose clients are these alone by now, or that use an address of the host,
// and mappings of a network: any of these.
struct PurgeFlows {
    std::set<std::pair<NetworkId, IpAddress>> endpoints;
    std::map<NetworkId, std::set<IpAddress>> closed;
    std::set<BindingId> bindings;
    std::map<BindingId, std::vector<IpPrefix>> narrowed;
    std::set<IpAddress> host_addresses;
    std::set<NetworkId> mappings;

    bool empty() const {
        return endpoints.empty() && closed.empty() && bindings.empty() && narrowed.empty() &&
               host_addresses.empty() && mappings.empty();
    }
    bool matches(const cnet_ct_key& forward, const cnet_ct_entry& entry) const;
};

// Learned MACs behind these devices, behind these peers, and of these networks behind any peer.
struct PurgeMacs {
    std::set<uint32_t> ifindexes;
    std::set<PeerId> peers;
    std::set<NetworkId> from_peers;

    bool empty() const { return ifindexes.empty() && peers.empty() && from_peers.empty(); }
    bool matches(const cnet_fdb_key& key, const cnet_fdb_entry& entry) const;
};

using Change =
    std::variant<CreateVeth, CreateVxlan, CreateVxlanReceiver, DeleteVxlanReceiver, DeleteLink,
                 SetMtu, SetPromiscuous, AddAddress, DeleteAddress, BringUpHostPort, BringUpVxlan,
                 BringUpEndpoint, BringUpHostEnd, UpdateEndpoint, AddHostRoute, DeleteHostRoute,
                 AttachHook, DetachHook, TableChange, SlotChange, PurgeFlows, PurgeMacs>;

// For the log and for errors, "create veth cnet5"; the same for the same change.
std::string describe(const Change& change);

} // namespace cnet::control
