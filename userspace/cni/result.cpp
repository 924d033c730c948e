#include "userspace/cni/result.h"

#include <algorithm>

namespace cnet::cni {
namespace {

Fault undecodable(const std::string& what, const Error& error) {
    return {Code::kDecode, what + ": " + error.message()};
}

Outcome<std::optional<IpAddress>> optional_address(const std::string& text,
                                                   const std::string& what) {
    if (text.empty()) return std::optional<IpAddress>();
    auto address = IpAddress::parse(text);
    if (!address) return undecodable(what, address.error());
    return std::optional(*address);
}

Outcome<LeasedAddress> parse_address(const Reader& in) {
    auto address = IpPrefix::parse(in.text("address"));
    if (!address) return undecodable(in.path("address"), address.error());
    auto gateway = optional_address(in.text("gateway"), in.path("gateway"));
    if (!gateway) return gateway.fault();
    return LeasedAddress{*address, *gateway};
}

Json array_at(const Json& object, const char* key) {
    if (object.is_object() && object.contains(key) && object[key].is_array()) return object[key];
    return Json::array();
}

Json interface_json(const Interface& interface, const Config& config) {
    Json json = {{"name", interface.name}};
    if (!interface.mac.empty()) json["mac"] = interface.mac;
    if (interface.mtu != 0 && version_at_least(config.version, "1.1.0"))
        json["mtu"] = interface.mtu;
    if (!interface.sandbox.empty()) json["sandbox"] = interface.sandbox;
    return json;
}

Json address_json(const LeasedAddress& address, size_t interface, const Config& config) {
    Json json = Json::object();
    if (!version_at_least(config.version, "1.0.0"))
        json["version"] = address.address.is_v4() ? "4" : "6";
    json["interface"] = interface;
    json["address"] = address.address.to_string();
    if (address.gateway) json["gateway"] = address.gateway->to_string();
    return json;
}

} // namespace

std::optional<IpAddress> Lease::gateway(bool v4) const {
    for (const LeasedAddress& one : addresses) {
        if (one.gateway && one.gateway->is_v4() == v4) return one.gateway;
    }
    return {};
}

Outcome<std::vector<LeasedRoute>> parse_routes(const Json& routes) {
    std::vector<LeasedRoute> out;
    std::optional<Fault> fault;
    const Json document = {{"routes", routes}};
    for (const Reader& in : Reader(document, "", fault).each("routes")) {
        auto destination = IpPrefix::parse(in.text("dst"));
        if (!destination) return undecodable(in.path("dst"), destination.error());
        auto gateway = optional_address(in.text("gw"), in.path("gw"));
        if (!gateway) return gateway.fault();
        LeasedRoute route{IpPrefix(destination->network(), destination->length()), *gateway, {}};
        out.push_back(std::move(route));
        out.back().json = routes[out.size() - 1];
    }
    if (fault) return *fault;
    return out;
}

Outcome<Lease> parse_lease(const Json& result) {
    Lease lease;
    std::optional<Fault> fault;
    const Reader in(result, "", fault);
    for (const Reader& one : in.each("ips")) {
        auto address = parse_address(one);
        if (!address) return address.fault();
        lease.addresses.push_back(*address);
    }
    auto routes = parse_routes(in.value("routes"));
    if (!routes) return routes.fault();
    lease.routes = std::move(*routes);
    if (in.value("dns").is_object()) lease.dns = in.value("dns");
    if (fault) return *fault;
    return lease;
}

Json make_result(const Config& config, const Made& made) {
    Json interfaces = array_at(config.previous, "interfaces");
    Json ips = array_at(config.previous, "ips");
    Json routes = array_at(config.previous, "routes");
    for (const Interface& interface : made.interfaces)
        interfaces.push_back(interface_json(interface, config));
    for (const LeasedAddress& address : made.lease.addresses)
        ips.push_back(address_json(address, interfaces.size() - 1, config));
    for (const LeasedRoute& route : made.lease.routes)
        routes.push_back(route.json);
    Json dns = made.lease.dns;
    // The configuration's own, where it has one, as the bridge plugin does.
    if (!config.dns.empty()) dns = config.dns;
    if (dns.empty() && config.previous.is_object() && config.previous.contains("dns"))
        dns = config.previous["dns"];
    Json result;
    result["cniVersion"] = config.version;
    result["interfaces"] = std::move(interfaces);
    if (!ips.empty()) result["ips"] = std::move(ips);
    if (!routes.empty()) result["routes"] = std::move(routes);
    result["dns"] = std::move(dns);
    return result;
}

Outcome<Expected> expected_inside(const Json& result, const Environment& environment) {
    std::optional<Fault> fault;
    const Reader in(result, "prevResult.", fault);
    Expected expected;
    expected.ifname = environment.ifname;
    std::optional<int64_t> index;
    int64_t position = 0;
    for (const Reader& one : in.each("interfaces")) {
        if (one.text("name") == environment.ifname && !one.text("sandbox").empty()) {
            index = position;
            if (auto mac = MacAddress::parse(one.text("mac"))) expected.mac = mac->to_string();
        }
        position++;
    }
    if (!index && !fault)
        return Fault{Code::kConfig, "prevResult has no interface " + environment.ifname};
    Lease gateways;
    for (const Reader& one : in.each("ips")) {
        if (one.number("interface") != index) continue;
        auto address = parse_address(one);
        if (!address) return address.fault();
        expected.addresses.push_back(address->address);
        gateways.addresses.push_back(*address);
    }
    auto routes = parse_routes(in.value("routes"));
    if (!routes) return routes.fault();
    for (const LeasedRoute& route : *routes) {
        const auto gateway =
            route.gateway ? route.gateway : gateways.gateway(route.destination.is_v4());
        // By way of another plugin's device, perhaps.
        const bool ours =
            gateway && std::any_of(expected.addresses.begin(), expected.addresses.end(),
                                   [&](const auto& own) { return own.contains(*gateway); });
        if (ours) expected.routes.push_back({route.destination, *gateway});
    }
    if (fault) return *fault;
    return expected;
}

} // namespace cnet::cni
