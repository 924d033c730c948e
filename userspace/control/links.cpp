#include "userspace/control/links.h"

#include <algorithm>
#include <set>

#include "userspace/control/desired_maps.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

// The far end of the host port must not have the gateway's MAC too.
MacAddress inner_mac(const MacAddress& gateway_mac) {
    auto bytes = gateway_mac.bytes();
    bytes[0] ^= 0x04;
    return MacAddress(bytes);
}

netlink::VethSpec host_port_spec(const Network& network) {
    netlink::VethSpec spec;
    spec.name = network.host_port_outer();
    spec.mac = network.gateway_mac;
    spec.alias = alias_of(network);
    spec.peer_name = network.host_port_inner();
    spec.peer_mac = inner_mac(network.gateway_mac);
    spec.mtu = network.mtu;
    return spec;
}

netlink::VethSpec endpoint_spec(const Endpoint& endpoint, const Network& network) {
    netlink::VethSpec spec;
    spec.name = endpoint.host_ifname();
    spec.alias = alias_of(endpoint);
    spec.peer_name = endpoint.ifname;
    spec.peer_mac = endpoint.mac;
    spec.peer_netns = endpoint.netns;
    spec.mtu = network.mtu;
    return spec;
}

netlink::Rtnl::EndpointSetup endpoint_setup(const Endpoint& endpoint, const Network& network) {
    netlink::Rtnl::EndpointSetup setup;
    setup.netns = endpoint.netns;
    setup.ifname = endpoint.ifname;
    setup.addresses = endpoint.addresses;
    // As with Docker, a network without an outside is nobody's way out.
    if (!endpoint.default_route || network.internal) return setup;
    for (const Subnet& subnet : network.subnets) {
        const bool on_it = std::any_of(
            endpoint.addresses.begin(), endpoint.addresses.end(),
            [&](const IpPrefix& address) { return subnet.prefix.contains(address.address()); });
        const bool has_family = std::any_of(
            setup.default_gateways.begin(), setup.default_gateways.end(),
            [&](const IpAddress& gateway) { return gateway.is_v4() == subnet.gateway.is_v4(); });
        if (on_it && !has_family) setup.default_gateways.push_back(subnet.gateway);
    }
    return setup;
}

void set_mtu(std::vector<Change>& changes, const netlink::LinkInfo& link, const Network& network) {
    if (link.mtu != network.mtu) changes.push_back(SetMtu{link.name, network.mtu});
}

void set_gateways(std::vector<Change>& changes, const netlink::LinkInfo& outer,
                  const Network& network, const Observed& observed) {
    std::set<IpPrefix> wanted;
    for (const Subnet& subnet : network.subnets) {
        wanted.insert(IpPrefix(subnet.gateway, subnet.prefix.length()));
    }
    std::set<IpPrefix> seen;
    if (auto it = observed.addresses.find(outer.ifindex); it != observed.addresses.end()) {
        for (const netlink::AddressInfo& address : it->second) {
            if (address.global_scope) seen.insert(address.prefix);
        }
    }
    for (const IpPrefix& address : wanted) {
        if (!seen.contains(address)) changes.push_back(AddAddress{outer.name, address});
    }
    for (const IpPrefix& address : seen) {
        if (!wanted.contains(address)) changes.push_back(DeleteAddress{outer.name, address});
    }
}

} // namespace

std::vector<Change> missing_links(const State& desired, const Observed& observed) {
    std::vector<Change> changes;
    for (const auto& [id, network] : desired.networks) {
        if (find_host_port(network, observed)) continue;
        if (observed.unmakeable.contains(network.host_port_outer())) continue;
        const netlink::LinkInfo* outer = observed.find(network.host_port_outer());
        if (outer && outer->kind == "veth") changes.push_back(DeleteLink{outer->name});
        changes.push_back(CreateVeth{host_port_spec(network)});
    }
    for (const auto& [id, endpoint] : desired.endpoints) {
        if (find_endpoint_link(endpoint, observed)) continue;
        if (observed.unmakeable.contains(endpoint.host_ifname())) continue;
        const netlink::LinkInfo* link = observed.find(endpoint.host_ifname());
        if (link && link->kind == "veth") {
            changes.push_back(DeleteLink{link->name});
        } else if (!observed.namespaces.contains(endpoint.netns)) {
            continue; // its namespace is gone: the endpoint waits for whoever deletes it
        }
        changes.push_back(
            CreateVeth{endpoint_spec(endpoint, desired.networks.at(endpoint.network_id))});
    }
    return changes;
}

std::vector<Change> link_settings(const State& desired, const Observed& observed) {
    std::vector<Change> changes;
    for (const auto& [id, network] : desired.networks) {
        const HostPort host = find_host_port(network, observed);
        if (!host) continue;
        set_mtu(changes, *host.outer, network);
        set_mtu(changes, *host.inner, network);
        if (!host.outer->up || !host.inner->up) {
            changes.push_back(BringUpHostPort{host.outer->name, host.inner->name});
        }
        set_gateways(changes, *host.outer, network, observed);
    }
    for (const auto& [id, endpoint] : desired.endpoints) {
        const netlink::LinkInfo* link = find_endpoint_link(endpoint, observed);
        if (!link) continue;
        const Network& network = desired.networks.at(endpoint.network_id);
        set_mtu(changes, *link, network);
        if (!link->up)
            changes.push_back(BringUpEndpoint{link->name, endpoint_setup(endpoint, network)});
    }
    return changes;
}

std::vector<Change> stray_links(const State& desired, const Observed& observed) {
    std::set<std::string> wanted;
    for (const auto& [id, network] : desired.networks)
        wanted.insert(network.host_port_outer());
    for (const auto& [id, endpoint] : desired.endpoints)
        wanted.insert(endpoint.host_ifname());
    std::vector<Change> changes;
    for (const auto& [name, link] : observed.links) {
        if (is_ours(link) && !wanted.contains(name)) changes.push_back(DeleteLink{name});
    }
    return changes;
}

std::vector<AttachHook> desired_hooks(const State& desired, const Observed& observed) {
    std::vector<AttachHook> hooks;
    auto add = [&](cnet_hook hook, const netlink::LinkInfo& link) {
        hooks.push_back({{hook, link.ifindex}, link.has_ethernet, link.name});
    };
    for (const auto& [id, network] : desired.networks) {
        if (const HostPort host = find_host_port(network, observed)) {
            add(CNET_HOOK_HOSTPORT, *host.inner);
        }
    }
    for (const auto& [id, endpoint] : desired.endpoints) {
        if (const netlink::LinkInfo* link = find_endpoint_link(endpoint, observed)) {
            add(CNET_HOOK_ENDPOINT, *link);
        }
    }
    for (const ChosenUplink& uplink : choose_uplinks(desired, observed)) {
        add(CNET_HOOK_UPLINK, *uplink.link);
        add(CNET_HOOK_UPLINK_EGRESS, *uplink.link);
    }
    return hooks;
}

} // namespace cnet::control
