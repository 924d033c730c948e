#include "userspace/control/host_subnets.h"

#include <algorithm>
#include <set>

#include "userspace/control/overlay.h"

namespace cnet::control {

namespace {

const IpAddress kAnyV4 = IpAddress::from_v4(0);

// This host's subnet; none while it has none.
const IpPrefix* own_subnet(const Network& network) {
    return network.pool && !network.subnets.empty() ? &network.subnets.front().prefix : nullptr;
}

// The address that other hosts have the subnet's route by.
IpPrefix vtep_address(const IpPrefix& subnet) {
    return {subnet.network(), 32};
}

std::set<netlink::HostRoute> wanted_routes(const Network& network, const State& state) {
    std::set<netlink::HostRoute> wanted;
    for (const auto& [key, subnet] : state.host_subnets) {
        if (subnet.network_id == network.id)
            wanted.insert({subnet.prefix, subnet.mac, subnet.vtep});
    }
    return wanted;
}

// The network's device; null while it does not exist, or is of another configuration.
const netlink::LinkInfo* find_vtep(const Network& network, const OverlayConfig& overlay,
                                   const IpAddress& local, const Observed& observed) {
    const netlink::LinkInfo* link = observed.find(network.vtep_device());
    const bool is_same = link && link->alias == alias_of(network, overlay, local) &&
                         link->mac == vtep_mac(*own_subnet(network));
    return is_same ? link : nullptr;
}

// Calls `visit` with each network that has a subnet here, its device as find_vtep() has it, and
// this host's address in the underlay: without one there is nothing to send from, and what there is
// stays.
template <typename Visit>
void for_each_vtep(const State& state, const Observed& observed, Visit visit) {
    std::optional<Vtep> local;
    for (const auto& [id, network] : state.networks) {
        if (!own_subnet(network)) continue;
        if (!local) local = local_vtep(state, observed, kAnyV4);
        if (!local) return;
        visit(network, find_vtep(network, state.overlay, local->address, observed), local->address);
    }
}

} // namespace

std::vector<Change> missing_vteps(const State& desired, const Observed& observed) {
    std::vector<Change> changes;
    for_each_vtep(
        desired, observed,
        [&](const Network& network, const netlink::LinkInfo* made, const IpAddress& local) {
            if (made) return;
            netlink::VxlanSpec spec;
            spec.name = network.vtep_device();
            if (observed.unmakeable.contains(spec.name)) return;
            const netlink::LinkInfo* link = observed.find(spec.name);
            if (link && link->kind == "vxlan") changes.push_back(DeleteLink{link->name});
            spec.alias = alias_of(network, desired.overlay, local);
            spec.vni = network.vni;
            spec.local = local;
            spec.mac = vtep_mac(*own_subnet(network));
            spec.port = desired.overlay.routed_port;
            spec.mtu = network.mtu;
            changes.push_back(CreateVxlan{spec});
        });
    return changes;
}

std::vector<Change> vtep_settings(const State& desired, const Observed& observed) {
    std::vector<Change> changes;
    for_each_vtep(desired, observed,
                  [&](const Network& network, const netlink::LinkInfo* link, const IpAddress&) {
                      if (!link) return;
                      if (link->mtu != network.mtu)
                          changes.push_back(SetMtu{link->name, network.mtu});
                      if (!link->up) changes.push_back(BringUpVxlan{link->name});
                      const IpPrefix wanted = vtep_address(*own_subnet(network));
                      bool has_it = false;
                      if (auto it = observed.addresses.find(link->ifindex);
                          it != observed.addresses.end()) {
                          for (const netlink::AddressInfo& address : it->second)
                              has_it = has_it || address.prefix == wanted;
                      }
                      if (!has_it) changes.push_back(AddAddress{link->name, wanted});
                  });
    return changes;
}

std::vector<Change> host_route_changes(const State& desired, const Observed& observed) {
    std::vector<Change> changes;
    for_each_vtep(desired, observed,
                  [&](const Network& network, const netlink::LinkInfo* link, const IpAddress&) {
                      if (!link) return;
                      std::set<netlink::HostRoute> seen;
                      if (auto it = observed.host_routes.find(link->name);
                          it != observed.host_routes.end())
                          seen.insert(it->second.begin(), it->second.end());
                      const auto wanted = wanted_routes(network, desired);
                      // The gone first: another host may have the subnet by now.
                      for (const netlink::HostRoute& route : seen) {
                          if (!wanted.contains(route))
                              changes.push_back(DeleteHostRoute{link->name, route});
                      }
                      for (const netlink::HostRoute& route : wanted) {
                          if (!seen.contains(route))
                              changes.push_back(AddHostRoute{link->name, route});
                      }
                  });
    return changes;
}

} // namespace cnet::control
