#include <algorithm>

#include "userspace/base/names.h"
#include "userspace/control/attached.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

// The host would not be reached there any more: everything that comes in is the network's.
Status check_no_address(const netlink::LinkInfo& link, netlink::Rtnl& rtnl) {
    auto addresses = rtnl.addresses();
    if (!addresses) return addresses.error();
    for (const netlink::AddressInfo& address : *addresses) {
        if (address.ifindex != link.ifindex || !address.global_scope) continue;
        return Error(ErrorKind::kConflict,
                     "device " + link.name + " has the host's address " +
                         address.prefix.to_string() +
                         ", at which nobody would reach the host any more: remove it first");
    }
    return {};
}

Status check_no_uplink(const std::string& device, const State& state) {
    auto stated = state.uplinks.find(device);
    if (stated == state.uplinks.end() || !stated->second) return {};
    return Error(ErrorKind::kConflict, "device " + device + " is an uplink: delete that first");
}

Status check_mtu(const netlink::LinkInfo& link, const Network& network) {
    if (link.mtu >= network.mtu) return {};
    return Error(ErrorKind::kInvalid, "device " + link.name + " has an MTU of " +
                                          std::to_string(link.mtu) + ", network " + network.name +
                                          " one of " + std::to_string(network.mtu) +
                                          ": what the one sends must fit into the other");
}

AttachedView view_of(const AttachedDevice& attached, const State& state, const Observed& observed) {
    AttachedView view;
    view.device = attached.device;
    const netlink::LinkInfo* link = observed.find(attached.device);
    if (!link) {
        view.state = "gone";
        return view;
    }
    view.ifindex = link->ifindex;
    view.mtu = link->mtu;
    view.state = !check_attachable(*link, state) ? "unusable" : link->up ? "up" : "down";
    return view;
}

} // namespace

std::vector<AttachedView> Controller::Impl::attached_views(NetworkId network) const {
    std::vector<AttachedView> views;
    for (const auto& [name, attached] : state.attached) {
        if (attached.network_id == network) views.push_back(view_of(attached, state, observed));
    }
    return views;
}

Status Controller::Impl::check_attached_mtu(const Network& network) const {
    for (const auto& [name, attached] : state.attached) {
        if (attached.network_id != network.id) continue;
        const netlink::LinkInfo* link = find_attached_link(attached, state, observed);
        if (!link) continue;
        auto status = check_mtu(*link, network);
        if (!status) return status;
    }
    return {};
}

Result<NetworkView> Controller::attach_device(const std::string& network_name,
                                              const std::string& device) {
    Impl& impl = *impl_;
    auto found = impl.find_network(network_name);
    if (!found) return found.error();
    const Network& network = **found;
    if (!valid_ifname(device))
        return Error(ErrorKind::kInvalid, "\"" + device + "\" is no device name");
    if (auto known = impl.state.attached.find(device); known != impl.state.attached.end()) {
        return Error(ErrorKind::kConflict,
                     "device " + device + " is attached to network " +
                         impl.state.networks.at(known->second.network_id).name + " already");
    }
    auto link = impl.parts.rtnl.link(device);
    if (!link) {
        if (link.error().kind() == ErrorKind::kNotFound) return no_such("device", device);
        return link.error();
    }
    auto status = check_attachable(*link, impl.state);
    if (status) status = check_no_uplink(device, impl.state);
    if (status) status = check_no_address(*link, impl.parts.rtnl);
    if (status) status = check_mtu(*link, network);
    if (!status) return status.error();

    const AttachedDevice attached{device, network.id,
                                  needs_promiscuity(*link) && !link->promiscuous};
    impl.observed.links[device] = *link; // netlink's news may not have come yet
    State next = impl.state;
    next.attached[device] = attached;
    const NetworkId id = network.id;
    status = impl.change(std::move(next),
                         {{store::PutAttached{attached}}, {store::RemoveAttached{device}}});
    if (!status) return status.error();
    return impl.view(impl.state.networks.at(id));
}

Result<NetworkView> Controller::detach_device(const std::string& network_name,
                                              const std::string& device) {
    Impl& impl = *impl_;
    auto network = impl.find_network(network_name);
    if (!network) return network.error();
    const NetworkId id = (*network)->id;
    auto known = impl.state.attached.find(device);
    if (known == impl.state.attached.end() || known->second.network_id != id)
        return no_such("device attached to network " + network_name, device);
    const AttachedDevice attached = known->second;
    // While the store still has the device, so that a crash leaves nothing that nobody would undo.
    const netlink::LinkInfo* link = impl.observed.find(device);
    if (attached.promiscuous && link && link->promiscuous) {
        auto status = impl.applier.apply(SetPromiscuous{device, false});
        if (!status && status.error().kind() != ErrorKind::kNotFound) return status.error();
    }
    State next = impl.state;
    Edit edit;
    edit.backward.push_back(store::PutAttached{attached});
    for (const StaticFdb& entry : impl.state.fdb) {
        if (entry.device != device) continue;
        edit.forward.push_back(store::RemoveFdb{entry.network_id, entry.mac});
        edit.backward.push_back(store::PutFdb{entry});
    }
    edit.forward.push_back(store::RemoveAttached{device});
    std::erase_if(next.fdb, [&](const StaticFdb& entry) { return entry.device == device; });
    next.attached.erase(device);
    auto status = impl.change(std::move(next), std::move(edit));
    if (!status) return status.error();
    return impl.view(impl.state.networks.at(id));
}

} // namespace cnet::control
