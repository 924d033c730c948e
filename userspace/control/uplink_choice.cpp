#include "userspace/control/uplink_choice.h"

#include <algorithm>
#include <string_view>

namespace cnet::control {

namespace {

// A bridge of the administrator's own may well be the way out; these never are.
bool is_engine_bridge(const netlink::LinkInfo& link) {
    constexpr std::string_view kNames[] = {"docker",  "br-",      "podman", "cni",
                                           "virbr",   "lxcbr",    "lxdbr",  "incusbr",
                                           "nerdctl", "mpqemubr", "cbr0"};
    if (link.kind != "bridge") return false;
    return std::any_of(std::begin(kNames), std::end(kNames),
                       [&](std::string_view name) { return link.name.starts_with(name); });
}

bool has_global_address(const netlink::LinkInfo& link, const Observed& observed) {
    auto it = observed.addresses.find(link.ifindex);
    if (it == observed.addresses.end()) return false;
    return std::any_of(it->second.begin(), it->second.end(),
                       [](const netlink::AddressInfo& address) { return address.global_scope; });
}

} // namespace

bool is_own_device(const netlink::LinkInfo& link, const State& state) {
    if (is_ours(link)) return true;
    // The names are put together for each network, and links are many: look at the prefix first.
    return link.kind == "veth" && link.name.starts_with("cnhp") &&
           std::any_of(state.networks.begin(), state.networks.end(), [&](const auto& entry) {
               return entry.second.host_port_inner() == link.name;
           });
}

bool is_default_uplink(const netlink::LinkInfo& link, const State& state,
                       const Observed& observed) {
    return state.uplink_policy == UplinkPolicy::kAutomatic && link.up && !link.loopback &&
           link.master == 0 && !state.attached.contains(link.name) && !is_own_device(link, state) &&
           !is_engine_bridge(link) && has_global_address(link, observed);
}

std::vector<ChosenUplink> choose_uplinks(const State& state, const Observed& observed) {
    std::vector<ChosenUplink> chosen;
    for (const auto& [name, link] : observed.links) {
        auto stated = state.uplinks.find(name);
        const bool added = stated != state.uplinks.end() && stated->second;
        const bool deleted = stated != state.uplinks.end() && !stated->second;
        auto adopted = state.adopted.find(name);
        const bool taken = adopted != state.adopted.end() && !adopted->second.is_left();
        if (deleted || (taken && !added)) continue;
        if (added || is_vtep(link) || is_default_uplink(link, state, observed))
            chosen.push_back({&link, added});
    }
    return chosen;
}

cnet_uplink uplink_entry(const netlink::LinkInfo& link, const Observed& observed) {
    cnet_uplink entry{};
    auto it = observed.addresses.find(link.ifindex);
    if (it == observed.addresses.end()) return entry;
    for (const netlink::AddressInfo& address : it->second) {
        if (!address.is_stable()) continue;
        if (entry.addr_count == CNET_UPLINK_ADDRS_MAX) break;
        cnet_uplink_addr& slot = entry.addrs[entry.addr_count++];
        slot.addr = address.prefix.address().to_abi();
        slot.prefix_len = address.prefix.length() + (address.prefix.is_v4() ? 96u : 0u);
    }
    return entry;
}

} // namespace cnet::control
