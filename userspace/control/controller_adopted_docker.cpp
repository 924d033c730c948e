#include <algorithm>
#include <string_view>
#include <utility>

#include "userspace/control/adopted.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

// Takes out of `next` the bridges that are there because of Docker and that `keep` is not true of,
// with what is published from there, whose ids it answers.
template <typename Keep> std::vector<BindingId> remove_docker(State& next, Edit& edit, Keep keep) {
    std::vector<BindingId> released;
    for (const auto& [bridge, adopted] : std::map(next.adopted)) {
        if (!adopted.docker || keep(adopted)) continue;
        const auto behind = remove_adopted(next, edit, adopted);
        released.insert(released.end(), behind.begin(), behind.end());
    }
    return released;
}

// Published because Docker says so, and not by hand.
bool is_dockers(const PublishedPort& port, const State& state) {
    if (!port.behind || port.holder != Holder::kPublisher) return false;
    return std::ranges::any_of(state.adopted, [&](const auto& entry) {
        return entry.second.docker && entry.second.network_id == port.behind->network_id;
    });
}

bool has(const std::vector<AdoptedBridge>& bridges, const std::string& bridge) {
    return std::any_of(bridges.begin(), bridges.end(),
                       [&](const AdoptedBridge& one) { return one.bridge == bridge; });
}

// Of a bridge that is an uplink because of its address alone. What the default network is given
// (`-b`) is somebody's own and leads wherever that one likes; what Docker makes for a network that
// names its bridge has containers' ports alone.
bool may_lead_out(const AdoptedBridge& wanted, const netlink::LinkInfo& bridge,
                  const Observed& observed) {
    constexpr std::string_view kDefaultNetwork = "bridge";
    if (wanted.docker->network == kDefaultNetwork) return true;
    return std::ranges::any_of(observed.links, [&](const auto& entry) {
        return entry.second.master == bridge.ifindex && entry.second.kind != "veth";
    });
}

} // namespace

std::string Controller::Impl::docker_objection(const AdoptedBridge& wanted) const {
    const std::string& bridge = wanted.bridge;
    for (const ChosenUplink& uplink : choose_uplinks(state, observed)) {
        if (uplink.link->name != bridge) continue;
        if (uplink.added || may_lead_out(wanted, *uplink.link, observed)) return "it is an uplink";
    }
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
    const auto released = remove_docker(next, edit, [](const AdoptedBridge&) { return false; });
    auto status = impl_->change_and_release(std::move(next), std::move(edit), released);
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

Status Controller::follow_docker(const DockerPicture& picture) {
    if (!adopts_docker()) return {};
    impl_->docker_answered = true;
    impl_->docker_error.clear();
    auto status = impl_->follow_docker_bridges(picture.bridges);
    return status ? impl_->follow_docker_ports(picture.ports) : status;
}

Status Controller::Impl::follow_docker_bridges(const std::vector<AdoptedBridge>& bridges) {
    State next = state;
    Edit edit;
    const auto released = remove_docker(
        next, edit, [&](const AdoptedBridge& one) { return has(bridges, one.bridge); });
    for (AdoptedBridge wanted : bridges) {
        auto known = next.adopted.find(wanted.bridge);
        const bool is_known = known != next.adopted.end();
        // By name: whoever asked for that keeps it as it is.
        if (is_known && !known->second.docker) continue;
        if (wanted.docker->left.empty()) wanted.docker->left = docker_objection(wanted);
        wanted.network_id = is_known ? known->second.network_id : ++ids.network;
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
    auto looked = look_at_links(next);
    if (!looked) return looked.error();
    for (const auto& [name, adopted] : next.adopted) {
        auto before = state.adopted.find(name);
        if (before == state.adopted.end() || !before->second.masquerade) leave_running(adopted);
    }
    return change_and_release(std::move(next), std::move(edit), released);
}

std::optional<PublishedPort> Controller::Impl::docker_port(const DockerPort& port) const {
    auto bridge = state.adopted.find(port.bridge);
    if (bridge == state.adopted.end() || !bridge->second.docker) return std::nullopt;
    const AdoptedBridge& adopted = bridge->second;
    if (adopted.is_left() || adopted.internal || is_way_out(adopted, state)) return std::nullopt;
    PublishedPort published;
    published.behind = BridgeTarget{adopted.network_id, port.address};
    published.host_ip = port.host_ip;
    published.host_port = port.host_port;
    published.port = port.port;
    published.l4 = port.l4;
    published.holder = Holder::kPublisher;
    return published;
}

Status Controller::Impl::follow_docker_ports(const std::vector<DockerPort>& ports) {
    std::vector<PublishedPort> wanted;
    for (const DockerPort& port : ports)
        if (auto published = docker_port(port)) wanted.push_back(std::move(*published));
    State next = state;
    Edit edit;
    // First, since a container that comes back has its port at another address.
    std::erase_if(next.ports, [&](const auto& entry) {
        PublishedPort port = entry.second;
        if (!is_dockers(port, state)) return false;
        port.id = 0;
        port.allow_from.clear(); // not Docker's to say, nor is this
        port.new_limit = {};
        if (std::erase(wanted, port) > 0) return false;
        edit.forward.emplace_back(store::RemovePort{entry.first});
        edit.backward.emplace_back(store::PutPort{entry.second});
        return true;
    });
    if (!edit.forward.empty()) {
        if (auto status = change(next, std::exchange(edit, {})); !status) return status;
    }
    Status taken;
    for (PublishedPort& port : wanted) {
        if (auto status = reserve_given(port); !status) {
            taken = status;
            continue;
        }
        port.id = ++ids.binding;
        edit.forward.emplace_back(store::PutPort{port});
        edit.backward.emplace_back(store::RemovePort{port.id});
        next.ports[port.id] = port;
    }
    if (edit.forward.empty()) return taken;
    auto status = change(std::move(next), std::move(edit));
    return status ? taken : status;
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
