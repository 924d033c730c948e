#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/network_rules.h"
#include "userspace/control/port_spec.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

size_t count_endpoints(const State& state, NetworkId id) {
    return static_cast<size_t>(
        std::count_if(state.endpoints.begin(), state.endpoints.end(),
                      [&](const auto& entry) { return entry.second.network_id == id; }));
}

// One that has one family has one mode.
void settle_modes(Network& network) {
    if (network.mode6 && !network.has_family(true)) network.mode = *network.mode6;
    if (network.mode6 == network.mode || !network.has_family(false)) network.mode6.reset();
}

void apply_patch(Network& network, const NetworkPatch& patch) {
    if (patch.mtu) {
        network.mtu = *patch.mtu;
        network.mtu_derived = false;
    }
    if (patch.peer_learning) network.peer_learning = *patch.peer_learning;
    if (patch.mode) network.mode = *patch.mode;
    if (patch.mode6) network.mode6 = *patch.mode6;
    settle_modes(network);
    if (patch.icc) network.icc = *patch.icc;
    if (patch.masquerade) network.masquerade = *patch.masquerade;
    if (patch.snat) network.snat4 = *patch.snat;
    if (patch.snat6) network.snat6 = *patch.snat6;
    if (patch.nat) network.nat = *patch.nat;
    if (patch.learning) network.learning = *patch.learning;
    if (patch.ageing_s) network.ageing_s = *patch.ageing_s;
    if (patch.mac_limit) network.mac_limit = *patch.mac_limit;
    if (patch.flood_limit) network.flood_limit = *patch.flood_limit;
    if (patch.names) network.names = *patch.names;
    if (patch.allow_spoofing) network.allow_spoofing = *patch.allow_spoofing;
}

Status check_vni(const Network& network, const NetworkSpec& spec, bool has_cluster) {
    if (spec.vni_auto && !has_cluster)
        return Error(ErrorKind::kInvalid, "vni \"auto\" needs a cluster: hosts by themselves would "
                                          "choose different ones");
    if (!spec.vni) return {};
    if (network.vni == 0 || network.vni > 0xffffff) {
        return Error(ErrorKind::kInvalid,
                     "vni " + std::to_string(network.vni) + " is out of range: 1 to 16777215");
    }
    // The next free pool of one host would not be that of the other.
    if (spec.subnets.empty() && !has_cluster)
        return Error(ErrorKind::kInvalid, "a network with a vni needs a subnet");
    return {};
}

// Its ports would be published at other addresses than before: the host's, or the endpoints' own.
bool is_elsewhere(const Network& after, const Network& before) {
    const Mode direct = Mode::kRoutedPublished;
    return (after.mode == direct) != (before.mode == direct) ||
           (after.mode_of(false) == direct) != (before.mode_of(false) == direct);
}

// Nothing is published from a network that has no outside.
Status check_no_ports(const Network& network, const State& state) {
    for (const auto& [id, port] : state.ports) {
        if (port.behind) continue;
        const Endpoint& endpoint = state.endpoints.at(port.endpoint_id);
        if (endpoint.network_id != network.id) continue;
        return Error(ErrorKind::kConflict, "endpoint " + endpoint.name + " of network " +
                                               network.name + " publishes " + to_string(port) +
                                               ": unpublish it first");
    }
    return {};
}

} // namespace

Status Controller::Impl::check_vni_is_free(uint32_t vni) const {
    for (const auto& [id, other] : state.networks) {
        if (other.vni != vni) continue;
        return Error(ErrorKind::kConflict,
                     "network " + other.name + " has vni " + std::to_string(vni) + " already");
    }
    return {};
}

Result<std::vector<HostPrefix>> Controller::Impl::host_prefixes() const {
    auto links = parts.rtnl.links();
    if (!links) return links.error();
    auto addresses = parts.rtnl.addresses();
    if (!addresses) return addresses.error();
    auto routes = parts.rtnl.routes();
    if (!routes) return routes.error();
    std::vector<HostPrefix> prefixes;
    auto add = [&](uint32_t ifindex, const IpPrefix& prefix, HostPrefix::Kind kind) {
        auto link =
            std::find_if(links->begin(), links->end(), [&](const netlink::LinkInfo& candidate) {
                return candidate.ifindex == ifindex;
            });
        if (link == links->end() || is_own_device(*link, state)) return;
        prefixes.push_back({link->name, IpPrefix(prefix.network(), prefix.length()), kind});
    };
    for (const netlink::AddressInfo& address : *addresses) {
        add(address.ifindex, address.prefix, HostPrefix::Kind::kAddress);
    }
    for (const netlink::RouteInfo& route : *routes) {
        add(route.ifindex, route.destination, HostPrefix::Kind::kRoute);
    }
    return prefixes;
}

NetworkView Controller::Impl::view(const Network& network) const {
    NetworkView view{network,
                     network.host_port_outer(),
                     count_endpoints(state, network.id),
                     attached_views(network.id),
                     {}};
    for (const auto& [key, subnet] : state.host_subnets) {
        if (subnet.network_id == network.id) view.host_subnets.push_back(subnet);
    }
    return view;
}

