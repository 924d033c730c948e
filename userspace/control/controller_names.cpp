#include "userspace/control/controller_impl.h"
#include "userspace/control/desired_maps.h"

namespace cnet::control {
namespace {

NamedView named(const Endpoint& endpoint, const State& state) {
    NamedView view{endpoint.name, endpoint.aliases, {}};
    for (const IpPrefix& address : endpoint.addresses)
        view.addresses.push_back(address.address());
    if (auto lease = state.leases.find(endpoint.id); lease != state.leases.end())
        view.addresses.push_back(lease->second.address);
    return view;
}

} // namespace

std::vector<NamesView> Controller::names() const {
    const State& state = impl_->state;
    std::map<NetworkId, NamesView> views;
    for (const auto& [id, network] : state.networks) {
        const HostPort host = find_host_port(network, impl_->observed);
        // Without the host on it there is nobody to ask.
        if (!host || !network.names || network.docker || network.is_isolated()) continue;
        NamesView& view = views[id];
        view.network_id = id;
        view.network = network.name;
        view.device = host.outer->name;
        view.ifindex = host.outer->ifindex;
        view.internal = network.internal;
        for (const Subnet& subnet : network.subnets) {
            if (network.mode_of(subnet.prefix.is_v4()) != Mode::kIsolated)
                view.gateways.push_back(subnet.gateway);
            view.subnets.push_back(subnet.prefix);
        }
    }
    for (const auto& [id, endpoint] : state.endpoints) {
        if (auto view = views.find(endpoint.network_id); view != views.end())
            view->second.names.push_back(named(endpoint, state));
    }
    for (const auto& [id, remote] : state.remotes) {
        auto view = views.find(remote.network_id);
        if (view != views.end() && !remote.addresses.empty())
            view->second.names.push_back({remote.name, remote.aliases, remote.addresses});
    }
    std::vector<NamesView> all;
    for (auto& [id, view] : views)
        all.push_back(std::move(view));
    return all;
}

uint64_t Controller::names_revision() const {
    return impl_->names_revision;
}

} // namespace cnet::control
