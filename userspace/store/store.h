// Where the desired state is kept. commit() is one transaction: after a crash at any moment, of the
// process or of the machine, either all of its mutations are there or none.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/model.h"

namespace cnet::store {

// Inserts the object or replaces the one with its id (or name).
struct PutNetwork {
    control::Network network;
};
struct PutEndpoint {
    control::Endpoint endpoint;
};
struct PutPort {
    control::PublishedPort port;
};
struct PutSandbox {
    control::Sandbox sandbox;
};
struct PutUplink {
    std::string device;
    bool added = true; // false: an explicit `uplink delete`
};
// An uplink of this name, whenever there is one, has its XDP program.
struct SetUplinkXdp {
    std::string device;
    bool native = false;
};
struct PutAttached {
    control::AttachedDevice attached;
};
struct PutAdopted {
    control::AdoptedBridge adopted;
};
// All that Docker makes is to be adopted, or no more.
struct SetAdoptsDocker {
    bool adopts = false;
};
struct PutFdb {
    control::StaticFdb entry;
};
struct PutLease {
    control::Lease lease;
};
struct PutPeer {
    control::Peer peer;
};
struct PutRemote {
    control::RemoteEndpoint remote;
};
// Without its addresses.
struct PutDockerPool {
    control::DockerPool pool;
};
struct PutDockerAddress {
    std::string pool;
    IpAddress address;
    bool gateway = false;
};
struct PutHostSubnet {
    control::HostSubnet subnet;
};

// Absent is success.
struct RemoveNetwork {
    control::NetworkId id = 0;
};
struct RemoveEndpoint {
    control::EndpointId id = 0;
};
struct RemovePort {
    control::BindingId id = 0;
};
struct RemoveSandbox {
    std::string name;
};
struct RemoveUplink {
    std::string device;
};
struct RemoveAttached {
    std::string device;
};
struct RemoveAdopted {
    std::string bridge;
};
struct RemoveFdb {
    control::NetworkId network_id = 0;
    MacAddress mac;
};
struct RemoveLease {
    control::EndpointId endpoint_id = 0;
};
struct RemovePeer {
    control::PeerId id = 0;
};
struct RemoveRemote {
    control::PeerId peer_id = 0;
    std::string name;
};
struct RemoveDockerPool { // and its addresses
    std::string id;
};
struct RemoveDockerAddress {
    std::string pool;
    IpAddress address;
};
struct RemoveHostSubnet {
    control::NetworkId network_id = 0;
    IpPrefix prefix;
};

using Mutation =
    std::variant<PutNetwork, PutEndpoint, PutPort, PutSandbox, PutUplink, PutAttached, PutFdb,
                 PutPeer, PutLease, PutRemote, RemoveNetwork, RemoveEndpoint, RemovePort,
                 RemoveSandbox, RemoveUplink, RemoveAttached, RemoveFdb, RemovePeer, RemoveLease,
                 RemoveRemote, PutDockerPool, PutDockerAddress, RemoveDockerPool,
                 RemoveDockerAddress, PutAdopted, RemoveAdopted, SetAdoptsDocker, PutHostSubnet,
                 RemoveHostSubnet, SetUplinkXdp>;

// The highest id ever committed of each kind, removed objects included: ids are never given twice.
struct LastIds {
    control::NetworkId network = 0;
    control::EndpointId endpoint = 0;
    control::BindingId binding = 0;
    control::PeerId peer = 0;
};

struct Snapshot {
    control::State state;
    LastIds last_ids;
};

class Store {
public:
    virtual ~Store() = default;

    virtual Result<Snapshot> load() = 0;
    // In the order given; a mutation that breaks a reference (an endpoint without its network)
    // fails the whole.
    virtual Status commit(const std::vector<Mutation>& mutations) = 0;
};

} // namespace cnet::store