Result<Network> Controller::Impl::plan_network(const NetworkSpec& spec) const {
    if (find_network(spec.name))
        return Error(ErrorKind::kConflict, "network " + spec.name + " exists already");
    if (state.adopted.contains(spec.name))
        return Error(ErrorKind::kConflict, "there is an adopted bridge " + spec.name);
    auto host = host_prefixes();
    if (!host) return host.error();
    auto subnets = plan_subnets(spec, state, *host);
    if (!subnets) return subnets.error();

    Network network;
    network.name = spec.name;
    network.subnets = std::move(*subnets);
    if (spec.host_prefix) {
        if (Status status = check_pool(spec, parts.cluster != nullptr); !status)
            return status.error();
        network.pool = HostPool{network.subnets.front().prefix, *spec.host_prefix};
        network.subnets.clear(); // this host's part is leased when all agree on the network
    }
    network.vni = spec.vni.value_or(0);
    network.peer_learning = spec.peer_learning.value_or(!(parts.cluster && spec.spans_hosts()));
    network.mtu = spec.mtu.value_or(network.mtu);
    network.mtu_derived = spec.spans_hosts() && !spec.mtu;
    network.mode =
        spec.layer2 && spec.mode == control::Mode::kNat ? control::Mode::kIsolated : spec.mode;
    network.mode6 = spec.mode6;
    settle_modes(network);
    network.internal = spec.internal;
    network.icc = spec.icc;
    network.masquerade = spec.masquerade;
    network.snat4 = spec.snat;
    network.snat6 = spec.snat6;
    network.nat = spec.nat;
    network.learning = spec.learning;
    network.allow_spoofing = spec.allow_spoofing;
    network.ageing_s = spec.ageing_s;
    network.mac_limit = spec.mac_limit;
    network.flood_limit = spec.flood_limit;
    network.names = spec.names;
    network.docker = spec.docker;
    auto status = check_network(network);
    if (status) status = check_vni(network, spec, parts.cluster != nullptr);
    if (status && spec.vni) status = check_vni_is_free(network.vni);
    if (!status) return status.error();
    return network;
}

Result<NetworkView> Controller::create_network(const NetworkSpec& spec) {
    auto status = check_name("network", spec.name);
    if (!status) return status.error();
    if (impl_->parts.cluster && spec.spans_hosts()) return impl_->create_shared_network(spec);
    auto network = impl_->plan_network(spec);
    if (!network) return network.error();
    network->id = ++impl_->ids.network;
    network->gateway_mac = network->vni != 0 ? overlay_gateway_mac(network->vni)
                                             : gateway_mac(network->id, network->name);

    State next = impl_->state;
    next.networks[network->id] = *network;
    status = impl_->change(std::move(next),
                           {{store::PutNetwork{*network}}, {store::RemoveNetwork{network->id}}});
    if (!status) return status.error();
    return impl_->view(impl_->state.networks.at(network->id)); // with the MTU that was derived
}

Result<NetworkView> Controller::update_network(const std::string& name, const NetworkPatch& patch) {
    auto found = impl_->find_network(name);
    if (!found) return found.error();
    const Network before = **found;
    Network after = before;
    apply_patch(after, patch);
    auto status = check_network(after);
    if (status && (after.is_internal() || is_elsewhere(after, before)))
        status = check_no_ports(after, impl_->state);
    if (status) status = impl_->check_attached_mtu(after);
    if (status && after.clustered) status = impl_->check_shared(after);
    if (status && after.clustered) status = impl_->parts.cluster->update_network(after);
    if (!status) return status.error();

    State next = impl_->state;
    next.networks[after.id] = after;
    status =
        impl_->change(std::move(next), {{store::PutNetwork{after}}, {store::PutNetwork{before}}});
    if (!status && before.clustered) {
        if (Status undone = impl_->parts.cluster->update_network(before); !undone)
            log_error(undone.error().because("undo a failed command").message());
    }
    if (!status) return status.error();
    return impl_->view(after);
}

Status Controller::delete_network(const std::string& name) {
    auto found = impl_->find_network(name);
    if (!found) return found.error();
    const Network network = **found;
    if (const size_t endpoints = count_endpoints(impl_->state, network.id); endpoints > 0) {
        return Error(ErrorKind::kConflict, "network " + name + " has " + std::to_string(endpoints) +
                                               (endpoints == 1 ? " endpoint" : " endpoints") +
                                               ": delete " + (endpoints == 1 ? "it" : "them") +
                                               " first");
    }
    if (const auto devices = impl_->attached_views(network.id); !devices.empty()) {
        return Error(ErrorKind::kConflict, "device " + devices.front().device +
                                               " is attached to network " + name +
                                               ": detach it first");
    }
    if (network.clustered) {
        Status status = impl_->check_shared(network);
        if (status) status = impl_->parts.cluster->delete_network(network);
        if (!status) return status;
    }
    State next = impl_->state;
    next.networks.erase(network.id);
    Edit edit{{}, {store::PutNetwork{network}}};
    // What is stated of MACs behind peers; those behind endpoints went with them.
    remove_references(next, edit,
                      [&](const auto& entry) { return entry.network_id == network.id; });
    remove_host_subnets(next, edit, network.id);
    edit.forward.push_back(store::RemoveNetwork{network.id});
    auto status = impl_->change(std::move(next), std::move(edit));
    if (!status) return status;
    std::erase_if(impl_->last_given,
                  [&](const auto& entry) { return entry.first.first == network.id; });
    return {};
}

std::vector<NetworkView> Controller::networks() const {
    std::vector<NetworkView> views;
    for (const auto& [id, network] : impl_->state.networks)
        views.push_back(impl_->view(network));
    return views;
}

Result<NetworkView> Controller::network(const std::string& name) const {
    auto network = impl_->find_network(name);
    if (!network) return network.error();
    return impl_->view(**network);
}

} // namespace cnet::control
