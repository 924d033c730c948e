// What the parts of Controller share: the state, the kernel as last seen, and the one way to change
// both.
#pragma once

#include <set>

#include "userspace/control/applier.h"
#include "userspace/control/controller.h"
#include "userspace/control/edit.h"
#include "userspace/control/link_news.h"
#include "userspace/control/network_rules.h"
#include "userspace/control/port_spec.h"
#include "userspace/control/ports.h"

namespace cnet::control {

// Where a stated MAC is: at an endpoint, at a peer, or else at an attached device.
struct StatedPlace {
    NetworkId network_id = 0; // a peer is in every network with a VNI
    EndpointId endpoint_id = 0;
    PeerId peer_id = 0;
    std::string device; // of the host
};

// Who a published port leads to: one of the two.
struct PortTarget {
    EndpointId endpoint_id = 0;
    std::optional<BridgeTarget> behind = {};

    bool is_of(const PublishedPort& port) const {
        return port.endpoint_id == endpoint_id && port.behind == behind;
    }
};

struct Controller::Impl {
    Impl(Parts parts_, Timeouts timeouts)
        : parts(parts_), collector(parts.tables, parts.hooks, parts.clock, timeouts),
          applier(parts.rtnl, parts.hooks, parts.tables, collector, observed) {}

    Parts parts;
    State state;
    store::LastIds ids;
    Observed observed; // as of the last look, and everything done since
    Collector collector;
    Applier applier;
    PortReservations reservations;
    std::map<BindingId, Error> unreserved; // published, but its port could not be bound
    std::set<std::string> failing;         // describe() of what the last repair could not do
    ReconcileStatus reconcile_status;
    std::map<std::pair<NetworkId, IpPrefix>, IpAddress>
        last_given;                                 // automatic addresses, by subnet
    uint16_t last_host_port = 0;                    // chosen by us
    std::map<EndpointId, uint64_t> lease_ends_ns;   // on the clock that counts through suspend
    std::map<EndpointId, IpAddress> refused_leases; // told of once

    // Store, then kernel; on an error both are as before. `next` is the whole state after the edit.
    Status change(State next, Edit edit);
    // The same; once it is made, what these bindings held is free.
    Status change_and_release(State next, Edit edit, const std::vector<BindingId>& released);

    // Tells the cluster what this host has.
    void publish();
    uint64_t names_revision = 0;
    OwnRecords own_records() const;
    ClusterEndpoint cluster_record(const Endpoint& endpoint) const;
    // Brings the state to what the cluster has, as of the last news; `follow_now` asks it first.
    Status follow();
    Status follow_now();
    Status give_back(const Network& network);
    // Whether a network of the cluster's can be here: kConflict with a subnet of this host, say.
    Status admissible(const Network& network) const;
    Status check_vni_is_free(uint32_t vni) const;
    std::vector<std::string> lease_parts(); // complaints
    Result<ClusterSubnet> lease_part(const Network& network);
    Status take_part(Network& network);
    std::vector<std::string> cluster_complaints; // of the last follow()
    Result<NetworkView> create_shared_network(const NetworkSpec& spec);
    // Agrees with all hosts on the endpoint's addresses and MAC, choosing others for those that
    // nobody `asked` for.
    Status claim(const Network& network, Endpoint& endpoint, const std::vector<IpAddress>& asked);
    // A network of the cluster is changed with the cluster's consent, and is all hosts'.
    Status check_shared(const Network& network) const;
    // A host that is gone, and all that it holds.
    Status forget_peer(const IpAddress& address);

    // Brings the kernel to `state`, from what is observed. A command stops at its first error, and
    // leaves aside what was failing before it; a repair does what it can, notes what fails, and
    // answers the first error.
    enum class Mode { kCommand, kRepair };
    Status converge(Mode mode);
    Status observe_all();
    Status repair();
    // Brings `observed` to what news say; whether there is anything to repair.
    Result<bool> take_news(const netlink::Events& news);
    Result<LinksTaken> take_link_changes(const netlink::Events& news);
    Result<bool> look_at_links(const State& by);
    Result<bool> forget_attachments(const std::set<uint32_t>& gone);
    bool links_known = true; // false: news were taken in part, and do not come again
    enum class Tell { kNothing, kErrors };
    void reserve_ports(Tell tell);
    void reserve_ports_after_predecessor();
    void note_error(const Error& error);

    // kNotFound, naming it.
    Result<const Network*> find_network(const std::string& name) const;
    // The same, and when there is none the cluster is asked.
    Result<const Network*> find_network_anywhere(const std::string& name);
    Result<const Endpoint*> find_endpoint(const std::string& name) const;
    Result<const Sandbox*> find_sandbox(const std::string& name) const;
    // None when there is none.
    const Peer* find_peer(const IpAddress& address) const;
    std::optional<IpAddress> peer_address(PeerId id) const;
    // Of a network or an adopted bridge.
    Result<NetworkId> network_id(const std::string& name) const;
    // The same, or 0 for every network when the name is empty.
    Result<NetworkId> network_filter(const std::string& name) const;

    // What a new network would be: all but its id and gateway's MAC.
    Result<Network> plan_network(const NetworkSpec& spec) const;
    // Read now: netlink's news may not have come yet.
    Result<std::vector<HostPrefix>> host_prefixes() const;

