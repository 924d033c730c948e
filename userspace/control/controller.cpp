#include "userspace/control/controller.h"

#include "userspace/base/log.h"
#include "userspace/control/controller_impl.h"
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

std::set<uint32_t> indexes(const Observed& observed) {
    std::set<uint32_t> all;
    for (const auto& [name, link] : observed.links)
        all.insert(link.ifindex);
    return all;
}

} // namespace

Controller::Controller(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Controller::~Controller() = default;

Result<std::unique_ptr<Controller>> Controller::start(Parts parts, Timeouts timeouts,
                                                      UplinkPolicy policy) {
    auto impl = std::make_unique<Impl>(parts, timeouts);
    auto snapshot = parts.store.load();
    if (!snapshot) return snapshot.error();
    impl->state = std::move(snapshot->state);
    impl->state.uplink_policy = policy;
    impl->ids = snapshot->last_ids;
    restore_sandboxes(impl->state, parts.namespaces);
    auto status = impl->observe_all();
    if (!status) return status.error();
    impl->reserve_ports();
    // What could not be repaired is in the status; the rest works.
    static_cast<void>(static_cast<bool>(impl->repair()));
    return std::unique_ptr<Controller>(new Controller(std::move(impl)));
}

Status Controller::reconcile() {
    auto status = impl_->observe_all();
    if (!status) {
        impl_->note_error(status.error());
        return status;
    }
    impl_->reserve_ports();
    return impl_->repair();
}

Status Controller::links_changed() {
    Observed& observed = impl_->observed;
    const std::set<uint32_t> before = indexes(observed);
    auto changed = observe_links(observed, impl_->parts.rtnl);
    if (!changed) {
        impl_->note_error(changed.error());
        return changed.error();
    }
    if (!*changed) return {};
    // An index can be another device's now, with nothing attached.
    if (indexes(observed) != before) {
        auto status = observe_attachments(observed, impl_->parts.hooks);
        if (!status) {
            impl_->note_error(status.error());
            return status;
        }
    }
    observe_namespaces(observed, impl_->state, impl_->parts.namespaces);
    observed.unmakeable.clear();
    impl_->failing.clear();
    return impl_->repair();
}

Status Controller::sweep() {
    auto swept = impl_->collector.sweep(impl_->state);
    if (!swept) return swept.error();
    return {};
}

Result<StatusView> Controller::status() const {
    auto connections = count_connections();
    if (!connections) return connections.error();
    StatusView view;
    view.networks = impl_->state.networks.size();
    view.endpoints = impl_->state.endpoints.size();
    view.ports = impl_->state.ports.size();
    view.uplinks = choose_uplinks(impl_->state, impl_->observed).size();
    view.sandboxes = impl_->state.sandboxes.size();
    view.connections = connections->flows;
    view.reconcile = impl_->reconcile_status;
    return view;
}

} // namespace cnet::control
