#include <algorithm>

#include "userspace/base/names.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/desired_maps.h"
#include "userspace/control/endpoint_macs.h"
#include "userspace/control/endpoint_rules.h"
#include "userspace/control/ipam.h"
#include "userspace/control/links.h"
#include "userspace/control/port_spec.h"

namespace cnet::control {

namespace {

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}
Error conflict(const std::string& message) {
    return {ErrorKind::kConflict, message};
}

Result<std::string> resolve_netns(const std::string& netns, const State& state,
                                  const Namespaces& namespaces) {
    if (netns.empty()) return invalid("an endpoint needs a network namespace");
    std::string path = netns;
    if (auto sandbox = state.sandboxes.find(netns); sandbox != state.sandboxes.end()) {
        path = sandbox->second.path;
    } else if (!netns.starts_with('/')) {
        if (netns.find('/') != netns.npos || netns.starts_with('.')) {
            return invalid("\"" + netns + "\" is neither a name nor an absolute path");
        }
        path = "/run/netns/" + netns;
    }
    if (!namespaces.alive(path)) {
        return Error(ErrorKind::kNotFound, "there is no network namespace " + path);
    }
    if (namespaces.is_own(path)) {
        return invalid("namespace " + path + " is the host's own: an endpoint needs another");
    }
    return path;
}

// Whose address it is in this network; null when free.
const Endpoint* owner_of(const State& state, NetworkId network, const IpAddress& address) {
    for (const auto& [id, endpoint] : state.endpoints) {
        if (endpoint.network_id != network) continue;
        for (const IpPrefix& own : endpoint.addresses) {
            if (own.address() == address) return &endpoint;
        }
        auto lease = state.leases.find(id);
        if (lease != state.leases.end() && lease->second.address == address) return &endpoint;
    }
    return nullptr;
}

Result<IpPrefix> claim_address(const IpAddress& address, const Network& network,
                               const State& state) {
    auto subnet =
        std::find_if(network.subnets.begin(), network.subnets.end(),
                     [&](const Subnet& candidate) { return candidate.prefix.contains(address); });
    if (subnet == network.subnets.end()) {
        std::string subnets;
        for (const Subnet& s : network.subnets)
            subnets += (subnets.empty() ? "" : ", ") + s.prefix.to_string();
        return invalid("address " + address.to_string() + " is outside of network " + network.name +
                       " (" + subnets + ")");
    }
    auto status = check_address(*subnet, address);
    if (!status) return status.error();
    if (const Endpoint* owner = owner_of(state, network.id, address)) {
        return conflict("address " + address.to_string() + " is endpoint " + owner->name +
                        "'s already");
    }
    return IpPrefix(address, subnet->prefix.length());
}

std::set<IpAddress> taken_addresses(const State& state, NetworkId network) {
    std::set<IpAddress> taken;
    for (const auto& [id, endpoint] : state.endpoints) {
        if (endpoint.network_id != network) continue;
        for (const IpPrefix& address : endpoint.addresses)
            taken.insert(address.address());
        if (auto lease = state.leases.find(id); lease != state.leases.end())
            taken.insert(lease->second.address);
    }
    return taken;
}

// Whether the namespace has such a device already, the kernel says when it makes one.
Status check_ifname(const std::string& ifname, const std::string& netns, const State& state) {
    if (!valid_ifname(ifname)) {
        return invalid("\"" + ifname +
                       "\" is not a device name: 1 to 15 characters, no space, '/' or ':'");
    }
    for (const auto& [id, endpoint] : state.endpoints) {
        if (endpoint.netns == netns && endpoint.ifname == ifname) {
            return conflict("device " + ifname + " in " + netns + " is endpoint " + endpoint.name +
                            "'s already");
        }
    }
    return {};
}

struct Inside {
    std::string netns;
    std::string ifname;
};

// Where the far end goes, and what it is called there; Docker says both later.
Result<Inside> resolve_inside(const EndpointSpec& spec, const State& state,
                              const Namespaces& namespaces) {
    if (spec.docker) return Inside{};
    auto netns = resolve_netns(spec.netns, state, namespaces);
    if (!netns) return netns.error();
    if (auto status = check_ifname(spec.ifname, *netns, state); !status) return status.error();
    return Inside{*netns, spec.ifname};
}

} // namespace

