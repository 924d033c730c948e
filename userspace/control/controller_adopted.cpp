#include "userspace/base/names.h"
#include "userspace/control/adopted.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

Status check_adoptable(const netlink::LinkInfo& link, const State& state) {
    if (link.kind != "bridge")
        return Error(ErrorKind::kInvalid, "device " + link.name + " is no bridge");
    for (const auto& [id, network] : state.networks) {
        if (network.name == link.name)
            return Error(ErrorKind::kConflict,
                         "there is a network " + link.name +
                             " already, and the bridge would be shown as one");
    }
    return {};
}

// Its ports' frames are the uplink's, so that a MAC which moves there would not be seen.
Status check_ports(const netlink::LinkInfo& bridge, const State& state, const Observed& observed) {
    for (const auto& [device, added] : state.uplinks) {
        const netlink::LinkInfo* link = observed.find(device);
        if (!added || !link || link->master != bridge.ifindex) continue;
        return Error(ErrorKind::kConflict, "port " + device + " of bridge " + bridge.name +
                                               " is an uplink: delete that first");
    }
    return {};
}

// What the host sends there is the uplink's, and so is what it does about that.
Status check_way_out(const AdoptedBridge& adopted, const State& state) {
    if (!is_way_out(adopted, state)) return {};
    if (!adopted.masquerade && adopted.icc && !adopted.internal) return {};
    return Error(ErrorKind::kConflict,
                 "bridge " + adopted.bridge + " is an uplink: it has none of these options");
}

// Whether any was given.
bool set_options(AdoptedBridge& adopted, const AdoptSpec& spec) {
    adopted.masquerade = spec.masquerade.value_or(adopted.masquerade);
    adopted.icc = spec.icc.value_or(adopted.icc);
    adopted.internal = spec.internal.value_or(adopted.internal);
    return spec.masquerade || spec.icc || spec.internal;
}

std::vector<std::string> warnings_for(const netlink::Bridging& bridging,
                                      const netlink::BridgeInfo& bridge) {
    std::vector<std::string> warnings;
    if (bridging.netfilter || bridge.calls_netfilter)
        warnings.emplace_back("br_netfilter hands this bridge's packets to iptables: its rules do "
                              "not see what goes past the bridge");
    if (bridging.rules)
        warnings.emplace_back("there are nftables rules of the bridge family: they do not see what "
                              "goes past the bridge");
    if (bridging.ebtables)
        warnings.emplace_back(
            "there are ebtables rules: they do not see what goes past the bridge");
    return warnings;
}

} // namespace

AdoptedView Controller::Impl::view(const AdoptedBridge& adopted) const {
    AdoptedView view;
    view.bridge = adopted.bridge;
    view.id = adopted.network_id;
    if (adopted.masquerade) {
        view.outside4 = adopted.outside4;
        view.outside6 = adopted.outside6;
        view.trusted = adopted.trusted;
        view.masquerade = adopted.outside4.masquerades() || adopted.outside6.masquerades();
    }
    view.icc = adopted.icc;
    view.internal = adopted.internal;
    if (adopted.docker) view.docker_network = adopted.docker->network;
    view.state = "gone";
    const netlink::LinkInfo* link = find_adopted_link(adopted, observed);
    if (!link) return view;
    view.ifindex = link->ifindex;
    auto info = observed.bridging.bridges.find(link->ifindex);
    if (info == observed.bridging.bridges.end()) return view;
    view.left = adopted_objection(adopted, info->second, observed.bridging);
    view.state = view.left.empty() ? "adopted" : "left";
    for (const AdoptedPort& port : adopted_ports(adopted, state, observed))
        view.ports.push_back({port.link->name, port.link->ifindex, port.left});
    // What any rules would have to say of Docker's is part of `left`.
    if (!adopted.docker) view.warnings = warnings_for(observed.bridging, info->second);
    return view;
}

void Controller::Impl::leave_running(const AdoptedBridge& adopted) {
    if (!adopted.masquerade) return;
    const netlink::LinkInfo* link = find_adopted_link(adopted, observed);
    if (!link) return;
    std::vector<IpPrefix> subnets;
    if (auto of = observed.addresses.find(link->ifindex); of != observed.addresses.end()) {
        for (const netlink::AddressInfo& address : of->second)
            subnets.push_back(address.prefix);
    }
    auto left =
        parts.tables.leave_to_kernel(adopted.network_id, subnets, parts.clock.monotonic_ns());
    // They go on by a port of ours then.
    if (!left) note_error(left.error().because("leave what runs to the kernel"));
}

