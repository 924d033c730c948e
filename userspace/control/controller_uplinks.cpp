#include <algorithm>

#include "userspace/control/controller_impl.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

UplinkView view_of(const ChosenUplink& uplink, const State& state, const Observed& observed) {
    UplinkView view;
    view.device = uplink.link->name;
    view.ifindex = uplink.link->ifindex;
    view.configured = uplink.added ? "added" : "auto";
    view.ethernet = uplink.link->has_ethernet;
    view.xdp = state.xdp_uplinks.contains(view.device);
    view.xdp_running = observed.attachments.contains({CNET_HOOK_UPLINK_XDP, view.ifindex});
    if (auto it = observed.addresses.find(view.ifindex); it != observed.addresses.end()) {
        for (const netlink::AddressInfo& address : it->second) {
            if (address.global_scope) view.addresses.push_back(address.prefix);
        }
    }
    return view;
}

// The edit that makes `device` stand as `next` says, from what `before` said.
Edit uplink_edit(const std::string& device, const State& before, const State& next) {
    auto put = [&](const State& state) -> std::vector<store::Mutation> {
        const store::SetUplinkXdp xdp{device, state.xdp_uplinks.contains(device)};
        auto stated = state.uplinks.find(device);
        if (stated == state.uplinks.end()) return {store::RemoveUplink{device}, xdp};
        return {store::PutUplink{device, stated->second}, xdp};
    };
    return {put(next), put(before)};
}

// What no driver's answer would say as clearly.
Status check_xdp(const netlink::LinkInfo& link) {
    const std::string device = "device " + link.name;
    if (!link.has_ethernet)
        return Error(ErrorKind::kInvalid, device + " has no Ethernet header: no XDP");
    if (link.kind == "bond")
        return Error(ErrorKind::kInvalid,
                     device + " is a bond, whose ports run its XDP program as their own: no XDP");
    return {};
}

} // namespace

Result<UplinkView> Controller::add_uplink(const std::string& device) {
    Impl& impl = *impl_;
    auto link = impl.parts.rtnl.link(device);
    if (!link) {
        if (link.error().kind() == ErrorKind::kNotFound) return no_such("device", device);
        return link.error();
    }
    if (link->loopback)
        return Error(ErrorKind::kInvalid, "device " + device + " is the loopback device");
    if (is_own_device(*link, impl.state)) {
        return Error(ErrorKind::kInvalid, "device " + device + " belongs to one of our networks");
    }
    if (auto attached = impl.state.attached.find(device); attached != impl.state.attached.end()) {
        return Error(ErrorKind::kConflict,
                     "device " + device + " is attached to network " +
                         impl.state.networks.at(attached->second.network_id).name);
    }
    auto is_adopted = [&](const std::string& bridge) {
        auto known = impl.state.adopted.find(bridge);
        return known != impl.state.adopted.end() && !known->second.is_left();
    };
    if (is_adopted(device))
        return Error(ErrorKind::kConflict, "bridge " + device + " is adopted: release it first");
    const netlink::LinkInfo* master = impl.observed.find(link->master);
    if (master && is_adopted(master->name))
        return Error(ErrorKind::kConflict, "device " + device + " is a port of bridge " +
                                               master->name + ", which is adopted");
    impl.observed.links[device] = *link; // netlink's news may not have come yet
    State next = impl.state;
    next.uplinks[device] = true;
    Edit edit = uplink_edit(device, impl.state, next);
    auto status = impl.change(std::move(next), std::move(edit));
    if (!status) return status.error();
    return view_of({&impl.observed.links.at(device), true}, impl.state, impl.observed);
}

Status Controller::delete_uplink(const std::string& device) {
    Impl& impl = *impl_;
    const netlink::LinkInfo* link = impl.observed.find(device);
    const bool by_default = link && is_default_uplink(*link, impl.state, impl.observed);
    auto stated = impl.state.uplinks.find(device);
    const bool added = stated != impl.state.uplinks.end() && stated->second;
    const bool deleted = stated != impl.state.uplinks.end() && !stated->second;
    if (!added && (deleted || !by_default)) return no_such("uplink", device);
    State next = impl.state;
    if (by_default) {
        next.uplinks[device] = false;
    } else {
        next.uplinks.erase(device);
    }
    next.xdp_uplinks.erase(device);
    Edit edit = uplink_edit(device, impl.state, next);
    return impl.change(std::move(next), std::move(edit));
}

Result<UplinkView> Controller::set_uplink_xdp(const std::string& device, bool native) {
    Impl& impl = *impl_;
    const auto chosen = choose_uplinks(impl.state, impl.observed);
    const auto uplink = std::find_if(chosen.begin(), chosen.end(), [&](const ChosenUplink& one) {
        return one.link->name == device;
    });
    const bool stated = impl.state.xdp_uplinks.contains(device);
    if (uplink == chosen.end() && (native || !stated)) return no_such("uplink", device);
    if (native) {
        if (Status status = check_xdp(*uplink->link); !status) return status.error();
    }
    State next = impl.state;
    if (native)
        next.xdp_uplinks.insert(device);
    else
        next.xdp_uplinks.erase(device);
    Edit edit = uplink_edit(device, impl.state, next);
    auto status = impl.change(std::move(next), std::move(edit));
    if (!status) return status.error();
    for (UplinkView& view : uplinks()) {
        if (view.device == device) return std::move(view);
    }
    UplinkView view;
    view.device = device;
    return view;
}

std::vector<UplinkView> Controller::uplinks() const {
    std::vector<UplinkView> views;
    for (const ChosenUplink& uplink : choose_uplinks(impl_->state, impl_->observed)) {
        views.push_back(view_of(uplink, impl_->state, impl_->observed));
    }
    return views;
}

} // namespace cnet::control
