// The controller as a member of a cluster: what is agreed before it is done, and what the others'
// news do here.
#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/follow.h"
#include "userspace/control/ipam.h"
#include "userspace/control/network_rules.h"
#include "userspace/control/overlay.h"

namespace cnet::control {

namespace {

// Each host that makes a network at the same moment costs the others one more look.
constexpr int kCreateAttempts = 10;

// A network of the cluster as this host would be asked to make it.
NetworkSpec spec_of(const Network& network) {
    NetworkSpec spec;
    spec.name = network.name;
    if (network.pool) {
        spec.subnets.push_back(network.pool->prefix);
        return spec;
    }
    for (const Subnet& subnet : network.subnets) {
        spec.subnets.push_back(subnet.prefix);
        spec.gateways.push_back(subnet.gateway);
        if (subnet.ip_range) spec.ip_ranges.push_back(*subnet.ip_range);
    }
    return spec;
}

Status check_own_snat(const Network& network) {
    if (!network.snat4 && !network.snat6) return {};
    return Error(ErrorKind::kInvalid, "a network of all hosts has no snat address: each host "
                                      "masquerades with its own");
}

} // namespace

ClusterEndpoint Controller::Impl::cluster_record(const Endpoint& endpoint) const {
    const Network& network = state.networks.at(endpoint.network_id);
    ClusterEndpoint record;
    record.network = network.name;
    record.vni = network.vni;
    record.name = endpoint.name;
    record.mac = endpoint.mac;
    for (const IpPrefix& address : endpoint.addresses)
        record.addresses.push_back(address.address());
    record.aliases = endpoint.aliases;
    record.agreed = network.is_overlay();
    return record;
}

OwnRecords Controller::Impl::own_records() const {
    OwnRecords own;
    const auto vtep4 = local_vtep(state, observed, IpAddress::from_v4(0));
    const auto vtep6 = local_vtep(state, observed, IpAddress());
    for (const auto& vtep : {vtep4, vtep6}) {
        if (vtep) own.vteps.push_back(vtep->address);
    }
    for (const auto& [id, endpoint] : state.endpoints) {
        if (state.networks.at(endpoint.network_id).clustered)
            own.endpoints.push_back(cluster_record(endpoint));
    }
    for (const auto& [id, network] : state.networks) {
        if (!network.clustered || !network.pool || !vtep4) continue;
        const IpPrefix& part = network.subnets.front().prefix;
        own.subnets.push_back({network.vni, part, "", vtep4->address, vtep_mac(part)});
    }
    for (const auto& [device, attached] : state.attached) {
        const Network& network = state.networks.at(attached.network_id);
        if (!network.clustered) continue;
        ClusterEndpoint ports; // whose addresses nobody knows
        ports.network = network.name;
        ports.vni = network.vni;
        ports.name = "@" + device;
        own.endpoints.push_back(std::move(ports));
    }
    return own;
}

void Controller::Impl::publish() {
    names_revision++;
    if (parts.cluster) parts.cluster->publish(own_records());
}

// The cluster has lost it; what this host knows of it is what all knew.
Status Controller::Impl::give_back(const Network& network) {
    auto fresh = parts.cluster->refresh();
    if (!fresh) return fresh.error();
    auto made = parts.cluster->create_network(network);
    return made ? Status() : Status(made.error());
}

Status Controller::Impl::admissible(const Network& network) const {
    auto host = host_prefixes();
    if (!host) return host.error();
    auto subnets = plan_subnets(spec_of(network), state, *host);
    if (!subnets) return subnets.error();
    return check_network(network);
}

// A part of its pool for each network that has one, is not here yet and can be: what is leased and
// not used is given back, and leased again with the next news.
std::vector<std::string> Controller::Impl::lease_parts() {
    std::vector<std::string> complaints;
    std::vector<Network> without;
    for (const Network& network : parts.cluster->state().networks) {
        if (network.pool && !find_network(network.name)) without.push_back(network);
    }
    if (without.empty()) return {};
    publish(); // only who is in the cluster can lease
    for (const Network& network : without) {
        Status status = check_vni_is_free(network.vni);
        if (status) status = admissible(network);
        if (status) {
            if (auto leased = lease_part(network); !leased) status = leased.error();
        }
        if (!status)
            complaints.push_back("network " + network.name +
                                 " of the cluster is not here: " + status.error().message());
    }
    return complaints;
}

Result<ClusterSubnet> Controller::Impl::lease_part(const Network& network) {
    // The data path takes what comes to the overlay's port, and knows no VNI without a segment.
    if (state.overlay.routed_port == state.overlay.port)
        return Error(ErrorKind::kInvalid, "[overlay] port and routed_port are both " +
                                              std::to_string(state.overlay.port));
    const auto vtep = local_vtep(state, observed, IpAddress::from_v4(0));
    if (!vtep)
        return Error(ErrorKind::kUnavailable, "this host has no IPv4 address in the underlay");
    return parts.cluster->lease_subnet(network, vtep->address);
}

// The subnet of a network that has a pool: this host's part of it.
Status Controller::Impl::take_part(Network& network) {
    if (!network.pool) return {};
    auto leased = lease_part(network);
    if (!leased) return leased.error();
    network.subnets = {{leased->prefix, default_gateway(leased->prefix), {}}};
    return {};
}

Status Controller::Impl::follow() {
    // A host that starts while etcd is away goes on with what it knew.
    if (!parts.cluster->was_read()) return {};
    std::vector<std::string> complaints = lease_parts();
    FollowPlan plan = plan_follow({state, observed, parts.cluster->state(), parts.cluster->host(),
                                   [this](const Network& network) { return admissible(network); }},
                                  ids);
    for (const Network& network : plan.unknown_to_cluster) {
        if (Status restored = give_back(network); !restored)
            plan.complaints.push_back("network " + network.name +
                                      " is not in the cluster any more, and has endpoints here: " +
                                      restored.error().message());
    }
    complaints.insert(complaints.end(), plan.complaints.begin(), plan.complaints.end());
    for (const std::string& complaint : complaints) {
        if (std::ranges::find(cluster_complaints, complaint) == cluster_complaints.end())
            log_warning("cluster: " + complaint);
    }
    cluster_complaints = std::move(complaints);
    if (plan.mutations.empty()) return {};
    if (Status status = parts.store.commit(plan.mutations); !status) return status;
    state = std::move(plan.next);
    ids = plan.ids;
    return converge(Mode::kRepair);
}

Status Controller::follow_cluster() {
    if (!impl_->parts.cluster) return {};
    Status status = impl_->follow();
    if (!status) impl_->note_error(status.error().because("follow the cluster"));
    // A network that came is one to announce endpoints in, after a restart.
    impl_->publish();
    return status;
}

Status Controller::Impl::follow_now() {
    auto fresh = parts.cluster->refresh();
    if (!fresh) return fresh.error();
    return follow();
}

Result<const Network*> Controller::Impl::find_network_anywhere(const std::string& name) {
    auto found = find_network(name);
    if (found || !parts.cluster || !parts.cluster->connected()) return found;
    // Made on another host just now.
    if (Status status = follow_now(); !status) return found;
    return find_network(name);
}

Result<NetworkView> Controller::Impl::create_shared_network(const NetworkSpec& spec) {
    for (int attempt = 1;; attempt++) {
        if (Status status = follow_now(); !status) return status.error();
        auto network = plan_network(spec);
        if (!network) return network.error();
        network->clustered = true;
        if (Status status = check_own_snat(*network); !status) return status.error();
        auto agreed = parts.cluster->create_network(*network);
        const bool again = !agreed && agreed.error().kind() == ErrorKind::kConflict;
        if (again && attempt < kCreateAttempts) continue;
        if (!agreed) return agreed.error();
        network->id = ++ids.network;
        network->vni = agreed->vni;
        network->gateway_mac = overlay_gateway_mac(agreed->vni);
        Status done = take_part(*network);
        State next = state;
        next.networks[network->id] = *network;
        if (done) {
            done = change(std::move(next),
                          {{store::PutNetwork{*network}}, {store::RemoveNetwork{network->id}}});
        }
        if (done) return view(state.networks.at(network->id)); // with the MTU that was derived
        if (Status undone = parts.cluster->delete_network(*network); !undone)
            log_error(undone.error().because("undo a failed command").message());
        return done.error();
    }
}

Status Controller::Impl::check_shared(const Network& network) const {
    if (!parts.cluster)
        return Error(ErrorKind::kUnavailable, "network " + network.name +
                                                  " is of a cluster, and this cnetd has none "
                                                  "([cluster] etcd)");
    return check_own_snat(network);
}

Status Controller::Impl::claim(const Network& network, Endpoint& endpoint,
                               const std::vector<IpAddress>& asked) {
    constexpr int kAttempts = 32; // as many hosts may choose the same address at once
    for (int attempt = 1;; attempt++) {
        Status claimed = parts.cluster->claim(cluster_record(endpoint));
        const bool again = !claimed && claimed.error().kind() == ErrorKind::kConflict;
        if (!again || attempt == kAttempts || endpoint.addresses.empty()) return claimed;
        // Now it is known who has it; what was asked for stays a conflict.
        auto addresses = choose_addresses(network, asked);
        if (!addresses) return addresses.error();
        if (*addresses == endpoint.addresses) return claimed;
        endpoint.addresses = std::move(*addresses);
    }
}

Status Controller::Impl::forget_peer(const IpAddress& address) {
    for (const ClusterHost& host : parts.cluster->state().hosts) {
        if (std::ranges::find(host.vteps, address) == host.vteps.end()) continue;
        const std::string name = host.name; // the cluster's state changes meanwhile
        return parts.cluster->forget_host(name);
    }
    return no_such("peer", address.to_string());
}

} // namespace cnet::control
