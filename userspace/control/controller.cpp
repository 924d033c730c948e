#include "userspace/control/controller.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "userspace/base/log.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/overlay.h"
#include "userspace/control/uplink_choice.h"

namespace cnet::control {

namespace {

// A reboot takes every namespace along; the sandboxes that the store has are made again, empty, and
// their endpoints' devices follow.
void restore_sandboxes(const State& state, Namespaces& namespaces) {
    for (const auto& [name, sandbox] : state.sandboxes) {
        if (namespaces.alive(sandbox.path)) continue;
        auto status = namespaces.create(name);
        if (!status) log_error(status.error().because("make sandbox " + name + " again").message());
    }
}

// One that was killed when it had removed the devices of the kept receiver, and not yet their
// namespace, has left nothing else that tells of it.
void forget_receiver(const State& state, Namespaces& namespaces) {
    const std::filesystem::path netns = state.overlay.receiver_netns;
    const std::string name = netns.filename();
    if (netns.empty() || has_receiver(state) || state.sandboxes.contains(name)) return;
    if (namespaces.path_of(name) != netns) return;
    if (auto status = namespaces.remove(name); !status) log_error(status.error().message());
}

// A daemon that was killed just now may still be closing its sockets: it lets go of its lock, as of
// any file, in the order of descriptors. What is still taken after that is somebody else's.
constexpr auto kPredecessorGrace = std::chrono::milliseconds(500);
constexpr auto kPredecessorPoll = std::chrono::milliseconds(5);

bool any_taken(const std::map<BindingId, Error>& unreserved) {
    return std::any_of(unreserved.begin(), unreserved.end(), [](const auto& entry) {
        return entry.second.kind() == ErrorKind::kConflict;
    });
}

// Three hostile ones still leave room for others; and who talks to one port of one server from all
// ports that Linux gives out by itself, 28,232, stays within it.
constexpr uint64_t kSharesOfFlows = 4;

} // namespace

void Controller::Impl::reserve_ports_after_predecessor() {
    const auto deadline = std::chrono::steady_clock::now() + kPredecessorGrace;
    reserve_ports(Tell::kNothing);
    while (any_taken(unreserved) && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(kPredecessorPoll);
        reserve_ports(Tell::kNothing);
    }
    unreserved.clear();
    reserve_ports(Tell::kErrors);
}

Controller::Controller(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Controller::~Controller() = default;

Result<std::unique_ptr<Controller>> Controller::start(Parts parts, Timeouts timeouts,
                                                      UplinkPolicy policy, OverlayConfig overlay) {
    auto impl = std::make_unique<Impl>(parts, timeouts);
    auto snapshot = parts.store.load();
    if (!snapshot) return snapshot.error();
    impl->state = std::move(snapshot->state);
    impl->state.uplink_policy = policy;
    impl->state.overlay = overlay;
    // A flow is two entries.
    impl->state.endpoint_flows = parts.endpoint_flows.value_or(
        static_cast<uint32_t>(parts.tables.ct_max_entries() / 2 / kSharesOfFlows));
    impl->ids = snapshot->last_ids;
    impl->take_up_leases();
    if (auto status = impl->forget_docker_unless_adopted(); !status) return status.error();
    restore_sandboxes(impl->state, parts.namespaces);
    forget_receiver(impl->state, parts.namespaces);
    auto status = impl->observe_all();
    if (!status) return status.error();
    impl->reserve_ports_after_predecessor();
    // What could not be repaired is in the status; the rest works.
    static_cast<void>(static_cast<bool>(impl->repair()));
    return std::unique_ptr<Controller>(new Controller(std::move(impl)));
}

Status Controller::reconcile() {
    impl_->reconcile_status.last_error.reset();
    auto status = impl_->observe_all();
    if (!status) {
        impl_->note_error(status.error());
        return status;
    }
    impl_->reserve_ports(Impl::Tell::kErrors);
    // What kept a network of the cluster out may be gone.
    if (impl_->parts.cluster) {
        if (Status followed = impl_->follow(); !followed) impl_->note_error(followed.error());
    }
    return impl_->repair();
}

Status Controller::settings_changed() {
    auto status = observe_forwarding(impl_->observed, impl_->state, impl_->parts.rtnl);
    if (!status) {
        impl_->note_error(status.error());
        return status;
    }
    return impl_->observed.not_forwarding.empty() ? Status() : impl_->repair();
}

Result<Collector::Swept> Controller::sweep() {
    auto ended = impl_->end_leases();
    if (ended) ended = impl_->collect_docker();
    if (!ended) return ended.error();
    AgeingTimes ageing;
    for (const auto& [id, network] : impl_->observed.maps.network)
        ageing[id] = network.ageing_s;
    return impl_->collector.sweep(impl_->state, ageing);
}

Result<StatusView> Controller::status() const {
    auto connections = count_connections();
    if (!connections) return connections.error();
    StatusView view = summary();
    view.connections = connections->flows;
    return view;
}

StatusView Controller::summary() const {
    StatusView view;
    view.networks = impl_->state.networks.size();
    view.endpoints = impl_->state.endpoints.size();
    view.ports = impl_->state.ports.size();
    view.uplinks = choose_uplinks(impl_->state, impl_->observed).size();
    view.sandboxes = impl_->state.sandboxes.size();
    view.reconcile = impl_->reconcile_status;
    if (impl_->parts.cluster) {
        view.cluster = impl_->parts.cluster->status();
        view.cluster->conflicts.insert(view.cluster->conflicts.end(),
                                       impl_->cluster_complaints.begin(),
                                       impl_->cluster_complaints.end());
    }
    return view;
}

} // namespace cnet::control