    NetworkView view(const Network& network) const;
    EndpointView view(const Endpoint& endpoint) const;
    PortView view(const PublishedPort& port) const;
    SandboxView view(const Sandbox& sandbox) const;
    Result<StatedPlace> find_place(const FdbPlace& place) const;
    std::vector<AttachedView> attached_views(NetworkId network) const;
    // Every device attached to the network takes packets as large as the network's.
    Status check_attached_mtu(const Network& network) const;
    PeerView view(const Peer& peer) const;
    AdoptedView view(const AdoptedBridge& adopted) const;
    // What runs already from behind it stays as it is.
    void leave_running(const AdoptedBridge& adopted);
    Result<AdoptedView> change_adopted(const AdoptedBridge& before, const AdoptSpec& spec);
    bool docker_answered = false; // since it was adopted or cnetd began
    std::string docker_error;     // of the last attempt to follow it
    // Why a bridge that Docker made cannot be adopted; empty: it can.
    std::string docker_objection(const AdoptedBridge& wanted) const;
    Status follow_docker_bridges(const std::vector<AdoptedBridge>& bridges);
    // Publishes those and no others behind Docker's bridges; an error when one is somebody else's.
    Status follow_docker_ports(const std::vector<DockerPort>& ports);
    std::optional<PublishedPort> docker_port(const DockerPort& port) const;
    // Takes back what an earlier configuration had adopted.
    Status forget_docker_unless_adopted();

    // Adds to `next` and `edit` what it takes to remove the endpoint with its ports and static FDB
    // entries.
    void remove_endpoint(State& next, Edit& edit, const Endpoint& endpoint) const;
    Status remove_endpoints(const std::vector<EndpointId>& ids);

    // Of the state as loaded: what is left of them.
    void take_up_leases();
    Status end_leases();
    void follow_lease(State& next, const DhcpSeen& seen);
    void take_lease(State& next, const Endpoint& endpoint, const DhcpMessage& message);
    // Who has the address that a server gives to the endpoint; empty when it may have it.
    std::string whose_address(const State& next, const Endpoint& endpoint,
                              const IpAddress& address) const;
    // Store, kernel and deadlines.
    Status change_leases(State next);
    // None: it does not end.
    std::optional<uint64_t> lease_ends_in_s(EndpointId id) const;

    const Network* find_docker_network(const std::string& id) const;
    const Endpoint* find_docker_endpoint(const std::string& id) const;
    // Not in a container now, as far as the devices tell.
    bool is_unplaced(const Endpoint& endpoint) const;
    // Those that Docker has put into a container once, that are in none now, and that have one of
    // these addresses: it gives them to another.
    Status evict_forgotten(const Network& network, const std::vector<IpAddress>& addresses);
    // Removes endpoints that Docker has forgotten, and addresses of its pools that none has.
    Status collect_docker();
    Status collect_docker_endpoints(uint64_t now_ns);
    Status collect_docker_addresses(uint64_t now_ns);
    Result<DockerPool> plan_pool(const PoolRequest& request) const;
    Result<IpAddress> plan_address(const DockerPool& pool, const std::optional<IpAddress>& address,
                                   bool gateway);
    const Network* network_of(const DockerPool& pool) const;
    // The endpoint of this host that has it; null when it is free.
    const Endpoint* endpoint_with(const Network& network, const IpAddress& address) const;
    std::map<EndpointId, uint64_t> unplaced_since_ns;
    std::map<std::pair<std::string, IpAddress>, uint64_t> unused_since_ns; // by pool
    // What was given before dockerd began, and has not been asked for again: a pool, or an address
    // of it.
    std::set<std::string> repeatable_pools;
    std::set<std::pair<std::string, IpAddress>> repeatable_addresses;
    std::map<std::string, IpAddress> last_given_of_pool;

    // Instead of what was stated of this MAC before.
    Status state_mac(const Network& network, const StaticFdb& entry);

    // Another host's endpoint that has it, in words.
    std::optional<std::string> holder_elsewhere(const Network& network,
                                                const IpAddress& address) const;
    // What was asked for, and one from each subnet that nothing was asked of.
    Result<std::vector<IpPrefix>> choose_addresses(const Network& network,
                                                   const std::vector<IpAddress>& wanted) const;
    // For the next automatic address; those that were `asked` for don't count.
    void remember_given(const Endpoint& endpoint, const std::vector<IpAddress>& asked);
    // Against our own published ports, then the host's processes. reserve_free also sets host_port:
    // to a free one of the spec's choice, or of the ephemeral range.
    Status reserve_given(const PublishedPort& port);
    Status reserve_free(PublishedPort& port, const PortSpec& spec);
    Families families_of(const PublishedPort& port) const;
    // An endpoint, or BRIDGE/ADDRESS.
    Result<PortTarget> find_target(const std::string& name) const;
    std::string name_of_target(const PublishedPort& port) const;
    // Nothing is published from where there is no outside.
    Status check_target(const PortSpec& spec, const PortTarget& target) const;
    // The one that `spec` names.
    Result<PublishedPort> find_port(const std::string& endpoint, const std::string& spec) const;
    // The sockets of a binding that is gone from the state.
    void release(BindingId id) {
        reservations.release(id);
        unreserved.erase(id);
    }

    // The endpoint's name behind a host-side device.
    std::optional<std::string> endpoint_at(uint32_t ifindex) const;
    std::string device_name(uint32_t ifindex) const;

private:
    // Without what is published on a port that a process of the host has by now: its connections
    // are not ours to capture.
    State effective_state() const;
    // What `converge` did, for the log and the status.
    struct Work {
        uint64_t changes = 0;
        std::vector<std::string> first; // described
        Status first_error;
    };
    Work converge_counting(Mode mode);
    // Whether another look is needed.
    bool apply_round(const std::vector<Change>& changes, Mode mode, Work& work);
};

// "NAME is not a valid name: ..." unless it is one.
Status check_name(const std::string& what, const std::string& name);
Error no_such(const std::string& what, const std::string& name);

} // namespace cnet::control
