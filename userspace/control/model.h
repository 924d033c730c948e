// The desired state: what users asked for. Plain values; the store keeps them, reconcile makes the
// kernel agree.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/rate.h"
#include "userspace/base/result.h"
#include "userspace/control/docker_model.h"

namespace cnet::control {

using NetworkId = uint32_t;  // 1..0xfffffffe, given once and never again
using EndpointId = uint32_t; // likewise
using BindingId = uint32_t;  // likewise
using PeerId = uint32_t;     // likewise

struct Subnet {
    IpPrefix prefix;                  // host bits zero
    IpAddress gateway;                // inside prefix; the host port has it
    std::optional<IpPrefix> ip_range; // automatic addresses come from here

    bool operator==(const Subnet&) const = default;
};

// Each host of the cluster has a subnet of it to itself, and packets for another's are routed to
// that host.
struct HostPool {
    IpPrefix prefix;            // IPv4, host bits zero
    unsigned subnet_length = 0; // of each host's: longer than the pool's, and with room for hosts

    bool is_sound() const;
    uint32_t parts() const { return uint32_t{1} << (subnet_length - prefix.length()); }
    IpPrefix part(uint32_t index) const; // below parts()
    bool has_part(const IpPrefix& subnet) const;

    bool operator==(const HostPool&) const = default;
};

// Of the vxlan device that serves a part of a pool: made from its address, so that no two have one.
MacAddress vtep_mac(const IpPrefix& part);

// Masqueraded; reachable as it is; a network without the host; reachable as it is, by ICMP and by
// published ports alone, which are the endpoints' own and none of the host's; masqueraded, and
// reachable as it is from outside.
enum class Mode { kNat, kRouted, kIsolated, kRoutedPublished, kNatUnprotected };
std::string_view to_string(Mode mode); // "nat"
Result<Mode> parse_mode(std::string_view text);

// How masquerading maps ports and whom it lets in (RFC 4787): as Linux does, address and port
// dependent; or the same for every remote.
enum class Nat { kSymmetric, kEndpointIndependent };
std::string_view to_string(Nat nat); // "symmetric"
Result<Nat> parse_nat(std::string_view text);

struct Network {
    NetworkId id = 0;
    std::string name;
    std::vector<Subnet> subnets;  // none: a segment of frames, isolated
    std::optional<HostPool> pool; // the one subnet is this host's part of it
    uint32_t mtu = 1500;
    bool mtu_derived = false;  // from the underlay: `mtu` follows it
    uint32_t vni = 0;          // 0: of this host alone
    bool peer_learning = true; // learn source MACs of what peers send
    Mode mode = Mode::kNat;
    std::optional<Mode> mode6; // of IPv6 alone; none: `mode` is of both
    bool internal = false;
    bool icc = true;
    bool masquerade = true;
    std::optional<IpAddress> snat4; // masquerade with this address, none: the uplink's own
    std::optional<IpAddress> snat6;
    Nat nat = Nat::kSymmetric;
    bool learning = false;       // learn source MACs (implied by allow_spoofing)
    bool allow_spoofing = false; // no source check, learning on
    uint32_t ageing_s = 300;
    uint32_t mac_limit = 1024;
    uint32_t flood_limit = 0; // frames a second that one port may flood, 0: no limit
    bool names = true;        // the host tells its endpoints each other's addresses by name
    MacAddress gateway_mac;
    bool clustered = false; // of the whole cluster: its control plane says who is in it
    std::optional<DockerNetwork> docker = {};

    // One segment across hosts; with a pool each host has a segment of its own.
    bool is_overlay() const { return vni != 0 && !pool; }
    bool is_layer2() const { return subnets.empty() && !pool; }
    Mode mode_of(bool v4) const { return v4 ? mode : mode6.value_or(mode); }
    // Without the host in either family.
    bool is_isolated() const { return mode == Mode::kIsolated && mode_of(false) == mode; }
    // Whoever is outside may come straight to an address of some family.
    bool is_open() const;
    // Nothing beyond the host, or not even the host.
    bool is_internal() const { return internal || is_isolated(); }
    bool has_family(bool v4) const;
    // The host forwards IPv6 for it.
    bool routes_ipv6() const { return mode_of(false) != Mode::kIsolated && has_family(false); }

