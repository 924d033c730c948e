#include "userspace/control/controller_impl.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

// Takes out of `next` what is there because of Docker and that `keep` is not true of.
template <typename Keep> void remove_docker(State& next, Edit& edit, Keep keep) {
    std::erase_if(next.adopted, [&](const auto& entry) {
        const AdoptedBridge& adopted = entry.second;
        if (!adopted.docker || keep(adopted)) return false;
        edit.forward.emplace_back(store::RemoveAdopted{adopted.bridge});
        edit.backward.emplace_back(store::PutAdopted{adopted});
        return true;
    });
}

bool has(const std::vector<AdoptedBridge>& bridges, const std::string& bridge) {
    return std::any_of(bridges.begin(), bridges.end(),
                       [&](const AdoptedBridge& one) { return one.bridge == bridge; });
}

} // namespace

std::string Controller::Impl::docker_objection(const std::string& bridge) const {
    for (const ChosenUplink& uplink : choose_uplinks(state, observed))
        if (uplink.link->name == bridge) return "it is an uplink";
    const netlink::LinkInfo* link = observed.find(bridge);
    for (const auto& [device, added] : state.uplinks) {
        const netlink::LinkInfo* port = observed.find(device);
        if (added && link && port && port->master == link->ifindex)
            return "its port " + device + " is an uplink";
    }
    for (const auto& [id, network] : state.networks)
        if (network.name == bridge) return "there is a network of the same name";
    return {};
}

Status Controller::Impl::forget_docker_unless_adopted() {
    if (state.adopts_docker || parts.adopt_docker) return {};
    Edit edit;
    remove_docker(state, edit, [](const AdoptedBridge&) { return false; });
    return edit.forward.empty() ? Status() : parts.store.commit(edit.forward);
}

bool Controller::adopts_docker() const {
    return impl_->state.adopts_docker || impl_->parts.adopt_docker;
}

Result<DockerAdoptionView> Controller::adopt_docker() {
    if (adopts_docker()) return Error(ErrorKind::kConflict, "docker is adopted already");
    State next = impl_->state;
    next.adopts_docker = true;
    auto status = impl_->change(std::move(next),
                                {{store::SetAdoptsDocker{true}}, {store::SetAdoptsDocker{false}}});
    if (!status) return status.error();
    return docker_adoption();
}

Status Controller::release_docker() {
    if (!adopts_docker()) return Error(ErrorKind::kNotFound, "docker is not adopted");
    if (impl_->parts.adopt_docker)
        return Error(ErrorKind::kConflict, "docker is adopted because cnetd.toml says so: take "
                                           "[adopt] docker out there and restart cnetd");
    State next = impl_->state;
    next.adopts_docker = false;
    Edit edit{{store::SetAdoptsDocker{false}}, {store::SetAdoptsDocker{true}}};
    remove_docker(next, edit, [](const AdoptedBridge&) { return false; });
    auto status = impl_->change(std::move(next), std::move(edit));
    if (!status) return status;
    impl_->docker_answered = false;
    impl_->docker_error.clear();
    return {};
}

DockerAdoptionView Controller::docker_adoption() const {
    DockerAdoptionView view;
    view.adopted = adopts_docker();
    view.configured = impl_->parts.adopt_docker;
    view.error = impl_->docker_error;
    view.state = !view.adopted             ? "off"
                 : !view.error.empty()     ? "away"
                 : !impl_->docker_answered ? "asking"
                                           : "following";
    for (AdoptedView& bridge : adopted())
        if (bridge.docker_network) view.bridges.push_back(std::move(bridge));
    return view;
}

Status Controller::follow_docker(const std::vector<AdoptedBridge>& bridges) {
    Impl& impl = *impl_;
    if (!adopts_docker()) return {};
    impl.docker_answered = true;
    impl.docker_error.clear();
    State next = impl.state;
    Edit edit;
    remove_docker(next, edit, [&](const AdoptedBridge& one) { return has(bridges, one.bridge); });
    for (AdoptedBridge wanted : bridges) {
        auto known = next.adopted.find(wanted.bridge);
        const bool is_known = known != next.adopted.end();
        // By name: whoever asked for that keeps it as it is.
        if (is_known && !known->second.docker) continue;
        if (wanted.docker->left.empty()) wanted.docker->left = impl.docker_objection(wanted.bridge);
        wanted.network_id = is_known ? known->second.network_id : ++impl.ids.network;
        if (is_known && known->second == wanted) continue;
        edit.forward.emplace_back(store::PutAdopted{wanted});
        if (is_known)
            edit.backward.emplace_back(store::PutAdopted{known->second});
        else
            edit.backward.emplace_back(store::RemoveAdopted{wanted.bridge});
        next.adopted[wanted.bridge] = std::move(wanted);
    }
    if (edit.forward.empty()) return {};
    // Netlink's news may not have come yet.
    auto looked = observe_links(impl.observed, next, impl.parts.rtnl);
    if (!looked) return looked.error();
    return impl.change(std::move(next), std::move(edit));
}

void Controller::docker_away(const std::string& error) {
    if (adopts_docker()) impl_->docker_error = error;
}

std::set<std::string> Controller::bridge_devices() const {
    std::set<std::string> bridges;
    for (const auto& [name, link] : impl_->observed.links)
        if (link.kind == "bridge") bridges.insert(name);
    return bridges;
}

} // namespace cnet::control
