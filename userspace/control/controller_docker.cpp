// Networks and endpoints of Docker's: what it calls them, where it puts them, and what it forgot.
#include <algorithm>

#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/desired_maps.h"

namespace cnet::control {

namespace {

bool has_any(const Endpoint& endpoint, const std::vector<IpAddress>& addresses) {
    return std::any_of(endpoint.addresses.begin(), endpoint.addresses.end(),
                       [&](const IpPrefix& own) {
                           return std::ranges::find(addresses, own.address()) != addresses.end();
                       });
}

} // namespace

const Network* Controller::Impl::find_docker_network(const std::string& id) const {
    auto it = std::find_if(state.networks.begin(), state.networks.end(), [&](const auto& entry) {
        return entry.second.docker && entry.second.docker->id == id;
    });
    return it == state.networks.end() ? nullptr : &it->second;
}

const Endpoint* Controller::Impl::find_docker_endpoint(const std::string& id) const {
    auto it = std::find_if(state.endpoints.begin(), state.endpoints.end(), [&](const auto& entry) {
        return entry.second.docker && entry.second.docker->id == id;
    });
    return it == state.endpoints.end() ? nullptr : &it->second;
}

bool Controller::Impl::is_unplaced(const Endpoint& endpoint) const {
    const netlink::LinkInfo* link = find_endpoint_link(endpoint, observed);
    return !link || link->peer_here;
}

Result<NetworkView> Controller::docker_network(const std::string& id) const {
    const Network* network = impl_->find_docker_network(id);
    if (!network) return no_such("network of Docker's with id", id);
    return impl_->view(*network);
}

Result<EndpointView> Controller::docker_endpoint(const std::string& id) const {
    const Endpoint* endpoint = impl_->find_docker_endpoint(id);
    if (!endpoint) return no_such("endpoint of Docker's with id", id);
    return impl_->view(*endpoint);
}

Status Controller::set_docker(const std::string& name, const std::optional<DockerNetwork>& docker) {
    auto found = impl_->find_network(name);
    if (!found) return found.error();
    const Network before = **found;
    if (docker && before.docker && before.docker->id != docker->id) {
        return Error(ErrorKind::kConflict,
                     "network " + name + " is Docker's network " + before.docker->id + " already");
    }
    State next = impl_->state;
    Network& after = next.networks[before.id];
    after.docker = docker;
    const Edit edit{{store::PutNetwork{after}}, {store::PutNetwork{before}}};
    return impl_->change(std::move(next), edit);
}

Result<EndpointView> Controller::place_endpoint(const std::string& name, const std::string& netns) {
    Impl& impl = *impl_;
    auto found = impl.find_endpoint(name);
    if (!found) return found.error();
    // It need not be there yet: Docker before 28 makes it after this.
    if (impl.parts.namespaces.is_own(netns)) {
        return Error(ErrorKind::kInvalid, "namespace " + netns + " is the host's own");
    }
    const Endpoint before = **found;
    auto set_netns = [&](const std::string& path) {
        State next = impl.state;
        Endpoint& endpoint = next.endpoints[before.id];
        if (endpoint.netns == path) return Status();
        Edit edit{{}, {store::PutEndpoint{endpoint}}};
        endpoint.netns = path;
        edit.forward.emplace_back(store::PutEndpoint{endpoint});
        return impl.change(std::move(next), std::move(edit));
    };
    // Gone with a container that it was in: made again, for this one.
    Status status;
    if (!find_endpoint_link(before, impl.observed)) status = set_netns("");
    if (status) status = set_netns(netns);
    if (!status) return status.error();
    return impl.view(impl.state.endpoints.at(before.id));
}

Status Controller::Impl::evict_forgotten(const Network& network,
                                         const std::vector<IpAddress>& addresses) {
    const NetworkId network_id = network.id;
    auto wanted = [&](const Endpoint& endpoint) {
        return endpoint.network_id == network_id && endpoint.docker && !endpoint.netns.empty() &&
               has_any(endpoint, addresses);
    };
    std::vector<EndpointId> forgotten;
    for (const auto& [id, endpoint] : state.endpoints) {
        if (!wanted(endpoint)) continue;
        // Asked now: what netlink has to tell may not have come yet.
        auto link = parts.rtnl.link(endpoint.host_ifname());
        if (link && !link->peer_here) continue;
        if (!link && link.error().kind() != ErrorKind::kNotFound) return link.error();
        log_info("endpoint " + endpoint.name +
                 " is in no container, and Docker gives its address "
                 "to another: removed");
        forgotten.push_back(id);
    }
    return remove_endpoints(forgotten);
}

Status Controller::Impl::collect_docker() {
    const uint64_t now_ns = parts.clock.monotonic_ns();
    auto status = collect_docker_endpoints(now_ns);
    return status && !state.docker_pools.empty() ? collect_docker_addresses(now_ns) : status;
}

Status Controller::Impl::collect_docker_endpoints(uint64_t now_ns) {
    std::vector<EndpointId> forgotten;
    for (const auto& [id, endpoint] : state.endpoints) {
        if (!endpoint.docker || !is_unplaced(endpoint)) {
            unplaced_since_ns.erase(id);
            continue;
        }
        const uint64_t since_ns = unplaced_since_ns.emplace(id, now_ns).first->second;
        if (now_ns - since_ns < parts.docker_grace_s * kSecondNs) continue;
        log_info("endpoint " + endpoint.name + " has been in no container for " +
                 std::to_string(parts.docker_grace_s) + " s, so Docker has forgotten it: removed");
        forgotten.push_back(id);
    }
    std::erase_if(unplaced_since_ns,
                  [&](const auto& entry) { return !state.endpoints.contains(entry.first); });
    return remove_endpoints(forgotten);
}

} // namespace cnet::control
