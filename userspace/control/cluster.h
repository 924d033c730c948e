// What hosts of a cluster agree on before one of them acts, and what each knows of the others: as
// the controller sees it. userspace/cluster has it over etcd; a host by itself has none.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/result.h"
#include "userspace/control/model.h"

namespace cnet::control {

struct ClusterHost {
    std::string name;
    std::vector<IpAddress> vteps; // its addresses in the underlay, one a family
    bool alive = false;           // its lease runs

    bool operator==(const ClusterHost&) const = default;
};

struct ClusterEndpoint {
    std::string host;
    std::string network;
    uint32_t vni = 0;
    std::string name; // unique on its host; "@DEVICE" for an attached device
    MacAddress mac;   // zero: ports whose addresses nobody knows
    std::vector<IpAddress> addresses;
    std::vector<std::string> aliases;
    // Its addresses are to be agreed on: not those of a subnet that its host has to itself.
    bool agreed = true;

    bool operator==(const ClusterEndpoint&) const = default;
};

// A host's part of a network's pool.
struct ClusterSubnet {
    uint32_t vni = 0;
    IpPrefix prefix;
    std::string host; // a member or not
    IpAddress vtep;
    MacAddress mac;

    bool operator==(const ClusterSubnet&) const = default;
};

// All hosts together, this one's endpoints left out.
struct ClusterState {
    std::vector<Network> networks; // their ids are not theirs: zero; with a pool, without subnets
    std::vector<ClusterHost> hosts;
    std::vector<ClusterEndpoint> endpoints; // of hosts that are alive
    std::vector<ClusterSubnet> subnets;     // this host's too
};

// What this host tells the others.
struct OwnRecords {
    std::vector<IpAddress> vteps;
    std::vector<ClusterEndpoint> endpoints;
    std::vector<ClusterSubnet> subnets;
};

struct ClusterStatus {
    std::string host;
    bool connected = false;
    std::string error; // why not
    int64_t revision = 0;
    size_t hosts = 0;                   // alive, this one included
    std::vector<std::string> conflicts; // sentences
};

// Calls that need an agreement block for a few seconds at most, and fail with kUnavailable while
// etcd is away: at once when that is known already.
class Cluster {
public:
    virtual ~Cluster() = default;

    virtual const std::string& host() const = 0; // this one's name
    virtual bool connected() const = 0;          // as far as is known

    // The networks as of now, not as of the last news.
    virtual Result<ClusterState> refresh() = 0;
    // As of the last news; valid until the next call that is not const. Until all was read once, it
    // is empty and says nothing.
    virtual const ClusterState& state() const = 0;
    virtual bool was_read() const = 0;

    // Nobody changed a network since the refresh() before it, or kConflict: look again. A network
    // without a VNI gets one.
    virtual Result<Network> create_network(const Network& network) = 0;
    virtual Status update_network(const Network& network) = 0;
    // kConflict while any host has an endpoint in it.
    virtual Status delete_network(const Network& network) = 0;

    // Who has an address or a MAC of this network: "endpoint web of host b".
    virtual std::optional<std::string> holder_of(uint32_t vni, const IpAddress& address) const = 0;
    // All of them or none; kConflict names the holder, and holder_of() knows it from then on.
    virtual Status claim(const ClusterEndpoint& endpoint) = 0;
    // A free part of the network's pool, or the one that this host has: for good, until the network
    // is deleted or the host forgotten. kExhausted when there is none left.
    virtual Result<ClusterSubnet> lease_subnet(const Network& network, const IpAddress& vtep) = 0;
    // Gives back what claim() and lease_subnet() took and `own` is without, now or when etcd is
    // there again.
    virtual void publish(const OwnRecords& own) = 0;

    // Forgets a host that is gone, with every address that it holds. kNotFound; kConflict while it
    // is alive.
    virtual Status forget_host(const std::string& name) = 0;

    virtual ClusterStatus status() const = 0;
};

} // namespace cnet::control