Result<AdoptedView> Controller::Impl::change_adopted(const AdoptedBridge& before,
                                                     const AdoptSpec& spec) {
    AdoptedBridge after = before;
    if (before.docker)
        return Error(ErrorKind::kConflict,
                     "bridge " + spec.bridge + " is adopted with all of Docker's, which says how");
    if (!set_options(after, spec))
        return Error(ErrorKind::kConflict, "bridge " + spec.bridge + " is adopted already");
    if (auto status = check_way_out(after, state); !status) return status.error();
    if (after.internal) {
        for (const auto& [id, port] : state.ports) {
            if (!port.behind || port.behind->network_id != before.network_id) continue;
            return Error(ErrorKind::kConflict, name_of_target(port) + " publishes " +
                                                   to_string(port) + ": unpublish it first");
        }
    }
    if (!before.masquerade) leave_running(after);
    State next = state;
    next.adopted[spec.bridge] = after;
    auto status =
        change(std::move(next), {{store::PutAdopted{after}}, {store::PutAdopted{before}}});
    if (!status) return status.error();
    return view(after);
}

Result<AdoptedView> Controller::adopt_bridge(const AdoptSpec& spec) {
    Impl& impl = *impl_;
    const std::string& bridge = spec.bridge;
    if (!valid_ifname(bridge))
        return Error(ErrorKind::kInvalid, "\"" + bridge + "\" is no device name");
    if (bridge == kDocker)
        return Error(ErrorKind::kInvalid, "\"docker\" stands for what Docker makes");
    if (auto known = impl.state.adopted.find(bridge); known != impl.state.adopted.end())
        return impl.change_adopted(AdoptedBridge(known->second), spec);
    auto link = impl.parts.rtnl.link(bridge);
    if (!link) {
        if (link.error().kind() == ErrorKind::kNotFound) return no_such("bridge", bridge);
        return link.error();
    }
    auto status = check_adoptable(*link, impl.state);
    if (!status) return status.error();

    State next = impl.state;
    AdoptedBridge adopted{bridge, ++impl.ids.network};
    set_options(adopted, spec);
    status = check_way_out(adopted, next);
    if (!status) return status.error();
    next.adopted[bridge] = adopted;
    // Netlink's news may not have come yet.
    auto looked = impl.look_at_links(next);
    if (!looked) return looked.error();
    status = check_ports(*link, next, impl.observed);
    if (!status) return status.error();
    auto info = impl.observed.bridging.bridges.find(link->ifindex);
    if (info == impl.observed.bridging.bridges.end()) return no_such("bridge", bridge);
    if (std::string objection = bridge_objection(info->second); !objection.empty())
        return Error(ErrorKind::kConflict, "bridge " + bridge + " cannot be adopted: " + objection);
    impl.leave_running(adopted);
    status = impl.change(std::move(next),
                         {{store::PutAdopted{adopted}}, {store::RemoveAdopted{bridge}}});
    if (!status) return status.error();
    return impl.view(impl.state.adopted.at(bridge));
}

Status Controller::release_bridge(const std::string& bridge) {
    Impl& impl = *impl_;
    auto known = impl.state.adopted.find(bridge);
    if (known == impl.state.adopted.end()) return no_such("adopted bridge", bridge);
    const AdoptedBridge adopted = known->second;
    if (adopted.docker)
        return Error(ErrorKind::kConflict,
                     "bridge " + bridge + " is adopted with all of Docker's: release docker");
    State next = impl.state;
    Edit edit;
    const auto released = remove_adopted(next, edit, adopted);
    return impl.change_and_release(std::move(next), std::move(edit), released);
}

std::vector<AdoptedView> Controller::adopted() const {
    std::vector<AdoptedView> views;
    for (const auto& [bridge, adopted] : impl_->state.adopted)
        views.push_back(impl_->view(adopted));
    return views;
}

} // namespace cnet::control
