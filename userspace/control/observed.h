// What the kernel holds now, as far as it concerns us: the other half of what reconcile compares.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/control/hooks.h"
#include "userspace/control/model.h"
#include "userspace/control/namespaces.h"
#include "userspace/control/tables.h"
#include "userspace/netlink/rtnl.h"

namespace cnet::control {

struct Observed {
    std::map<std::string, netlink::LinkInfo> links;
    std::map<uint32_t, std::vector<netlink::AddressInfo>> addresses; // by ifindex, kernel order
    netlink::Bridging bridging;                                      // of adopted bridges
    std::set<Attachment> attachments;
    std::set<std::string> namespaces;     // of endpoints without a veth: where one can be made
    std::set<std::string> not_forwarding; // host ports of ours that do not forward, but shall
    std::set<std::string> unmakeable; // devices that could not be created since the last full look
    std::map<std::string, std::vector<netlink::HostRoute>> host_routes; // by vtep device
    MapContents maps;

    const netlink::LinkInfo* find(const std::string& name) const;
    const netlink::LinkInfo* find(uint32_t ifindex) const;
};

// "cnet-bpf endpoint NAME", "cnet-bpf hostport NETWORK", "cnet-bpf vxlan PORT" and "cnet-bpf vtep
// NETWORK ...": how we know our devices again.
std::string alias_of(const Endpoint& endpoint);
std::string alias_of(const Network& network);
std::string alias_of(const OverlayConfig& overlay);
// The device towards other hosts' subnets, and what it is made with.
std::string alias_of(const Network& network, const OverlayConfig& overlay, const IpAddress& local);
bool is_ours(const netlink::LinkInfo& link); // has one of the four
bool is_vtep(const netlink::LinkInfo& link); // has the last
bool is_of(const netlink::LinkInfo& link, const Endpoint& endpoint);
bool is_of(const netlink::LinkInfo& link, const Network& network);

// Links, addresses and adopted bridges alone; true when anything in them differs from what
// `observed` held.
Result<bool> observe_links(Observed& observed, const State& state, netlink::Rtnl& rtnl);
// The same of addresses, and of adopted bridges by the links that are known.
Result<bool> observe_addresses(Observed& observed, netlink::Rtnl& rtnl);
Result<bool> observe_bridging(Observed& observed, const State& state, netlink::Rtnl& rtnl);
// Fills `not_forwarding`: a sysctl of the whole host (ip_forward) clears that of every device.
Status observe_forwarding(Observed& observed, const State& state, netlink::Rtnl& rtnl);
// Fills `host_routes`.
Status observe_host_routes(Observed& observed, netlink::Rtnl& rtnl);
// Fills `namespaces`. A path below /proc is a process's, whose number may be another's by now: its
// endpoint is made once, by the command, and never again.
void observe_namespaces(Observed& observed, const State& state, const Namespaces& namespaces);
Status observe_attachments(Observed& observed, Hooks& hooks);
Result<Observed> observe(const State& state, netlink::Rtnl& rtnl, Hooks& hooks, Tables& tables,
                         const Namespaces& namespaces);

} // namespace cnet::control
