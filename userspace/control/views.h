// What commands take (specs) and answer (views): plain values, one struct an object of docs/api.md,
// keys in its order. Words that the API fixes ("up", "snat", "learned") are strings already.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/control/cluster.h"
#include "userspace/control/model.h"

namespace cnet::control {

struct NetworkSpec {
    std::string name;
    std::vector<IpPrefix> subnets; // none: one from the default pools
    bool layer2 = false;           // or none at all
    std::vector<IpAddress>
        gateways; // each belongs to the subnet that contains it; else the first address
    std::vector<IpPrefix> ip_ranges;     // likewise
    std::optional<uint32_t> mtu;         // none: 1500, or what the underlay leaves
    std::optional<uint32_t> vni;         // none: of this host alone
    bool vni_auto = false;               // the cluster's next free one
    std::optional<uint32_t> host_prefix; // each host has a part of the subnet of this length
    std::optional<bool> peer_learning;   // none: unless a cluster knows every MAC
    Mode mode = Mode::kNat;
    std::optional<Mode> mode6; // none: `mode` is of both families
    bool internal = false;
    bool icc = true;
    bool masquerade = true;
    std::optional<IpAddress> snat;
    std::optional<IpAddress> snat6;
    Nat nat = Nat::kSymmetric;
    bool learning = false;
    uint32_t ageing_s = 300;
    uint32_t mac_limit = 1024;
    uint32_t flood_limit = 0;
    bool allow_spoofing = false;
    bool names = true;
    std::optional<DockerNetwork> docker = {};

    bool spans_hosts() const { return vni || vni_auto; }
};

struct NetworkPatch {
    std::optional<uint32_t> mtu; // of the host's devices and inside endpoints
    std::optional<Mode> mode;
    std::optional<std::optional<Mode>> mode6; // inner none: "mode6": null
    std::optional<bool> icc;
    std::optional<bool> masquerade;
    std::optional<std::optional<IpAddress>>
        snat; // inner none: "snat": null, back to the uplink's own address
    std::optional<std::optional<IpAddress>> snat6;
    std::optional<Nat> nat;
    std::optional<bool> learning;
    std::optional<bool> peer_learning;
    std::optional<uint32_t> ageing_s;
    std::optional<uint32_t> mac_limit;
    std::optional<uint32_t> flood_limit;
    std::optional<bool> allow_spoofing;
    std::optional<bool> names;
};

struct AttachedView {
    std::string device;
    uint32_t ifindex = 0; // 0 while it is gone
    uint32_t mtu = 0;
    std::string state; // "up", "down", "gone", "unusable" (it has become what can be no port)
};

// None: as it is, or as AdoptedBridge has it.
struct AdoptSpec {
    std::string bridge;
    std::optional<bool> masquerade = {};
    std::optional<bool> icc = {};
    std::optional<bool> internal = {};
};

struct AdoptedPortView {
    std::string device;
    uint32_t ifindex = 0;
    std::string left; // why the bridge alone serves it; empty: frames go past the bridge
};

struct AdoptedView {
    std::string bridge;
    NetworkId id = 0;
    uint32_t ifindex = 0; // 0 while it is gone
    std::string state;    // "adopted", "left" (to itself, as it is set up now), "gone"
    std::string left;     // why
    bool masquerade = false;
    std::optional<Outside> outside4; // where its way out is ours
    std::optional<Outside> outside6;
    std::vector<std::string> trusted; // devices of the host
    bool icc = true;
    bool internal = false;
    std::optional<std::string> docker_network; // its name; none: it was adopted by name
    std::vector<AdoptedPortView> ports;
    std::vector<std::string> warnings; // what does not apply to frames that go past it
};

// In place of a bridge's name: all that Docker makes.
inline constexpr std::string_view kDocker = "docker";

// A port that Docker has published of somebody behind one of its bridges, and holds itself.
struct DockerPort {
    std::string bridge;
    IpAddress address;
    IpAddress host_ip; // of the same family; unspecified: every address of the host
    uint16_t host_port = 0;
    uint16_t port = 0;
    cnet_l4 l4 = CNET_L4_TCP;

