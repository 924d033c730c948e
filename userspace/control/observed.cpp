#include "userspace/control/observed.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace cnet::control {

namespace {

constexpr std::string_view kEndpointAlias = "cnet-bpf endpoint ";
constexpr std::string_view kHostPortAlias = "cnet-bpf hostport ";
constexpr std::string_view kVxlanAlias = "cnet-bpf vxlan ";
constexpr std::string_view kVtepAlias = "cnet-bpf vtep ";

// Asked for each endpoint in each round, so without putting the alias together.
bool is_alias(std::string_view alias, std::string_view kind, std::string_view name) {
    return alias.size() == kind.size() + name.size() && alias.starts_with(kind) &&
           alias.ends_with(name);
}

} // namespace

const netlink::LinkInfo* Observed::find(const std::string& name) const {
    auto it = links.find(name);
    return it == links.end() ? nullptr : &it->second;
}

const netlink::LinkInfo* Observed::find(uint32_t ifindex) const {
    auto it = std::find_if(links.begin(), links.end(),
                           [&](const auto& entry) { return entry.second.ifindex == ifindex; });
    return it == links.end() ? nullptr : &it->second;
}

std::string alias_of(const Endpoint& endpoint) {
    return std::string(kEndpointAlias) + endpoint.name;
}

std::string alias_of(const Network& network) {
    return std::string(kHostPortAlias) + network.name;
}

std::string alias_of(const OverlayConfig& overlay) {
    return std::string(kVxlanAlias) + std::to_string(overlay.port);
}

std::string alias_of(const Network& network, const OverlayConfig& overlay, const IpAddress& local) {
    return std::string(kVtepAlias) + network.name + " " + std::to_string(network.vni) + " " +
           local.to_string() + ":" + std::to_string(overlay.routed_port);
}

bool is_ours(const netlink::LinkInfo& link) {
    return link.alias.starts_with(kEndpointAlias) || link.alias.starts_with(kHostPortAlias) ||
           link.alias.starts_with(kVxlanAlias) || is_vtep(link);
}

bool is_vtep(const netlink::LinkInfo& link) {
    return link.alias.starts_with(kVtepAlias);
}

bool is_of(const netlink::LinkInfo& link, const Endpoint& endpoint) {
    return is_alias(link.alias, kEndpointAlias, endpoint.name);
}

bool is_of(const netlink::LinkInfo& link, const Network& network) {
    return is_alias(link.alias, kHostPortAlias, network.name);
}

Result<bool> observe_links(Observed& observed, const State& state, netlink::Rtnl& rtnl) {
    auto links = rtnl.links();
    if (!links) return links.error();
    std::map<std::string, netlink::LinkInfo> by_name;
    for (netlink::LinkInfo& link : *links)
        by_name.emplace(link.name, link);
    bool changed = by_name != observed.links;
    observed.links = std::move(by_name);
    auto others = observe_addresses(observed, rtnl);
    if (!others) return others;
    changed |= *others;
    others = observe_bridging(observed, state, rtnl);
    if (!others) return others;
    return changed || *others;
}

Result<bool> observe_addresses(Observed& observed, netlink::Rtnl& rtnl) {
    auto addresses = rtnl.addresses();
    if (!addresses) return addresses.error();
    std::map<uint32_t, std::vector<netlink::AddressInfo>> by_ifindex;
    for (netlink::AddressInfo& address : *addresses)
        by_ifindex[address.ifindex].push_back(address);
    const bool changed = by_ifindex != observed.addresses;
    observed.addresses = std::move(by_ifindex);
    return changed;
}

Result<bool> observe_bridging(Observed& observed, const State& state, netlink::Rtnl& rtnl) {
    const netlink::Bridging before = std::exchange(observed.bridging, {});
    if (state.adopted.empty()) return observed.bridging != before;
    std::set<uint32_t> bridges;
    for (const auto& [name, adopted] : state.adopted)
        if (const netlink::LinkInfo* link = observed.find(name)) bridges.insert(link->ifindex);
    auto bridging = rtnl.bridging(bridges);
    if (!bridging) return bridging.error();
    observed.bridging = std::move(*bridging);
    return observed.bridging != before;
}

Status observe_forwarding(Observed& observed, const State& state, netlink::Rtnl& rtnl) {
    observed.not_forwarding.clear();
    for (const auto& [id, network] : state.networks) {
        const std::string device = network.host_port_outer();
        if (!observed.find(device)) continue;
        for (const char* family : {"ipv4", "ipv6"}) {
            if (family == std::string_view("ipv6") && !network.routes_ipv6()) continue;
            auto value = rtnl.sysctl(family, device, "forwarding");
            // No such file: the device has just gone, or the kernel has no IPv6.
            if (!value && value.error().kind() != ErrorKind::kNotFound) return value.error();
            if (value && *value == "0") observed.not_forwarding.insert(device);
        }
    }
    return {};
}

Status observe_host_routes(Observed& observed, netlink::Rtnl& rtnl) {
    observed.host_routes.clear();
    for (const auto& [name, link] : observed.links) {
        if (!is_vtep(link)) continue;
        auto routes = rtnl.host_routes(name);
        if (!routes) return routes.error();
        observed.host_routes[name] = *std::move(routes);
    }
    return {};
}

void observe_namespaces(Observed& observed, const State& state, const Namespaces& namespaces) {
    observed.namespaces.clear();
    for (const auto& [id, endpoint] : state.endpoints) {
        if (observed.find(endpoint.host_ifname())) continue;
        if (endpoint.docker || endpoint.netns.starts_with("/proc/")) continue;
        if (namespaces.alive(endpoint.netns)) observed.namespaces.insert(endpoint.netns);
    }
}

Status observe_attachments(Observed& observed, Hooks& hooks) {
    auto attachments = hooks.attachments();
    if (!attachments) return attachments.error();
    observed.attachments = std::set<Attachment>(attachments->begin(), attachments->end());
    return {};
}

Result<Observed> observe(const State& state, netlink::Rtnl& rtnl, Hooks& hooks, Tables& tables,
                         const Namespaces& namespaces) {
    Observed observed;
    auto links = observe_links(observed, state, rtnl);
    if (!links) return links.error();
    auto status = observe_attachments(observed, hooks);
    if (status) status = observe_forwarding(observed, state, rtnl);
    if (status) status = observe_host_routes(observed, rtnl);
    if (!status) return status.error();
    auto maps = tables.read();
    if (!maps) return maps.error();
    observed.maps = std::move(*maps);
    observe_namespaces(observed, state, namespaces);
    return observed;
}

} // namespace cnet::control
