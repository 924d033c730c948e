// Every command of docs/api.md, on one host: single-threaded, called from cnetd's event loop.
//
// A change is validated, written to the store in one transaction, then applied to the kernel. When
// applying fails, the kernel and the store are put back and the error is answered; a crash in
// between leaves either before or after, since start() completes or removes what is half-done. What
// the kernel should hold is always computed from the whole desired state (reconcile.h); a command
// differs from the periodic repair only in what it compares with.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/cluster.h"
#include "userspace/control/dhcp.h"
#include "userspace/control/gc.h"
#include "userspace/control/hooks.h"
#include "userspace/control/namespaces.h"
#include "userspace/control/tables.h"
#include "userspace/control/views.h"
#include "userspace/netlink/monitor.h"
#include "userspace/netlink/rtnl.h"
#include "userspace/store/store.h"

namespace cnet {
class Clock;
}

namespace cnet::control {

class Controller {
public:
    // All outlive the controller.
    struct Parts {
        store::Store& store;
        netlink::Rtnl& rtnl;
        Hooks& hooks;
        Tables& tables;
        Namespaces& namespaces;
        const Clock& clock;
        Cluster* cluster = nullptr; // of a host by itself
        // How long an endpoint of Docker's may be in no container before it is taken for forgotten.
        uint32_t docker_grace_s = 60;
        bool adopt_docker = false; // whatever the store says
        // Flows that an endpoint may have at a time, 0: any number. Not said: a quarter of what the
        // table holds.
        std::optional<uint32_t> endpoint_flows = {};
    };

    // Loads the store, takes the published ports again and makes the kernel agree. Fails only when
    // the store does or the kernel's state cannot be read; what could not be repaired is logged and
    // in status().
    static Result<std::unique_ptr<Controller>> start(Parts parts, Timeouts timeouts = {},
                                                     UplinkPolicy policy = UplinkPolicy::kAutomatic,
                                                     OverlayConfig overlay = {});
    ~Controller();

    // For the event loop. `reconcile` reads everything again and repairs: at start, every minute or
    // so, and when news were lost; `links_changed` takes news that were drained just now, and reads
    // all links only where they do not fit what it knows, `settings_changed` reads whether our
    // ports forward: after a (debounced) netlink event; `sweep` collects dead flows and aged MACs:
    // every few seconds.
    Status reconcile();
    Status links_changed(const netlink::Events& news);
    Status settings_changed();
    // In steps, until one says that it is done.
    Result<Collector::Swept> sweep();
    // After news from the cluster.
    Status follow_cluster();
    // What was heard of DHCP, in order: leases begin, go on and end. sweep() ends those whose time
    // is over.
    Status follow_leases(const std::vector<DhcpSeen>& messages);

    Result<NetworkView> create_network(const NetworkSpec& spec);
    Result<NetworkView> update_network(const std::string& name, const NetworkPatch& patch);
    Status delete_network(const std::string& name);
    // A device of the host becomes a port of the network, or stops being one.
    Result<NetworkView> attach_device(const std::string& network, const std::string& device);
    Result<NetworkView> detach_device(const std::string& network, const std::string& device);
    // A bridge that somebody else made is gone past, or left alone again.
    Result<AdoptedView> adopt_bridge(const AdoptSpec& spec);
    Status release_bridge(const std::string& bridge);
    std::vector<AdoptedView> adopted() const;
    // Whatever bridges Docker makes are gone past, or left alone again. Nobody is asked here:
    // while adopts_docker(), what Docker has is brought by follow_docker().
    Result<DockerAdoptionView> adopt_docker();
    Status release_docker();
    DockerAdoptionView docker_adoption() const;
    bool adopts_docker() const;
    Status follow_docker(const DockerPicture& picture);
    // It does not answer; what is adopted stays.
    void docker_away(const std::string& error);
    // Another set when Docker may have another set of networks.
    std::set<std::string> bridge_devices() const;
    std::vector<NetworkView> networks() const;
    Result<NetworkView> network(const std::string& name) const;

    Result<SandboxView> create_sandbox(const std::string& name);
    Status delete_sandbox(const std::string& name); // its endpoints first
    std::vector<SandboxView> sandboxes() const;

