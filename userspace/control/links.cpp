#include "userspace/control/links.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "userspace/control/adopted.h"
#include "userspace/control/attached.h"
#include "userspace/control/desired_maps.h"
#include "userspace/control/host_subnets.h"
#include "userspace/control/overlay.h"
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
    spec.peer_netns = endpoint.docker ? "" : endpoint.netns;
    spec.mtu = network.mtu;
    return spec;
}

// As with Docker, a network without an outside is nobody's way out.
std::vector<IpAddress> default_gateways(const Endpoint& endpoint, const Network& network) {
    std::vector<IpAddress> gateways;
    if (!endpoint.default_route || network.is_internal()) return gateways;
    for (const Subnet& subnet : network.subnets) {
        const bool on_it = std::any_of(
            endpoint.addresses.begin(), endpoint.addresses.end(),
            [&](const IpPrefix& address) { return subnet.prefix.contains(address.address()); });
        const bool has_family =
            std::any_of(gateways.begin(), gateways.end(), [&](const IpAddress& gateway) {
                return gateway.is_v4() == subnet.gateway.is_v4();
            });
        if (on_it && !has_family) gateways.push_back(subnet.gateway);
    }
    return gateways;
}

netlink::Rtnl::EndpointSetup endpoint_setup(const Endpoint& endpoint, const Network& network) {
    netlink::Rtnl::EndpointSetup setup;
    setup.netns = endpoint.netns;
    setup.ifname = endpoint.ifname;
    setup.addresses = endpoint.addresses;
    setup.default_gateways = default_gateways(endpoint, network);
    setup.egress = endpoint.egress;
    setup.up = !endpoint.disabled;
    setup.listens = network.is_layer2();
    return setup;
}

netlink::Rtnl::EndpointUpdate mtu_update(const Endpoint& endpoint, const Network& network) {
    netlink::Rtnl::EndpointUpdate update;
    update.inside = inner_end_of(endpoint);
    update.mtu = network.mtu;
    return update;
}

// What a live endpoint is to have by now; a gateway that it is not to use is one it may have used.
netlink::Rtnl::EndpointUpdate endpoint_update(const Endpoint& endpoint, const Network& network) {
    netlink::Rtnl::EndpointUpdate update = mtu_update(endpoint, network);
    update.default_gateways = default_gateways(endpoint, network);
    if (!endpoint.default_route || !update.default_gateways.empty()) return update;
    for (const Subnet& subnet : network.subnets)
        update.former_gateways.push_back(subnet.gateway);
    return update;
}

void set_mtu(std::vector<Change>& changes, const netlink::LinkInfo& link, const Network& network) {
    if (link.mtu != network.mtu) changes.push_back(SetMtu{link.name, network.mtu});
}

// The MTU is nobody's but ours: Docker leaves it as it finds it.
void set_up_docker(std::vector<Change>& changes, const netlink::LinkInfo& link,
                   const Endpoint& endpoint, const Network& network, const Observed& observed) {
    const netlink::LinkInfo* waiting = observed.find(waiting_ifname(endpoint.id));
    if (waiting && link.peer_here) {
        set_mtu(changes, *waiting, network);
        set_mtu(changes, link, network);
    } else if (link.mtu != network.mtu) {
        // Addresses and routes are Docker's to set.
        changes.push_back(UpdateEndpoint{mtu_update(endpoint, network)});
    }
    if (!link.up) changes.push_back(BringUpHostEnd{link.name});
}

BringUpHostPort::Ipv6 host_ipv6(const Network& network) {
    using enum BringUpHostPort::Ipv6;
    const bool isolated = network.mode_of(false) == Mode::kIsolated;
    if (network.is_isolated() || (isolated && network.has_family(false))) return kOff;
    return network.routes_ipv6() ? kRouter : kLinkLocal;
}