    bool operator==(const DockerPort&) const = default;
};

// What Docker has at one moment.
struct DockerPicture {
    std::vector<AdoptedBridge> bridges; // without ids
    std::vector<DockerPort> ports;      // those that are to be served
};

struct DockerAdoptionView {
    bool adopted = false;
    bool configured = false; // by cnetd.toml, and not to be released by command
    std::string state;       // "off", "asking", "following", "away"
    std::string error;       // why it is away
    std::vector<AdoptedView> bridges;
};

struct NetworkView {
    Network network; // id, name, subnets (with gateway and ip_range) and every option
    std::string host_port;
    size_t endpoints = 0;
    std::vector<AttachedView> devices;
    std::vector<HostSubnet> host_subnets; // of other hosts
};

struct SandboxView {
    std::string name;
    std::string path;
    size_t endpoints = 0;
};

struct EndpointSpec {
    std::string network;
    std::string name;
    std::string netns; // a sandbox's name, a name below /run/netns, or an absolute path
    std::string ifname = "eth0";
    std::vector<IpAddress> ips; // a subnet without one gives the next free
    bool layer2 = false;        // no address at all
    std::optional<MacAddress> mac;
    bool default_route = true;
    bool disabled = false; // the device inside is left down
    std::vector<std::string> aliases;
    // Without a namespace, and the device's name is not asked for: Docker decides about both.
    std::optional<DockerEndpoint> docker = {};
    RateLimit ingress;
    RateLimit egress;
};

struct LeaseView {
    IpAddress address;
    std::optional<uint64_t> ends_in_s; // none: it does not end
};

struct EndpointView {
    EndpointId id = 0;
    std::string name;
    std::string network;
    std::string netns;
    std::string ifname;
    std::vector<IpPrefix> addresses;
    MacAddress mac;
    bool default_route = true;
    bool disabled = false;
    std::vector<std::string> aliases;
    RateLimit ingress;
    RateLimit egress;
    std::string host_ifname;
    uint32_t ifindex = 0;           // of host_ifname, 0 when it does not exist
    std::string state;              // "up", "down", "netns-gone", "waiting" (for Docker)
    std::vector<std::string> ports; // "0.0.0.0:8080->80/tcp"
    std::optional<LeaseView> lease; // from DHCP
    std::optional<DockerEndpoint> docker = {};
};

struct NamedView {
    std::string name;
    std::vector<std::string> aliases;
    std::vector<IpAddress> addresses;
};

// What a network's endpoints may ask the host for by name.
struct NamesView {
    NetworkId network_id = 0;
    std::string network;
    std::string device; // the host's on it
    uint32_t ifindex = 0;
    std::vector<IpAddress> gateways; // the host's addresses there
    std::vector<IpPrefix> subnets;
    bool internal = false;
    std::vector<NamedView> names; // of every host
};

// What Docker asks of its IPAM driver.
struct PoolRequest {
    std::optional<IpPrefix> prefix; // none: the next free one
    std::optional<IpPrefix> range;
    bool v6 = false;
};

// Only what is given changes; a rate without a burst takes the burst of old away.
struct PortPatch {
    std::optional<std::vector<IpPrefix>> allow_from;
    std::optional<uint32_t> new_rate;
    std::optional<uint32_t> new_burst;
};

struct PortView {
    BindingId id = 0;
    std::string endpoint; // BRIDGE/ADDRESS behind an adopted bridge
    std::string host_ip;  // "0.0.0.0" for every address
    uint16_t host_port = 0;
    uint16_t host_port_end = 0;
    uint16_t port = 0;
    uint16_t port_end = 0;
    std::string protocol; // "tcp", "udp", "sctp"
    std::vector<IpPrefix> allow_from;
    NewLimit new_limit;
    std::string reservation; // "socket", "store" (the kernel has no SCTP), "none" (a process has
                             // it), "publisher", "direct" (none of the host's)
};

struct UplinkView {
    std::string device;
    uint32_t ifindex = 0;
    std::vector<IpPrefix> addresses;
    std::string configured; // "auto", "added"
    bool ethernet = true;
    bool xdp = false;         // `uplink set --xdp native`
    bool xdp_running = false; // and its program is on the device
};

// Where a stated MAC is: one of the three.
struct FdbPlace {
    std::string endpoint;
    std::string device; // attached
    std::optional<IpAddress> peer = {};
};

struct PeerView {
    PeerId id = 0;
    std::string name;
    IpAddress address;
    std::optional<IpAddress> local; // of this host, towards it; none: no address of its family
    std::string origin;             // "static", "cluster"; "gone": its lease in the cluster ended
};

struct FdbView {
    std::string network;
    MacAddress mac;
    std::string device;
    std::optional<std::string> endpoint; // of this host, or of the peer
    std::optional<IpAddress> peer;
    std::string type; // "static", "learned", "host"
    std::optional<uint64_t> age_s;
};

struct NeighView {
    std::string network;
    IpAddress address;
    MacAddress mac;
    std::string device;
    std::optional<std::string> endpoint; // of this host, or of the peer
    std::optional<IpAddress> peer;
    std::string type;                  // "endpoint", "dhcp", "gateway"
    std::optional<uint64_t> ends_in_s; // of "dhcp"; none: it does not end
};

// Every condition given must hold. Addresses and ports match the original tuple.
struct CtFilter {
    std::optional<std::string> proto; // "tcp", "udp", "icmp", "icmpv6", "sctp"
    std::optional<IpAddress> src;
    std::optional<IpAddress> dst;
    std::optional<uint16_t> sport;
    std::optional<uint16_t> dport;
    std::optional<std::string> network;
    std::optional<std::string> endpoint; // either side of the flow
    std::optional<std::string> state;
    std::optional<std::string> type;
};

struct CtView {
    std::string protocol; // as in the filter, or the number
    std::string state;    // "new", "established", "closing", "time_wait", "closed"
    std::string type;     // "snat", "dnat", "hairpin", "host", "routed"
    std::string network;  // empty for the host's own flows
    IpAddress src;
    uint16_t src_port = 0;
    IpAddress dst;
    uint16_t dst_port = 0;
    IpAddress reply_src;
    uint16_t reply_src_port = 0;
    IpAddress reply_dst;
    uint16_t reply_dst_port = 0;
    uint64_t age_s = 0;
    uint64_t idle_s = 0;
    uint64_t expires_s = 0;
};

struct CtCount {
    uint64_t flows = 0;
    uint64_t entries = 0;
    uint64_t max_entries = 0;
};

struct NatView {
    std::string protocol;
    IpAddress address;
    uint16_t port = 0;
    uint64_t flows = 0;
    // Of an endpoint-independent mapping: what it leads to.
    std::optional<IpAddress> inside = {};
    std::optional<uint16_t> inside_port = {};
    std::optional<std::string> network = {};
};

struct DropView {
    std::string hook;
    std::string reason;
    std::string reason_class; // "forward", "punt", "drop", "event"
    uint64_t packets = 0;
    uint64_t bytes = 0;
    std::string meaning;
};

struct ReconcileStatus {
    uint64_t runs = 0;
    uint64_t repairs = 0;                  // changes made because kernel and desired state differed
    uint64_t link_lists = 0;               // times that all devices were read
    std::optional<std::string> last_error; // since the last full round began
};

// Of the connection table, as of the last sweep.
struct FlowFigures {
    struct Kind {
        std::string protocol; // "tcp", "udp", "icmp", "icmpv6", "sctp", "other"
        std::string state;
        uint64_t flows = 0;
    };
    std::vector<Kind> kinds;
    std::optional<uint64_t> entries; // none: there was no sweep yet
    uint64_t collected_flows = 0;    // since the start, here and below
    uint64_t collected_macs = 0;
};

struct StatusView {
    size_t networks = 0;
    size_t endpoints = 0;
    size_t ports = 0;
    size_t uplinks = 0;
    size_t sandboxes = 0;
    uint64_t connections = 0;
    ReconcileStatus reconcile;
    std::optional<ClusterStatus> cluster; // none: a host by itself
};

} // namespace cnet::control
