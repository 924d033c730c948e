#include <algorithm>

#include "userspace/control/adopted.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/free_ports.h"
#include "userspace/control/port_spec.h"

namespace cnet::control {

namespace {

// As many tries to bind a port that nobody of ours has as Docker makes.
constexpr unsigned kMaxTries = 10;

// A microsecond between two connections; what the data path counts is nanoseconds.
constexpr uint32_t kNewLimitMax = 1'000'000;

// Can one packet be for both addresses?
bool addresses_meet(const std::optional<IpAddress>& a, const std::optional<IpAddress>& b) {
    if (!a || !b) return true;
    if (a->is_v4() != b->is_v4()) return false;
    return *a == *b || a->is_unspecified() || b->is_unspecified();
}

// Can one packet be for both ports' addresses?
bool places_meet(const State& state, const PublishedPort& a, const PublishedPort& b) {
    const bool direct = state.is_direct(a);
    if (direct != state.is_direct(b)) return false;
    if (direct && (a.endpoint_id != b.endpoint_id || a.behind != b.behind)) return false;
    return addresses_meet(a.host_ip, b.host_ip);
}

// The first port of `wanted` that another published port has.
std::optional<uint16_t> taken_port(const State& state, const PublishedPort& wanted) {
    std::optional<uint16_t> first;
    for (const auto& [id, port] : state.ports) {
        if (port.l4 != wanted.l4 || !places_meet(state, port, wanted)) continue;
        const uint32_t begin = std::max<uint32_t>(port.host_port, wanted.host_port);
        const uint32_t end =
            std::min<uint32_t>(port.host_port + port.count, wanted.host_port + wanted.count);
        if (begin < end && (!first || begin < *first)) first = static_cast<uint16_t>(begin);
    }
    return first;
}

Status check_family(const PortSpec& spec, const std::string& who, bool has_v4, bool has_v6) {
    if (!spec.host_ip) return {};
    const bool v4 = spec.host_ip->is_v4();
    if (v4 ? has_v4 : has_v6) return {};
    return Error(ErrorKind::kInvalid, who + " has no " + (v4 ? "IPv4" : "IPv6") +
                                          " address to publish on " + spec.host_ip->to_string());
}

Error internal_target(const std::string& what, const char* how) {
    return {ErrorKind::kInvalid, what + " is " + how + ": nothing is published from there"};
}

// Every address of its family.
IpAddress unspecified(bool v4) {
    return *IpAddress::parse(v4 ? "0.0.0.0" : "::");
}

bool same_host_ip(const std::optional<IpAddress>& a, const std::optional<IpAddress>& b) {
    // `port list` shows every address as 0.0.0.0, so that is how one may say it again.
    auto is_any = [](const std::optional<IpAddress>& ip) {
        return !ip || (ip->is_v4() && ip->is_unspecified());
    };
    return (is_any(a) && is_any(b)) || a == b;
}

// The endpoint's port alone names it too, whatever it is published as.
bool matches(const PortSpec& spec, const PublishedPort& port) {
    if (spec.l4 != port.l4 || spec.port != port.port || spec.count != port.count) return false;
    if (!spec.host_ip && !spec.host_port) return true;
    const bool any_of_family = port.behind && !spec.host_ip && port.host_ip->is_unspecified();
    if (spec.host_port &&
        (port.host_port < *spec.host_port || port.host_port - *spec.host_port >= spec.host_choice))
        return false;
    return any_of_family || same_host_ip(spec.host_ip, port.host_ip);
}

// The target's own address and port, whatever of the host's the publisher named.
Status make_direct(PublishedPort& port) {
    if (port.host_ip && port.host_ip->is_loopback())
        return Error(ErrorKind::kInvalid, "nothing is published on " + port.host_ip->to_string() +
                                              " from a routed network: its ports are the "
                                              "endpoints' own");
    if (port.host_ip) port.host_ip = unspecified(port.host_ip->is_v4());
    port.host_port = port.port;
    return {};
}

// What a port chosen by us must keep clear of: other published ports, and what the administrator
// reserved where the choice is ours alone.
std::vector<PortRange> taken_ports(const State& state, const PublishedPort& wanted,
                                   const PortSpec& spec) {
    std::vector<PortRange> taken;
    if (!spec.host_port) taken = reserved_ports();
    for (const auto& [id, port] : state.ports) {
        if (port.l4 != wanted.l4 || !places_meet(state, port, wanted)) continue;
        taken.push_back({port.host_port, uint32_t{port.host_port} + port.count - 1});
    }
    return taken;
}

Status check_allow_from(const std::vector<IpPrefix>& prefixes) {
    for (const IpPrefix& prefix : prefixes) {
        if (prefix.address() == prefix.network()) continue;
        return Error(ErrorKind::kInvalid,
                     "allow-from " + prefix.to_string() + " has host bits set: the network is " +
                         IpPrefix(prefix.network(), prefix.length()).to_string());
    }
    return {};
}

// Into a routed network packets come by the kernel's routing: of no flow that somebody could count.
Status check_new_limit(const NewLimit& limit, bool direct) {
    const uint32_t largest = std::max(limit.per_second, limit.burst);
    if (largest > kNewLimitMax) {
        return Error(ErrorKind::kInvalid, "new rate or burst " + std::to_string(largest) +
                                              " is more than " + std::to_string(kNewLimitMax));
    }
    if (limit.burst && !limit.per_second)
        return Error(ErrorKind::kInvalid, "a new burst needs a new rate");
    if (limit.per_second && direct)
        return Error(ErrorKind::kInvalid, "a new rate is of a port of the host: those of a routed "
                                          "network are the endpoints' own");
    return {};
}

const char* reservation_word(PortReservations::Held held) {
    switch (held) {
    case PortReservations::Held::kSocket:
        return "socket";
    case PortReservations::Held::kStore:
        return "store";
    case PortReservations::Held::kNone:
        break;
    }
    return "none";
}

} // namespace

PortView Controller::Impl::view(const PublishedPort& port) const {
    PortView view;
    view.id = port.id;
    view.endpoint = name_of_target(port);
    view.host_ip = port.host_ip ? port.host_ip->to_string() : "0.0.0.0";
    view.host_port = port.host_port;
    view.host_port_end = static_cast<uint16_t>(port.host_port + port.count - 1);
    view.port = port.port;
    view.port_end = static_cast<uint16_t>(port.port + port.count - 1);
    view.protocol = to_string(port.l4);
    view.allow_from = port.allow_from;
    view.new_limit = port.new_limit;
    view.reservation = state.is_direct(port) ? "direct"
                       : port.holder == Holder::kPublisher
                           ? "publisher"
                           : reservation_word(reservations.held(port.id));
    return view;
}

Families Controller::Impl::families_of(const PublishedPort& port) const {
    if (port.behind) return port.behind->address.is_v4() ? Families::kV4 : Families::kV6;
    // A family whose port is the endpoint's own leaves the host's alone.
    if (state.is_direct(port, false)) return Families::kV4;
    if (state.is_direct(port, true)) return Families::kV6;
    return control::families_of(state.endpoints.at(port.endpoint_id));
}

Result<PortTarget> Controller::Impl::find_target(const std::string& name) const {
    const size_t slash = name.find('/');
    if (slash == std::string::npos) {
        auto endpoint = find_endpoint(name);
        if (!endpoint) return endpoint.error();
        return PortTarget{(*endpoint)->id};
    }
    auto adopted = state.adopted.find(name.substr(0, slash));
    if (adopted == state.adopted.end()) return no_such("adopted bridge", name.substr(0, slash));
    auto address = IpAddress::parse(name.substr(slash + 1));
    if (!address) return address.error();
    if (address->is_unspecified() || address->is_loopback() || address->is_multicast())
        return Error(ErrorKind::kInvalid,
                     address->to_string() + " is no address that a port can lead to");
    return PortTarget{0, BridgeTarget{adopted->second.network_id, *address}};
}

std::string Controller::Impl::name_of_target(const PublishedPort& port) const {
    if (!port.behind) return state.endpoints.at(port.endpoint_id).name;
    return state.network_name(port.behind->network_id) + "/" + port.behind->address.to_string();
}

Status Controller::Impl::check_target(const PortSpec& spec, const PortTarget& target) const {
    if (target.behind) {
        const std::string bridge = state.network_name(target.behind->network_id);
        const AdoptedBridge& adopted = state.adopted.at(bridge);
        if (adopted.internal) return internal_target("bridge " + bridge, "internal");
        if (is_way_out(adopted, state)) return internal_target("bridge " + bridge, "an uplink");
        const bool v4 = target.behind->address.is_v4();
        return check_family(spec, "the port's target " + target.behind->address.to_string(), v4,
                            !v4);
    }
    const Endpoint& endpoint = state.endpoints.at(target.endpoint_id);
    const Network& network = state.networks.at(endpoint.network_id);
    if (network.is_internal())
        return internal_target("network " + network.name,
                               network.internal ? "internal" : "isolated");
    if (endpoint.addresses.empty())
        return Error(ErrorKind::kInvalid,
                     "endpoint " + endpoint.name + " has no address that a port can lead to");
    return check_family(spec, "endpoint " + endpoint.name, endpoint.has_family(true),
                        endpoint.has_family(false));
}

Status Controller::Impl::reserve_given(const PublishedPort& port) {
    if (auto taken = taken_port(state, port)) {
        return Error(ErrorKind::kConflict, "Bind for " + host_ip_text(port.host_ip) + ":" +
                                               std::to_string(*taken) +
                                               " failed: port is already allocated");
    }
    // Whoever made the bridge has its ports bound before it publishes them.
    if (port.behind && port.holder == Holder::kPublisher) return {};
    if (state.is_direct(port)) return {};
    return reservations.reserve(port, families_of(port));
}

Status Controller::Impl::reserve_free(PublishedPort& port, const PortSpec& spec) {
    PortRange range = local_port_range();
    uint32_t resume_after = last_host_port;
    if (spec.host_port) {
        range = {*spec.host_port, uint32_t{*spec.host_port} + spec.host_choice - 1};
        resume_after = 0;
    }
    unsigned tries = 0;
    Status status;
    for (uint16_t candidate :
         free_ports(range, taken_ports(state, port, spec), port.count, resume_after)) {
        if (tries++ == kMaxTries) return status;
        port.host_port = candidate;
        status = reservations.reserve(port, families_of(port));
        if (status && !spec.host_port) {
            last_host_port = static_cast<uint16_t>(port.host_port + port.count - 1);
        }
        if (status || status.error().kind() != ErrorKind::kConflict) return status;
    }
    return Error(ErrorKind::kExhausted,
                 "Bind for " + host_ip_text(port.host_ip) + ":" + std::to_string(range.first) +
                     "-" + std::to_string(range.last) + " failed: all ports are allocated");
}

Result<PortView> Controller::publish(const std::string& endpoint_name, const std::string& text,
                                     const std::vector<IpPrefix>& allow_from, Holder holder,
                                     NewLimit new_limit) {
    Impl& impl = *impl_;
    auto target = impl.find_target(endpoint_name);
    if (!target) return target.error();
    auto spec = parse_port_spec(text);
    if (!spec) return spec.error();
    auto status = impl.check_target(*spec, *target);
    if (status) status = check_allow_from(allow_from);
    if (!status) return status.error();

    PublishedPort port;
    port.id = ++impl.ids.binding;
    port.endpoint_id = target->endpoint_id;
    port.behind = target->behind;
    port.host_ip = spec->host_ip;
    if (port.behind && !port.host_ip) port.host_ip = unspecified(port.behind->address.is_v4());
    port.host_port = spec->host_port.value_or(0);
    port.port = spec->port;
    port.count = spec->count;
    port.l4 = spec->l4;
    port.allow_from = allow_from;
    port.new_limit = new_limit;
    port.holder = holder;
    const bool direct = impl.state.is_direct(port);
    status = check_new_limit(new_limit, direct);
    if (status && direct) status = make_direct(port);
    if (!status) return status.error();
    const bool given = direct || (spec->host_port && spec->host_choice == 1);
    status = given ? impl.reserve_given(port) : impl.reserve_free(port, *spec);
    if (!status) return status.error();

    State next = impl.state;
    next.ports[port.id] = port;
    status = impl.change(std::move(next), {{store::PutPort{port}}, {store::RemovePort{port.id}}});
    const bool undone = !status && !impl.state.ports.contains(port.id);
    if (undone || holder == Holder::kPublisher) impl.release(port.id);
    if (!status) return status.error();
    return impl.view(port);
}

Result<PublishedPort> Controller::Impl::find_port(const std::string& endpoint_name,
                                                  const std::string& text) const {
    auto target = find_target(endpoint_name);
    if (!target) return target.error();
    auto spec = parse_port_spec(text);
    if (!spec) return spec.error();
    std::vector<PublishedPort> found;
    for (const auto& [id, port] : state.ports) {
        if (target->is_of(port) && matches(*spec, port)) found.push_back(port);
    }
    if (found.empty()) {
        return Error(ErrorKind::kNotFound,
                     "endpoint " + endpoint_name + " does not publish \"" + text + "\"");
    }
    if (found.size() > 1) {
        return Error(ErrorKind::kConflict, "endpoint " + endpoint_name + " publishes \"" + text +
                                               "\" " + std::to_string(found.size()) +
                                               " times: give the host port too");
    }
    return found.front();
}

Result<PortView> Controller::update_port(const std::string& endpoint_name, const std::string& text,
                                         const PortPatch& patch) {
    Impl& impl = *impl_;
    auto before = impl.find_port(endpoint_name, text);
    if (!before) return before.error();
    PublishedPort after = *before;
    if (patch.allow_from) after.allow_from = *patch.allow_from;
    if (patch.new_rate) after.new_limit = {*patch.new_rate, 0};
    if (patch.new_burst) after.new_limit.burst = *patch.new_burst;
    auto status = check_allow_from(after.allow_from);
    if (status) status = check_new_limit(after.new_limit, impl.state.is_direct(after));
    if (!status) return status.error();
    State next = impl.state;
    next.ports[after.id] = after;
    status = impl.change(std::move(next), {{store::PutPort{after}}, {store::PutPort{*before}}});
    if (!status) return status.error();
    return impl.view(after);
}

Status Controller::unpublish(const std::string& endpoint_name, const std::string& text) {
    Impl& impl = *impl_;
    auto found = impl.find_port(endpoint_name, text);
    if (!found) return found.error();
    const PublishedPort port = *found;
    State next = impl.state;
    next.ports.erase(port.id);
    auto status =
        impl.change(std::move(next), {{store::RemovePort{port.id}}, {store::PutPort{port}}});
    if (status) impl.release(port.id);
    return status;
}

Result<std::vector<PortView>> Controller::ports(const std::string& endpoint_name) const {
    std::optional<PortTarget> filter;
    if (!endpoint_name.empty()) {
        auto target = impl_->find_target(endpoint_name);
        if (!target) return target.error();
        filter = std::move(*target);
    }
    std::vector<PortView> views;
    for (const auto& [id, port] : impl_->state.ports) {
        if (!filter || filter->is_of(port)) views.push_back(impl_->view(port));
    }
    return views;
}

} // namespace cnet::control