// The host's addresses on the network: what is missing and what is too many.
std::vector<Change> gateway_changes(const netlink::LinkInfo& outer, const Network& network,
                                    const Observed& observed) {
    std::vector<Change> changes;
    std::set<IpPrefix> wanted;
    for (const Subnet& subnet : network.subnets) {
        if (network.mode_of(subnet.prefix.is_v4()) == Mode::kIsolated) continue;
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
    return changes;
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
    if (has_overlay(desired) && !find_vxlan_link(desired, observed) &&
        !observed.unmakeable.contains(kVxlanDevice)) {
        const netlink::LinkInfo* link = observed.find(kVxlanDevice);
        if (link && link->kind == "vxlan") changes.push_back(DeleteLink{link->name});
        changes.push_back(CreateVxlan{vxlan_spec(desired)});
    }
    if (has_receiver(desired) && !find_receiver(desired, observed) &&
        !observed.unmakeable.contains(kVxlanReceiver))
        changes.push_back(CreateVxlanReceiver{receiver_spec(desired)});
    for (const auto& [id, endpoint] : desired.endpoints) {
        if (find_endpoint_link(endpoint, observed)) continue;
        if (observed.unmakeable.contains(endpoint.host_ifname())) continue;
        const netlink::LinkInfo* link = observed.find(endpoint.host_ifname());
        if (link && link->kind == "veth") {
            changes.push_back(DeleteLink{link->name});
        } else if (endpoint.docker ? !endpoint.netns.empty()
                                   : !observed.namespaces.contains(endpoint.netns)) {
            continue; // its container is gone: the endpoint waits for whoever deletes it
        }
        changes.push_back(
            CreateVeth{endpoint_spec(endpoint, desired.networks.at(endpoint.network_id))});
    }
    std::ranges::move(missing_vteps(desired, observed), std::back_inserter(changes));
    return changes;
}

std::vector<Change> link_settings(const State& desired, const Observed& observed) {
    std::vector<Change> changes;
    std::map<NetworkId, std::vector<Change>> gateways;
    for (const auto& [id, network] : desired.networks) {
        const HostPort host = find_host_port(network, observed);
        if (!host) continue;
        set_mtu(changes, *host.outer, network);
        set_mtu(changes, *host.inner, network);
        gateways[id] = gateway_changes(*host.outer, network, observed);
        if (!host.outer->up || !host.inner->up || !gateways[id].empty() ||
            observed.not_forwarding.contains(host.outer->name)) {
            changes.push_back(
                BringUpHostPort{host.outer->name, host.inner->name, host_ipv6(network)});
        }
    }
    const VxlanReceiver receiver = find_receiver(desired, observed);
    for (const netlink::LinkInfo* link :
         {find_vxlan_link(desired, observed), receiver.device, receiver.entrance}) {
        if (link && !link->up) changes.push_back(BringUpVxlan{link->name});
    }
    for (const auto& [id, endpoint] : desired.endpoints) {
        const netlink::LinkInfo* link = find_endpoint_link(endpoint, observed);
        if (!link) continue;
        const Network& network = desired.networks.at(endpoint.network_id);
        if (endpoint.docker) {
            set_up_docker(changes, *link, endpoint, network, observed);
        } else if (!link->up) {
            set_mtu(changes, *link, network);
            changes.push_back(
                BringUpEndpoint{link->name, endpoint_setup(endpoint, network), endpoint.ingress});
        } else if (link->mtu != network.mtu || !gateways[network.id].empty()) {
            changes.push_back(UpdateEndpoint{endpoint_update(endpoint, network)});
        }
    }
    std::ranges::move(vtep_settings(desired, observed), std::back_inserter(changes));
    for (const auto& [name, attached] : desired.attached) {
        const netlink::LinkInfo* link = find_attached_link(attached, desired, observed);
        if (link && attached.promiscuous && !link->promiscuous)
            changes.push_back(SetPromiscuous{name, true});
    }
    // Last: a host port with the right addresses has endpoints with the right routes.
    for (auto& [id, addresses] : gateways)
        std::move(addresses.begin(), addresses.end(), std::back_inserter(changes));
    return changes;
}

std::vector<Change> stray_links(const State& desired, const Observed& observed) {
    std::set<std::string> wanted;
    for (const auto& [id, network] : desired.networks) {
        wanted.insert(network.host_port_outer());
        if (network.pool) wanted.insert(network.vtep_device());
    }
    for (const auto& [id, endpoint] : desired.endpoints)
        wanted.insert(endpoint.host_ifname());
    if (has_overlay(desired)) wanted.insert(kVxlanDevice);
    std::vector<Change> changes;
    if (!has_receiver(desired) && !desired.overlay.receiver_netns.empty() &&
        (observed.find(kVxlanReceiver) || observed.find(kVxlanEntrance)))
        changes.push_back(DeleteVxlanReceiver{receiver_spec(desired)});
    wanted.insert({kVxlanReceiver, kVxlanEntrance});
    for (const auto& [name, link] : observed.links) {
        if (is_ours(link) && !wanted.contains(name)) changes.push_back(DeleteLink{name});
    }
    return changes;
}

std::vector<AttachHook> desired_hooks(const State& desired, const Observed& observed) {
    std::vector<AttachHook> hooks = adopted_hooks(desired, observed);
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
    for (const auto& [name, attached] : desired.attached) {
        if (const netlink::LinkInfo* link = find_attached_link(attached, desired, observed))
            add(CNET_HOOK_ENDPOINT, *link);
    }
    if (const netlink::LinkInfo* vxlan = find_vxlan_link(desired, observed))
        add(CNET_HOOK_VXLAN, *vxlan);
    if (const VxlanReceiver receiver = find_receiver(desired, observed))
        add(CNET_HOOK_VXLAN, *receiver.device);
    for (const ChosenUplink& uplink : choose_uplinks(desired, observed)) {
        add(CNET_HOOK_UPLINK, *uplink.link);
        add(CNET_HOOK_UPLINK_EGRESS, *uplink.link);
        if (desired.xdp_uplinks.contains(uplink.link->name))
            add(CNET_HOOK_UPLINK_XDP, *uplink.link);
    }
    return hooks;
}

netlink::Rtnl::InnerEnd inner_end_of(const Endpoint& endpoint) {
    return {endpoint.netns, endpoint.host_ifname(), endpoint.mac};
}

} // namespace cnet::control