    // "cngw" + id in hex: the host port's outer end, with the gateway address.
    std::string host_port_outer() const;
    // "cnhp" + id in hex: its inner end, with the `hostport` program.
    std::string host_port_inner() const;
    // "cnvt" + id in hex: with a pool, the vxlan device towards other hosts' subnets.
    std::string vtep_device() const;

    bool operator==(const Network&) const = default;
};

struct Endpoint {
    EndpointId id = 0;
    std::string name; // unique on the host
    NetworkId network_id = 0;
    std::string netns;  // path of the namespace file; of Docker's empty until it has said
    std::string ifname; // inside the namespace
    std::vector<IpPrefix> addresses; // none: somebody else gives it one, or nobody
    MacAddress mac;
    bool default_route = true;
    bool disabled = false; // its device inside is left down, for whoever is to use it
    std::vector<std::string>
        aliases;       // further names of it, for resolvers; others may have them too
    RateLimit ingress; // of what it is sent
    RateLimit egress;  // of what it sends
    // Docker's: it moves the far end into a container and configures it there.
    std::optional<DockerEndpoint> docker = {};

    bool has_family(bool v4) const;

    // "cnet" + id in hex: the host side of the veth.
    std::string host_ifname() const;

    bool operator==(const Endpoint&) const = default;
};

// "cnep" + id in hex: what the endpoint's far end is called while that waits in the host's
// namespace.
std::string waiting_ifname(EndpointId id);

inline constexpr uint32_t kLeaseForever = 0xffffffff;

// An address that a DHCP server gave to an endpoint, beside those it has of us.
struct Lease {
    EndpointId endpoint_id = 0;
    IpAddress address;
    uint32_t duration_s = 0; // kLeaseForever: it does not end
    int64_t ends_s = 0;      // on the wall clock, since 1970

    bool operator==(const Lease&) const = default;
};

// Who keeps a published port from other processes of the host: cnetd, by a socket, or whoever had
// it published, as podman does.
enum class Holder { kDaemon, kPublisher };

// Somebody behind an adopted bridge, whom nobody states.
struct BridgeTarget {
    NetworkId network_id = 0;
    IpAddress address;

    bool operator==(const BridgeTarget&) const = default;
};

// How many connections from outside may begin.
struct NewLimit {
    uint32_t per_second = 0; // 0: no limit
    uint32_t burst = 0;      // at once after a pause; 0: a second's worth

    bool operator==(const NewLimit&) const = default;
};

struct PublishedPort {
    BindingId id = 0;
    EndpointId endpoint_id = 0;       // 0: `behind` is there
    std::optional<IpAddress> host_ip; // none: every address of the host; of a direct one the family
    uint16_t host_port = 0;           // first of the range; of a direct one (State) it is `port`
    uint16_t port = 0;                // first port at the endpoint
    uint16_t count = 1;
    cnet_l4 l4 = CNET_L4_TCP;
    std::vector<IpPrefix> allow_from = {}; // host bits zero; none: everybody
    Holder holder = Holder::kDaemon;
    // Its host_ip is there too, and of the address's family.
    std::optional<BridgeTarget> behind = {};
    NewLimit new_limit = {};

    bool operator==(const PublishedPort&) const = default;
};

struct Sandbox {
    std::string name;
    std::string path; // of the namespace file

    bool operator==(const Sandbox&) const = default;
};

// A device of the host that somebody else made, as a port of a network. It is known by its name:
// one that goes and comes back is followed.
struct AttachedDevice {
    std::string device;
    NetworkId network_id = 0;
    bool promiscuous = false; // switched on by us; detaching switches it off

    bool operator==(const AttachedDevice&) const = default;
};

// How one family of an adopted bridge that we masquerade for meets the outside, in Docker's words
// (gateway_mode). kKept, kKeptUnprotected: as kNat and kUnprotected, and sources are left as they
// are.
enum class Gateway { kNat, kUnprotected, kKept, kRouted, kKeptUnprotected };
std::string_view to_string(Gateway gateway); // "nat"
Result<Gateway> parse_gateway(std::string_view text);

struct Outside {
    Gateway gateway = Gateway::kNat;
    std::optional<IpAddress> snat; // masquerade with this address, none: the uplink's own