EndpointView Controller::Impl::view(const Endpoint& endpoint) const {
    EndpointView view;
    view.id = endpoint.id;
    view.name = endpoint.name;
    view.network = state.networks.at(endpoint.network_id).name;
    view.netns = endpoint.netns;
    view.ifname = endpoint.ifname;
    view.addresses = endpoint.addresses;
    view.mac = endpoint.mac;
    view.default_route = endpoint.default_route;
    view.disabled = endpoint.disabled;
    view.aliases = endpoint.aliases;
    view.ingress = endpoint.ingress;
    view.egress = endpoint.egress;
    view.host_ifname = endpoint.host_ifname();
    view.docker = endpoint.docker;
    if (endpoint.docker && !is_unplaced(endpoint)) {
        if (auto inside = parts.rtnl.inner_end(inner_end_of(endpoint))) view.ifname = inside->name;
    }
    if (const netlink::LinkInfo* link = find_endpoint_link(endpoint, observed)) {
        view.ifindex = link->ifindex;
        view.state = endpoint.docker && link->peer_here ? "waiting" : link->up ? "up" : "down";
    } else {
        view.state = parts.namespaces.alive(endpoint.netns) ? "down" : "netns-gone";
    }
    for (const auto& [id, port] : state.ports) {
        if (port.endpoint_id != endpoint.id) continue;
        const std::string text = to_string(port);
        // Of a direct one what stands before the arrow is nobody's.
        view.ports.push_back(state.is_direct(port) ? text.substr(text.find('>') + 1) : text);
    }
    if (auto lease = state.leases.find(endpoint.id); lease != state.leases.end())
        view.lease = LeaseView{lease->second.address, lease_ends_in_s(endpoint.id)};
    return view;
}

const Endpoint* Controller::Impl::endpoint_with(const Network& network,
                                                const IpAddress& address) const {
    return control::owner_of(state, network.id, address);
}

std::optional<std::string> Controller::Impl::holder_elsewhere(const Network& network,
                                                              const IpAddress& address) const {
    if (!network.clustered || !network.is_overlay() || !parts.cluster) return std::nullopt;
    return parts.cluster->holder_of(network.vni, address);
}

Result<std::vector<IpPrefix>>
Controller::Impl::choose_addresses(const Network& network,
                                   const std::vector<IpAddress>& wanted) const {
    std::vector<IpPrefix> addresses;
    for (const IpAddress& address : wanted) {
        auto claimed = claim_address(address, network, state);
        if (!claimed) return claimed.error();
        if (const auto holder = holder_elsewhere(network, address))
            return conflict("address " + address.to_string() + " is " + *holder + " already");
        if (std::find(addresses.begin(), addresses.end(), *claimed) != addresses.end()) {
            return invalid("address " + address.to_string() + " is given twice");
        }
        addresses.push_back(*claimed);
    }
    const std::set<IpAddress> taken = taken_addresses(state, network.id);
    for (const Subnet& subnet : network.subnets) {
        const bool given = std::any_of(wanted.begin(), wanted.end(), [&](const IpAddress& address) {
            return subnet.prefix.contains(address);
        });
        if (given) continue;
        auto last = last_given.find({network.id, subnet.prefix});
        std::optional<IpAddress> after;
        if (last != last_given.end())
            after = last->second;
        else if (network.clustered && network.is_overlay() && parts.cluster)
            after = start_for(subnet, parts.cluster->host());
        auto address = next_address(
            subnet,
            [&](const IpAddress& candidate) {
                return taken.contains(candidate) || holder_elsewhere(network, candidate);
            },
            after);
        if (!address) return address.error().because("network " + network.name);
        addresses.emplace_back(*address, subnet.prefix.length());
    }
    return addresses;
}