    Result<EndpointView> create_endpoint(const EndpointSpec& spec);
    Status delete_endpoint(const std::string& name);
    // Of one network when `network` is not empty.
    Result<std::vector<EndpointView>> endpoints(const std::string& network = {}) const;
    Result<EndpointView> endpoint(const std::string& name) const;

    // By Docker's id; kNotFound.
    Result<NetworkView> docker_network(const std::string& id) const;
    Result<EndpointView> docker_endpoint(const std::string& id) const;
    // A network of ours is Docker's as well from now on, or no more.
    Status set_docker(const std::string& network, const std::optional<DockerNetwork>& docker);
    // The namespace that Docker moves the endpoint's far end into next. The far end is here.
    Result<EndpointView> place_endpoint(const std::string& name, const std::string& netns);
    // Docker begins anew: what it asks for again from now on is what it has already, once.
    void docker_started();
    Result<DockerPool> request_pool(const PoolRequest& request);
    Status release_pool(const std::string& pool); // absent is success, here and below
    // The next free one, or the given one; the gateway's is the subnet's first unless given.
    Result<IpPrefix> request_address(const std::string& pool,
                                     const std::optional<IpAddress>& address, bool gateway);
    Status release_address(const std::string& pool, const IpAddress& address);
    // Those that were requested and that no endpoint is to have (`--aux-address`).
    Status keep_addresses(const std::vector<IpPrefix>& addresses);

    // `spec` as docs/api.md has it: [HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp|sctp]. Without
    // `allow_from` everybody may use the port. One that its publisher will hold must be free now.
    Result<PortView> publish(const std::string& endpoint, const std::string& spec,
                             const std::vector<IpPrefix>& allow_from = {},
                             Holder holder = Holder::kDaemon, NewLimit new_limit = {});
    // Flows of clients that may no longer use it go.
    Result<PortView> update_port(const std::string& endpoint, const std::string& spec,
                                 const PortPatch& patch);
    Status unpublish(const std::string& endpoint, const std::string& spec);
    // Of one endpoint when `endpoint` is not empty.
    Result<std::vector<PortView>> ports(const std::string& endpoint = {}) const;

    Result<UplinkView> add_uplink(const std::string& device);
    Status delete_uplink(const std::string& device);
    // Whether it has its XDP program. kInvalid when its driver cannot run one natively, kConflict
    // when somebody else's is on it: then nothing changes.
    Result<UplinkView> set_uplink_xdp(const std::string& device, bool native);
    std::vector<UplinkView> uplinks() const;

    Result<PeerView> add_peer(const IpAddress& address, const std::string& name = {});
    Status delete_peer(const IpAddress& address);
    std::vector<PeerView> peers() const;

    // Of one network when `network` is not empty, here and below.
    Result<std::vector<FdbView>> fdb(const std::string& network = {}) const;
    Result<FdbView> add_fdb(const std::string& network, const MacAddress& mac,
                            const FdbPlace& place);
    Status delete_fdb(const std::string& network, const MacAddress& mac);
    Result<uint64_t> flush_fdb(const std::string& network); // how many learned entries went
    Result<std::vector<NeighView>> neighbours(const std::string& network = {}) const;

    // In pieces, for there may be a million: the function answers the next ones that fit, maybe
    // none, and nothing once all were seen. The controller must outlive it.
    using Connections = std::function<Result<std::optional<std::vector<CtView>>>()>;
    Result<Connections> connections(const CtFilter& filter = {}) const;
    Result<CtCount> count_connections() const;
    FlowFigures flow_figures() const;
    Result<uint64_t> flush_connections(const CtFilter& filter); // how many flows went
    Result<std::vector<NatView>> nat() const;

    Result<std::vector<DropView>> drops() const; // every (hook, reason) that ever counted
    Status reset_drops();

    Result<StatusView> status() const;
    // Without the connections, which are counted one by one.
    StatusView summary() const;

    // Networks of Docker's are not among them: it has a resolver of its own.
    std::vector<NamesView> names() const;
    // Another number when names() may be another.
    uint64_t names_revision() const;

private:
    struct Impl;
    explicit Controller(std::unique_ptr<Impl> impl);

    std::unique_ptr<Impl> impl_;
};

} // namespace cnet::control