    bool masquerades() const {
        return gateway == Gateway::kNat || gateway == Gateway::kUnprotected;
    }
    bool operator==(const Outside&) const = default;
};

// A bridge that somebody else made: what may go past it does. It is known by its name, and its
// ports are those that it has.
struct AdoptedBridge {
    std::string bridge;
    NetworkId network_id = 0;                // no network of State's; the maps know it by this
    bool masquerade = false;                 // the way out of it, and into it, is ours
    bool icc = true;                         // from one port to another
    bool internal = false;                   // nothing beyond the host, nor from there
    std::optional<DockerBridge> docker = {}; // none: it was adopted by name
    Outside outside4 = {};                   // where `masquerade` is on
    Outside outside6 = {};
    // By these devices of the host one may come straight to what is published (Docker's
    // trusted_host_interfaces).
    std::vector<std::string> trusted = {};

    // It is known, and nothing more: it may be an uplink, say.
    bool is_left() const { return docker && !docker->left.empty(); }

    bool operator==(const AdoptedBridge&) const = default;
};

// At an endpoint, at a peer, or else at an attached device.
struct StaticFdb {
    NetworkId network_id = 0;
    MacAddress mac;
    EndpointId endpoint_id = 0;
    std::string device; // attached
    PeerId peer_id = 0;

    bool operator==(const StaticFdb&) const = default;
};

// Another host of the overlay.
struct Peer {
    PeerId id = 0;
    std::string name;       // empty: none was given
    IpAddress address;      // of its VTEP
    bool clustered = false; // the cluster says so, not `peer add`

    bool operator==(const Peer&) const = default;
};

// An endpoint of another host, as that host's control plane says.
struct RemoteEndpoint {
    NetworkId network_id = 0;
    PeerId peer_id = 0;
    std::string name; // unique on its host
    // Zero: ports whose addresses nobody knows, as an attached device is. Floods go there.
    MacAddress mac;
    std::vector<IpAddress> addresses;
    std::vector<std::string> aliases;

    bool operator==(const RemoteEndpoint&) const = default;
};

// Another host's part of a network's pool.
struct HostSubnet {
    NetworkId network_id = 0;
    IpPrefix prefix;
    std::string host;
    IpAddress vtep;
    MacAddress mac; // of its vxlan device

    bool operator==(const HostSubnet&) const = default;
};

struct OverlayConfig {
    uint16_t port = 4789;              // UDP
    uint16_t routed_port = 8472;       // UDP, between hosts with a subnet each
    std::optional<IpAddress> address4; // this host's VTEP; none: an uplink's address
    std::optional<IpAddress> address6;
    // File of the namespace in which the kept device's other half listens; empty: it has none.
    std::string receiver_netns;
};

// Whether devices become uplinks by themselves.
enum class UplinkPolicy { kAutomatic, kAddedOnly };

struct State {
    std::map<NetworkId, Network> networks;
    std::map<EndpointId, Endpoint> endpoints;
    std::map<BindingId, PublishedPort> ports;
    std::map<EndpointId, Lease> leases;
    std::map<std::string, Sandbox> sandboxes;
    std::map<std::string, bool>
        uplinks; // explicit `uplink add` (true) and `uplink delete` (false) by device name
    std::set<std::string> xdp_uplinks;              // `uplink set --xdp native`, by device name
    std::map<std::string, AttachedDevice> attached; // by device
    std::map<std::string, AdoptedBridge> adopted;   // by bridge
    bool adopts_docker = false;                     // what Docker makes is adopted
    std::vector<StaticFdb> fdb;
    std::map<PeerId, Peer> peers;
    std::map<std::pair<PeerId, std::string>, RemoteEndpoint> remotes; // by host and name there
    std::map<std::string, DockerPool> docker_pools;                   // by id
    std::map<std::pair<NetworkId, IpPrefix>, HostSubnet> host_subnets;
    UplinkPolicy uplink_policy = UplinkPolicy::kAutomatic; // configuration, not in the store
    OverlayConfig overlay;                                 // likewise
    uint32_t endpoint_flows = 0; // likewise: how many one may have at a time, 0: any number

    // Whether it may have addresses that the control plane never heard of.
    bool is_open(const Network& network) const;
    // Of its target's own address, and none of the host's: where that is reached as it is, by what
    // it publishes. In each family that the port is of, or in one.
    bool is_direct(const PublishedPort& port) const;
    bool is_direct(const PublishedPort& port, bool v4) const;
    // Of an adopted bridge it is the bridge's; empty: there is no such network.
    std::string network_name(NetworkId id) const;
};

} // namespace cnet::control