Result<EndpointView> Controller::create_endpoint(const EndpointSpec& spec) {
    Impl& impl = *impl_;
    if (auto valid = check_name("endpoint", spec.name); !valid) return valid.error();
    if (impl.find_endpoint(spec.name)) return conflict("endpoint " + spec.name + " exists already");
    auto network = impl.find_network_anywhere(spec.network);
    if (!network) return network.error();
    auto inside = resolve_inside(spec, impl.state, impl.parts.namespaces);
    if (!inside) return inside.error();
    auto status = check_aliases(spec.aliases);
    if (status && spec.docker) {
        status = impl.evict_forgotten(**network, spec.ips);
        network = impl.find_network(spec.network); // the state is another
        if (!network) return network.error();
    }
    if (status) status = check_layer2(spec, **network);
    if (status) status = check_limits(spec.ingress, spec.egress, **network);
    if (status && spec.mac) status = check_mac(*spec.mac, **network, impl.state);
    if (!status) return status.error();
    auto addresses = spec.layer2 ? Result<std::vector<IpPrefix>>(std::vector<IpPrefix>())
                                 : impl.choose_addresses(**network, spec.ips);
    if (!addresses) return addresses.error();
    auto mac = spec.mac      ? Result<MacAddress>(*spec.mac)
               : spec.docker ? mac_of(*addresses, impl.state, impl.observed)
                             : random_mac(impl.state, impl.observed);
    if (!mac) return mac.error();

    Endpoint endpoint;
    endpoint.id = ++impl.ids.endpoint;
    endpoint.name = spec.name;
    endpoint.network_id = (*network)->id;
    endpoint.netns = inside->netns;
    endpoint.ifname = spec.docker ? waiting_ifname(endpoint.id) : inside->ifname;
    endpoint.addresses = std::move(*addresses);
    endpoint.mac = *mac;
    endpoint.default_route = spec.default_route;
    endpoint.disabled = spec.disabled;
    endpoint.aliases = spec.aliases;
    endpoint.docker = spec.docker;
    endpoint.ingress = spec.ingress;
    endpoint.egress = spec.egress;

    if ((*network)->clustered && (*network)->is_overlay()) {
        status = impl.check_shared(**network);
        if (status) status = impl.claim(**network, endpoint, spec.ips);
        if (!status) return status.error();
    }
    State next = impl.state;
    next.endpoints[endpoint.id] = endpoint;
    if (!endpoint.docker) impl.observed.namespaces.insert(endpoint.netns);
    status = impl.change(std::move(next),
                         {{store::PutEndpoint{endpoint}}, {store::RemoveEndpoint{endpoint.id}}});
    if (!status) return status.error();
    impl.remember_given(endpoint, spec.ips);
    return impl.view(endpoint);
}

void Controller::Impl::remember_given(const Endpoint& endpoint,
                                      const std::vector<IpAddress>& asked) {
    for (const Subnet& subnet : state.networks.at(endpoint.network_id).subnets) {
        for (const IpPrefix& address : endpoint.addresses) {
            const bool automatic =
                std::find(asked.begin(), asked.end(), address.address()) == asked.end();
            if (automatic && subnet.prefix.contains(address.address())) {
                last_given[{endpoint.network_id, subnet.prefix}] = address.address();
            }
        }
    }
}

void Controller::Impl::remove_endpoint(State& next, Edit& edit, const Endpoint& endpoint) const {
    // References go before what they refer to, and come back after it.
    std::vector<store::Mutation> back;
    for (const StaticFdb& entry : state.fdb) {
        if (entry.endpoint_id != endpoint.id) continue;
        edit.forward.push_back(store::RemoveFdb{entry.network_id, entry.mac});
        back.push_back(store::PutFdb{entry});
    }
    for (const auto& [id, port] : state.ports) {
        if (port.endpoint_id != endpoint.id) continue;
        edit.forward.push_back(store::RemovePort{id});
        back.push_back(store::PutPort{port});
        next.ports.erase(id);
    }
    std::erase_if(next.fdb,
                  [&](const StaticFdb& entry) { return entry.endpoint_id == endpoint.id; });
    if (auto lease = state.leases.find(endpoint.id); lease != state.leases.end()) {
        back.push_back(store::PutLease{lease->second}); // it goes with the endpoint
        next.leases.erase(endpoint.id);
    }
    next.endpoints.erase(endpoint.id);
    edit.forward.push_back(store::RemoveEndpoint{endpoint.id});
    edit.backward.push_back(store::PutEndpoint{endpoint});
    edit.backward.insert(edit.backward.end(), back.begin(), back.end());
}

Status Controller::Impl::remove_endpoints(const std::vector<EndpointId>& endpoint_ids) {
    if (endpoint_ids.empty()) return {};
    State next = state;
    Edit edit;
    std::vector<BindingId> released;
    for (EndpointId id : endpoint_ids) {
        remove_endpoint(next, edit, state.endpoints.at(id));
        for (const auto& [binding, port] : state.ports) {
            if (port.endpoint_id == id) released.push_back(binding);
        }
    }
    return change_and_release(std::move(next), std::move(edit), released);
}

Status Controller::delete_endpoint(const std::string& name) {
    auto endpoint = impl_->find_endpoint(name);
    if (!endpoint) return endpoint.error();
    return impl_->remove_endpoints({(*endpoint)->id});
}

Result<std::vector<EndpointView>> Controller::endpoints(const std::string& network) const {
    auto filter = impl_->network_filter(network);
    if (!filter) return filter.error();
    std::vector<EndpointView> views;
    for (const auto& [id, endpoint] : impl_->state.endpoints) {
        if (*filter == 0 || endpoint.network_id == *filter) views.push_back(impl_->view(endpoint));
    }
    return views;
}

Result<EndpointView> Controller::endpoint(const std::string& name) const {
    auto endpoint = impl_->find_endpoint(name);
    if (!endpoint) return endpoint.error();
    return impl_->view(**endpoint);
}

} // namespace cnet::control
