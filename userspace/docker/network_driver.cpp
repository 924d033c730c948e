#include "userspace/docker/network_driver.h"

#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/docker/options.h"
#include "userspace/docker/ports.h"
#include "userspace/docker/requests.h"

namespace cnet::docker {
namespace {

using control::EndpointView;
using control::NetworkSpec;
using control::NetworkView;

// As many characters of an id as Docker itself shows.
constexpr size_t kShownId = 12;

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

std::string name_of(const std::string& id) {
    return "docker-" + id.substr(0, kShownId);
}

bool has_subnets(const control::Network& network, const NetworkSpec& spec) {
    auto has = [&](const IpPrefix& prefix) {
        return std::ranges::any_of(network.subnets, [&](const control::Subnet& subnet) {
            return subnet.prefix == prefix;
        });
    };
    return network.subnets.size() == spec.subnets.size() && std::ranges::all_of(spec.subnets, has);
}

bool has_gateways(const control::Network& network, const NetworkSpec& spec) {
    return std::ranges::all_of(spec.gateways, [&](const IpAddress& gateway) {
        return std::ranges::any_of(network.subnets, [&](const control::Subnet& subnet) {
            return subnet.gateway == gateway;
        });
    });
}

Status check_same(const control::Network& network, const NetworkSpec& spec) {
    if (has_subnets(network, spec) && has_gateways(network, spec)) return {};
    std::string subnets;
    for (const control::Subnet& subnet : network.subnets)
        subnets +=
            " --subnet " + subnet.prefix.to_string() + " --gateway " + subnet.gateway.to_string();
    return Error(ErrorKind::kConflict, "network " + network.name + " has other subnets: give" +
                                           subnets + ", or --ipam-driver cnet");
}

Json info_of(const EndpointView& endpoint) {
    Json ports = endpoint.ports;
    return {{"cnet.endpoint", endpoint.name},
            {"cnet.network", endpoint.network},
            {"cnet.host_ifname", endpoint.host_ifname},
            {"cnet.ports", std::move(ports)}};
}

// Of the subnet that the endpoint is in; nothing in a network without an outside, where it is
// nobody's way out.
std::string gateway_of(const EndpointView& endpoint, const control::Network& network, bool v4) {
    if (network.is_internal()) return {};
    for (const IpPrefix& address : endpoint.addresses) {
        for (const control::Subnet& subnet : network.subnets) {
            if (address.is_v4() == v4 && subnet.prefix.contains(address.address()))
                return subnet.gateway.to_string();
        }
    }
    return {};
}

} // namespace

Result<Json> NetworkDriver::get_capabilities(const Reader&) {
    return Json{{"Scope", "local"}, {"ConnectivityScope", "local"}};
}

Result<Json> NetworkDriver::create_network(const Reader& request) {
    auto id = read_id(request, "NetworkID");
    if (!id) return id.error();
    auto options = read_network_options(request.inside("Options"));
    if (!options) return options.error();
    NetworkSpec& spec = options->spec;
    auto status = read_subnets(request, spec);
    auto kept = read_aux_addresses(request);
    if (status && !kept) status = kept.error();
    if (status) status = controller_.keep_addresses(*kept);
    if (!status) return status.error();
    if (auto known = controller_.docker_network(*id)) {
        status = check_same(known->network, spec);
        return empty_answer(status);
    }
    spec.docker->id = *id;
    if (options->network.empty()) {
        if (spec.name.empty()) spec.name = name_of(*id);
        auto made = controller_.create_network(spec);
        if (made) return Json::object();
        options->network = shared_network(spec);
        if (options->network.empty()) return made.error();
    }
    auto existing = controller_.network(options->network);
    if (!existing) return existing.error();
    status = check_same(existing->network, spec);
    spec.docker->made = false;
    if (status) status = controller_.set_docker(options->network, spec.docker);
    return empty_answer(status);
}

// One that all hosts have is here already when another host's Docker has made it, a moment ago or
// at the same time: who could not make it has heard of it.
std::string NetworkDriver::shared_network(const NetworkSpec& spec) const {
    for (const NetworkView& view : controller_.networks()) {
        if (spec.vni && view.network.clustered && view.network.vni == *spec.vni)
            return view.network.name;
    }
    return {};
}

Result<Json> NetworkDriver::delete_network(const Reader& request) {
    auto id = read_id(request, "NetworkID");
    if (!id) return id.error();
    auto network = controller_.docker_network(*id);
    if (!network) return Json::object();
    const std::string name = network->network.name;
    auto endpoints = controller_.endpoints(name);
    if (!endpoints) return endpoints.error();
    for (const EndpointView& endpoint : *endpoints) {
        if (!endpoint.docker) continue;
        // It was not told of, or Docker would not remove the network.
        if (auto gone = controller_.delete_endpoint(endpoint.name); !gone) return gone.error();
    }
    if (network->network.docker->made) {
        auto deleted = controller_.delete_network(name);
        if (deleted) return Json::object();
        // Docker forgets it whatever we say.
        log_warning("network " + name +
                    " stays, although Docker has removed it: " + deleted.error().message());
    }
    auto status = controller_.set_docker(name, std::nullopt);
    return empty_answer(status);
}

Result<Json> NetworkDriver::create_endpoint(const Reader& request) {
    auto network_id = read_id(request, "NetworkID");
    if (!network_id) return network_id.error();
    auto id = read_id(request, "EndpointID");
    if (!id) return id.error();
    const Reader interface = request.inside("Interface");
    auto wanted = read_interface(interface);
    if (!wanted) return wanted.error();
    auto allow_from = read_endpoint_options(request.inside("Options"));
    if (auto fault = request.fault(); !fault) return fault.error();
    if (!allow_from) return allow_from.error();
    auto network = controller_.docker_network(*network_id);
    if (!network) return network.error();

    const bool wants_mac = !wanted->mac;
    auto endpoint = controller_.docker_endpoint(*id);
    if (!endpoint) {
        control::EndpointSpec spec;
        spec.ips = wanted->ips;
        spec.mac = wanted->mac;
        spec.network = network->network.name;
        spec.name = name_of(*id);
        spec.docker = control::DockerEndpoint{*id, *allow_from};
        endpoint = controller_.create_endpoint(spec);
    }
    if (!endpoint) return endpoint.error();
    // Docker takes only what it has not given itself.
    Json answer = Json::object();
    if (wants_mac) answer["MacAddress"] = endpoint->mac.to_string();
    for (const IpPrefix& address : endpoint->addresses) {
        const char* key = address.is_v4() ? "Address" : "AddressIPv6";
        if (interface.text(key).empty()) answer[key] = address.to_string();
    }
    return Json{{"Interface", answer}};
}

Result<Json> NetworkDriver::endpoint_info(const Reader& request) {
    auto id = read_id(request, "EndpointID");
    if (!id) return id.error();
    auto endpoint = controller_.docker_endpoint(*id);
    if (!endpoint) return endpoint.error();
    return Json{{"Value", info_of(*endpoint)}};
}

Result<Json> NetworkDriver::delete_endpoint(const Reader& request) {
    auto id = read_id(request, "EndpointID");
    if (!id) return id.error();
    auto endpoint = controller_.docker_endpoint(*id);
    if (!endpoint) return Json::object();
    auto status = controller_.delete_endpoint(endpoint->name);
    return empty_answer(status);
}

Result<Json> NetworkDriver::join(const Reader& request) {
    auto id = read_id(request, "EndpointID");
    if (!id) return id.error();
    const std::string sandbox = request.text("SandboxKey");
    if (auto fault = request.fault(); !fault) return fault.error();
    if (!sandbox.starts_with('/')) return invalid("SandboxKey \"" + sandbox + "\" is not a path");
    auto found = controller_.docker_endpoint(*id);
    if (!found) return found.error();
    auto endpoint = controller_.place_endpoint(found->name, sandbox);
    if (!endpoint) return endpoint.error();
    auto view = controller_.network(endpoint->network);
    if (!view) return view.error();
    const control::Network& network = view->network;
    const std::string waiting = control::waiting_ifname(endpoint->id);
    const std::string gateway4 = gateway_of(*endpoint, network, true);
    const std::string gateway6 = gateway_of(*endpoint, network, false);
    Json answer = {
        {"InterfaceName", {{"SrcName", waiting}, {"DstPrefix", network.docker->iface_prefix}}},
        {"Gateway", gateway4},
        {"GatewayIPv6", gateway6}};
    // Or Docker gives the container a second way out, by a bridge of its own.
    if (gateway4.empty() && gateway6.empty()) answer["DisableGatewayService"] = true;
    return answer;
}

Result<Json> NetworkDriver::leave(const Reader& request) {
    // Docker takes the far end out of the container after this; DeleteEndpoint removes it.
    return revoke_connectivity(request);
}

Result<Json> NetworkDriver::program_connectivity(const Reader& request) {
    auto id = read_id(request, "EndpointID");
    if (!id) return id.error();
    auto endpoint = controller_.docker_endpoint(*id);
    if (!endpoint) return endpoint.error();
    auto network = controller_.network(endpoint->network);
    if (!network) return network.error();
    auto wishes = read_ports(request.inside("Options"), network->network.docker->bind);
    if (!wishes) return wishes.error();
    wishes = as_direct(std::move(*wishes), network->network);
    auto published = controller_.ports(endpoint->name);
    if (!published) return published.error();
    const auto& allow_from = endpoint->docker->allow_from.empty()
                                 ? network->network.docker->allow_from
                                 : endpoint->docker->allow_from;
    for (const PortWish& wish : *wishes) {
        if (std::ranges::any_of(*published, [&](const auto& port) { return wish.is(port); }))
            continue;
        auto made = controller_.publish(endpoint->name, wish.spec(), allow_from);
        if (made) continue;
        // All of them or none: Docker takes the container down, or leaves it as it was.
        if (auto undone = unpublish_all(endpoint->name); !undone)
            log_error(undone.error().because("undo a failed publication").message());
        return made.error();
    }
    return Json::object();
}

Result<Json> NetworkDriver::revoke_connectivity(const Reader& request) {
    auto id = read_id(request, "EndpointID");
    if (!id) return id.error();
    auto endpoint = controller_.docker_endpoint(*id);
    if (!endpoint) return Json::object();
    auto status = unpublish_all(endpoint->name);
    return empty_answer(status);
}

Result<Json> NetworkDriver::discover(const Reader&) {
    return Json::object();
}

Result<Json> NetworkDriver::refuse_swarm(const Reader&) {
    return invalid("networks of cnet have scope local: with -o cnet.vni they span hosts, without "
                   "swarm");
}

Status NetworkDriver::unpublish_all(const std::string& endpoint) {
    auto published = controller_.ports(endpoint);
    if (!published) return published.error();
    for (const control::PortView& port : *published) {
        PortWish exact;
        exact.protocol = port.protocol;
        if (auto host = IpAddress::parse(port.host_ip)) exact.host = *host;
        exact.host_port = exact.host_port_end = port.host_port;
        exact.port = port.port;
        exact.count = static_cast<uint32_t>(port.port_end - port.port + 1);
        if (auto gone = controller_.unpublish(endpoint, exact.spec()); !gone) return gone;
    }
    return {};
}

} // namespace cnet::docker
