#include <algorithm>
#include <cstdio>

#include "userspace/base/file.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/port_spec.h"

namespace cnet::control {

namespace {

struct PortRange {
    uint32_t first = 32768; // the kernel's defaults
    uint32_t last = 60999;
};

PortRange local_port_range() {
    PortRange range;
    auto text = read_file("/proc/sys/net/ipv4/ip_local_port_range");
    if (!text || std::sscanf(text->c_str(), "%u %u", &range.first, &range.last) != 2)
        return PortRange();
    return range;
}

// Can one packet be for both addresses?
bool addresses_meet(const std::optional<IpAddress>& a, const std::optional<IpAddress>& b) {
    if (!a || !b) return true;
    if (a->is_v4() != b->is_v4()) return false;
    return *a == *b || a->is_unspecified() || b->is_unspecified();
}

// The first port of `wanted` that another published port has.
std::optional<uint16_t> taken_port(const State& state, const PublishedPort& wanted) {
    std::optional<uint16_t> first;
    for (const auto& [id, port] : state.ports) {
        if (port.l4 != wanted.l4 || !addresses_meet(port.host_ip, wanted.host_ip)) continue;
        const uint32_t begin = std::max<uint32_t>(port.host_port, wanted.host_port);
        const uint32_t end =
            std::min<uint32_t>(port.host_port + port.count, wanted.host_port + wanted.count);
        if (begin < end && (!first || begin < *first)) first = static_cast<uint16_t>(begin);
    }
    return first;
}

Status check_target(const PortSpec& spec, const Endpoint& endpoint, const Network& network) {
    if (network.internal) {
        return Error(ErrorKind::kInvalid,
                     "network " + network.name + " is internal: its endpoints publish no ports");
    }
    if (!spec.host_ip) return {};
    const bool v4 = spec.host_ip->is_v4();
    const bool has_family =
        std::any_of(endpoint.addresses.begin(), endpoint.addresses.end(),
                    [&](const IpPrefix& address) { return address.is_v4() == v4; });
    if (has_family) return {};
    return Error(ErrorKind::kInvalid, "endpoint " + endpoint.name + " has no " +
                                          (v4 ? "IPv4" : "IPv6") + " address to publish on " +
                                          spec.host_ip->to_string());
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
    if (spec.host_port && *spec.host_port != port.host_port) return false;
    return same_host_ip(spec.host_ip, port.host_ip);
}

} // namespace

PortView Controller::Impl::view(const PublishedPort& port) const {
    PortView view;
    view.id = port.id;
    view.endpoint = state.endpoints.at(port.endpoint_id).name;
    view.host_ip = port.host_ip ? port.host_ip->to_string() : "0.0.0.0";
    view.host_port = port.host_port;
    view.host_port_end = static_cast<uint16_t>(port.host_port + port.count - 1);
    view.port = port.port;
    view.port_end = static_cast<uint16_t>(port.port + port.count - 1);
    view.protocol = to_string(port.l4);
    return view;
}

Status Controller::Impl::reserve_given(const PublishedPort& port) {
    if (auto taken = taken_port(state, port)) {
        return Error(ErrorKind::kConflict, "Bind for " + host_ip_text(port.host_ip) + ":" +
                                               std::to_string(*taken) +
                                               " failed: port is already allocated");
    }
    return reservations.reserve(port);
}

Status Controller::Impl::reserve_any(PublishedPort& port) {
    const PortRange range = local_port_range();
    if (range.first + port.count > range.last + 1) {
        return Error(ErrorKind::kExhausted, "no " + std::to_string(port.count) +
                                                " ports in a row fit into ip_local_port_range");
    }
    const uint32_t candidates = range.last + 2 - range.first - port.count;
    // On from the last one chosen, so that a port just freed is not at once somebody else's.
    const bool resume = last_host_port >= range.first && last_host_port < range.first + candidates;
    const uint32_t start = resume ? last_host_port + 1 - range.first : 0;
    for (uint32_t i = 0; i < candidates; i++) {
        port.host_port = static_cast<uint16_t>(range.first + (start + i) % candidates);
        if (taken_port(state, port)) continue;
        auto status = reservations.reserve(port);
        if (status) last_host_port = static_cast<uint16_t>(port.host_port + port.count - 1);
        if (status || status.error().kind() != ErrorKind::kConflict) return status;
    }
    return Error(ErrorKind::kExhausted, "every port of ip_local_port_range is in use");
}

Result<PortView> Controller::publish(const std::string& endpoint_name, const std::string& text) {
    Impl& impl = *impl_;
    auto endpoint = impl.find_endpoint(endpoint_name);
    if (!endpoint) return endpoint.error();
    auto spec = parse_port_spec(text);
    if (!spec) return spec.error();
    auto status = check_target(*spec, **endpoint, impl.state.networks.at((*endpoint)->network_id));
    if (!status) return status.error();

    PublishedPort port;
    port.id = ++impl.ids.binding;
    port.endpoint_id = (*endpoint)->id;
    port.host_ip = spec->host_ip;
    port.host_port = spec->host_port.value_or(0);
    port.port = spec->port;
    port.count = spec->count;
    port.l4 = spec->l4;
    status = spec->host_port ? impl.reserve_given(port) : impl.reserve_any(port);
    if (!status) return status.error();

    State next = impl.state;
    next.ports[port.id] = port;
    status = impl.change(std::move(next), {{store::PutPort{port}}, {store::RemovePort{port.id}}});
    if (!status && !impl.state.ports.contains(port.id)) impl.release(port.id);
    if (!status) return status.error();
    return impl.view(port);
}

Status Controller::unpublish(const std::string& endpoint_name, const std::string& text) {
    Impl& impl = *impl_;
    auto endpoint = impl.find_endpoint(endpoint_name);
    if (!endpoint) return endpoint.error();
    auto spec = parse_port_spec(text);
    if (!spec) return spec.error();
    std::vector<PublishedPort> found;
    for (const auto& [id, port] : impl.state.ports) {
        if (port.endpoint_id == (*endpoint)->id && matches(*spec, port)) found.push_back(port);
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
    const PublishedPort port = found.front();
    State next = impl.state;
    next.ports.erase(port.id);
    auto status =
        impl.change(std::move(next), {{store::RemovePort{port.id}}, {store::PutPort{port}}});
    if (status) impl.release(port.id);
    return status;
}

Result<std::vector<PortView>> Controller::ports(const std::string& endpoint_name) const {
    EndpointId filter = 0;
    if (!endpoint_name.empty()) {
        auto endpoint = impl_->find_endpoint(endpoint_name);
        if (!endpoint) return endpoint.error();
        filter = (*endpoint)->id;
    }
    std::vector<PortView> views;
    for (const auto& [id, port] : impl_->state.ports) {
        if (filter == 0 || port.endpoint_id == filter) views.push_back(impl_->view(port));
    }
    return views;
}

} // namespace cnet::control
