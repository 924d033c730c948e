#include "userspace/control/controller_impl.h"

#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/base/names.h"
#include "userspace/control/overlay.h"
#include "userspace/control/port_spec.h"
#include "userspace/control/reconcile.h"

namespace cnet::control {

namespace {

// Creating devices takes a second look; a third covers what else a half-made host may need. More
// means that something undoes what we do.
constexpr int kMaxRounds = 8;
constexpr size_t kLoggedRepairs = 3;

// After these, what else is to do is known only by asking again.
bool needs_another_look(const Change& change) {
    return std::holds_alternative<CreateVeth>(change) ||
           std::holds_alternative<CreateVxlan>(change) ||
           std::holds_alternative<CreateVxlanReceiver>(change) ||
           std::holds_alternative<DeleteVxlanReceiver>(change) ||
           std::holds_alternative<DeleteLink>(change);
}

// A purge belongs to a removal that has been done; what it missed the next sweep finds.
bool is_purge(const Change& change) {
    return std::holds_alternative<PurgeFlows>(change) || std::holds_alternative<PurgeMacs>(change);
}

template <typename Map, typename Match> auto find_by(const Map& map, Match&& match) {
    auto it = std::find_if(map.begin(), map.end(),
                           [&](const auto& entry) { return match(entry.second); });
    return it == map.end() ? nullptr : &it->second;
}

} // namespace

Status check_name(const std::string& what, const std::string& name) {
    if (valid_name(name)) return {};
    return Error(ErrorKind::kInvalid,
                 "\"" + name + "\" is not a valid " + what +
                     " name: letters, digits, '_', '.' and '-', at most 63, beginning with a "
                     "letter or a digit, and not an address");
}

Error no_such(const std::string& what, const std::string& name) {
    return {ErrorKind::kNotFound, "there is no " + what + " \"" + name + "\""};
}

Status Controller::Impl::change(State next, Edit edit) {
    auto status = parts.store.commit(edit.forward);
    if (!status) return status;
    State before = std::exchange(state, std::move(next));
    status = converge(Mode::kCommand);
    if (status) {
        publish();
        return {};
    }

    auto undone = parts.store.commit(edit.backward);
    if (!undone) {
        // The store says "after", so that is what we go on to work for.
        note_error(undone.error().because("undo a failed command"));
        return status.error().because("done in part, to be completed by the next repair");
    }
    state = std::move(before);
    // What cannot be undone now is the next repair's.
    if (auto undo = converge(Mode::kRepair); !undo) {
        reconcile_status.last_error = undo.error().message();
    }
    publish();
    return status;
}

Status Controller::Impl::change_and_release(State next, Edit edit,
                                            const std::vector<BindingId>& released) {
    auto status = change(std::move(next), std::move(edit));
    if (!status) return status;
    for (const BindingId id : released)
        release(id);
    return {};
}

State Controller::Impl::effective_state() const {
    State effective = state;
    for (const auto& [id, error] : unreserved) {
        if (error.kind() == ErrorKind::kConflict) effective.ports.erase(id);
    }
    return effective;
}

bool Controller::Impl::apply_round(const std::vector<Change>& changes, Mode mode, Work& work) {
    bool again = false;
    for (const Change& change : changes) {
        if (!failing.empty() && failing.contains(describe(change))) continue;
        again |= needs_another_look(change);
        auto status = applier.apply(change);
        if (status) {
            work.changes++;
            if (mode == Mode::kRepair && work.first.size() < kLoggedRepairs) {
                work.first.push_back(describe(change));
            }
            continue;
        }
        if (work.first_error) work.first_error = status;
        if (mode == Mode::kCommand) return false;
        log_error(status.error().message());
        if (!is_purge(change)) failing.insert(describe(change));
    }
    return again;
}

Controller::Impl::Work Controller::Impl::converge_counting(Mode mode) {
    Work work;
    derive_mtus(state, observed);
    for (int round = 0; round < kMaxRounds; round++) {
        const auto changes = unreserved.empty() ? control::reconcile(state, observed)
                                                : control::reconcile(effective_state(), observed);
        if (!apply_round(changes, mode, work)) break;
    }
    return work;
}

Status Controller::Impl::converge(Mode mode) {
    return converge_counting(mode).first_error;
}

Status Controller::Impl::observe_all() {
    links_known = false;
    reconcile_status.link_lists++;
    auto seen = observe(state, parts.rtnl, parts.hooks, parts.tables, parts.namespaces);
    if (!seen) return seen.error().because("look at the kernel's state");
    observed = std::move(*seen);
    links_known = true;
    failing.clear();
    return {};
}

Status Controller::Impl::repair() {
    const Work work = converge_counting(Mode::kRepair);
    reconcile_status.runs++;
    reconcile_status.repairs += work.changes;
    if (work.changes > 0) {
        std::string text = "reconcile: " + std::to_string(work.changes) + " changes: ";
        for (const std::string& change : work.first)
            text += change + ", ";
        text.resize(text.size() - 2);
        log_info(work.changes > work.first.size() ? text + " and more" : text);
    }
    if (!work.first_error) reconcile_status.last_error = work.first_error.error().message();
    publish();
    return work.first_error;
}

void Controller::Impl::note_error(const Error& error) {
    log_error(error.message());
    reconcile_status.last_error = error.message();
}

void Controller::Impl::reserve_ports(Tell tell) {
    for (const auto& [id, port] : state.ports) {
        if (port.holder == Holder::kPublisher || state.is_direct(port)) continue;
        auto status = reservations.reserve(port, families_of(port));
        if (status) {
            unreserved.erase(id);
            continue;
        }
        // Once, not in every round.
        auto told = unreserved.find(id);
        const bool is_news =
            told == unreserved.end() || told->second.message() != status.error().message();
        unreserved.insert_or_assign(id, status.error());
        if (tell == Tell::kNothing) continue;
        if (is_news) log_error(status.error().message());
        reconcile_status.last_error = status.error().message();
    }
}

Result<const Network*> Controller::Impl::find_network(const std::string& name) const {
    const Network* network =
        find_by(state.networks, [&](const Network& n) { return n.name == name; });
    if (!network) return no_such("network", name);
    return network;
}

Result<const Endpoint*> Controller::Impl::find_endpoint(const std::string& name) const {
    const Endpoint* endpoint =
        find_by(state.endpoints, [&](const Endpoint& e) { return e.name == name; });
    if (!endpoint) return no_such("endpoint", name);
    return endpoint;
}

Result<const Sandbox*> Controller::Impl::find_sandbox(const std::string& name) const {
    auto it = state.sandboxes.find(name);
    if (it == state.sandboxes.end()) return no_such("sandbox", name);
    return &it->second;
}

Result<NetworkId> Controller::Impl::network_filter(const std::string& name) const {
    if (name.empty()) return NetworkId{0};
    return network_id(name);
}

Result<NetworkId> Controller::Impl::network_id(const std::string& name) const {
    if (auto adopted = state.adopted.find(name); adopted != state.adopted.end())
        return adopted->second.network_id;
    auto network = find_network(name);
    if (!network) return network.error();
    return (*network)->id;
}

std::optional<std::string> Controller::Impl::endpoint_at(uint32_t ifindex) const {
    auto port = observed.maps.port.find(ifindex);
    if (port == observed.maps.port.end()) return std::nullopt;
    auto endpoint = state.endpoints.find(port->second.endpoint_id);
    if (endpoint == state.endpoints.end()) return std::nullopt;
    return endpoint->second.name;
}

std::string Controller::Impl::device_name(uint32_t ifindex) const {
    const netlink::LinkInfo* link = observed.find(ifindex);
    return link ? link->name : std::to_string(ifindex);
}

} // namespace cnet::control
