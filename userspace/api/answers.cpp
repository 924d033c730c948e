#include "userspace/api/answers.h"

#include <nlohmann/json.hpp>

#include "userspace/api/json.h"

namespace cnet::api {
namespace {

template <typename T> Json texts(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values)
        list.push_back(value.to_string());
    return list;
}

template <typename T> Json value_or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json devices_json(const std::vector<control::AttachedView>& devices) {
    Json list = Json::array();
    for (const control::AttachedView& device : devices) {
        Json json;
        json["device"] = device.device;
        json["ifindex"] = device.ifindex;
        json["mtu"] = device.mtu;
        json["state"] = device.state;
        list.push_back(std::move(json));
    }
    return list;
}

Json host_subnets_json(const std::vector<control::HostSubnet>& subnets) {
    Json list = Json::array();
    for (const control::HostSubnet& subnet : subnets) {
        Json json;
        json["subnet"] = subnet.prefix.to_string();
        json["host"] = subnet.host;
        json["vtep"] = subnet.vtep.to_string();
        json["mac"] = subnet.mac.to_string();
        list.push_back(std::move(json));
    }
    return list;
}

Json gateway_or_null(const std::optional<control::Outside>& outside) {
    return outside ? Json(to_string(outside->gateway)) : Json(nullptr);
}

Json json_of(const control::AdoptedView& view) {
    Json json;
    json["bridge"] = view.bridge;
    json["id"] = view.id;
    json["ifindex"] = view.ifindex;
    json["state"] = view.state;
    json["left"] = text_or_null(view.left);
    json["masquerade"] = view.masquerade;
    json["gateway4"] = gateway_or_null(view.outside4);
    json["gateway6"] = gateway_or_null(view.outside6);
    json["snat"] = Json::array();
    for (const auto* outside : {&view.outside4, &view.outside6})
        if (*outside && (*outside)->snat) json["snat"].push_back((*outside)->snat->to_string());
    json["trusted"] = view.trusted;
    json["icc"] = view.icc;
    json["internal"] = view.internal;
    json["docker_network"] = value_or_null(view.docker_network);
    json["ports"] = Json::array();
    for (const control::AdoptedPortView& port : view.ports) {
        Json item;
        item["device"] = port.device;
        item["ifindex"] = port.ifindex;
        item["left"] = text_or_null(port.left);
        json["ports"].push_back(std::move(item));
    }
    json["warnings"] = view.warnings;
    return json;
}

} // namespace

std::string render(const control::NetworkView& view) {
    const control::Network& network = view.network;
    Json subnets = Json::array();
    Json gateways = Json::array();
    Json ip_ranges = Json::array();
    for (const control::Subnet& subnet : network.subnets) {
        subnets.push_back(subnet.prefix.to_string());
        gateways.push_back(subnet.gateway.to_string());
        if (subnet.ip_range) ip_ranges.push_back(subnet.ip_range->to_string());
    }
    Json json;
    json["id"] = network.id;
    json["name"] = network.name;
    json["mode"] = control::to_string(network.mode);
    json["mode6"] = network.mode6 ? Json(control::to_string(*network.mode6)) : Json(nullptr);
    json["subnets"] = std::move(subnets);
    json["gateways"] = std::move(gateways);
    json["ip_ranges"] = std::move(ip_ranges);
    json["layer2"] = network.is_layer2();
    json["mtu"] = network.mtu;
    json["vni"] = network.vni ? Json(network.vni) : Json(nullptr);
    json["scope"] = network.clustered ? "cluster" : "host";
    json["internal"] = network.internal;
    json["icc"] = network.icc;
    json["masquerade"] = network.masquerade;
    json["snat"] = network.snat4 ? Json(network.snat4->to_string()) : Json(nullptr);
    json["snat6"] = network.snat6 ? Json(network.snat6->to_string()) : Json(nullptr);
    json["nat"] = control::to_string(network.nat);
    json["learning"] = network.learning;
    json["peer_learning"] = network.peer_learning;
    json["ageing_s"] = network.ageing_s;
    json["mac_limit"] = network.mac_limit;
    json["flood_limit"] = network.flood_limit;
    json["names"] = network.names;
    json["allow_spoofing"] = network.allow_spoofing;
    json["gateway_mac"] = network.gateway_mac.to_string();
    json["host_port"] = view.host_port;
    json["endpoints"] = view.endpoints;
    json["docker_id"] = network.docker ? Json(network.docker->id) : Json(nullptr);
    json["devices"] = devices_json(view.devices);
    json["pool"] = network.pool ? Json(network.pool->prefix.to_string()) : Json(nullptr);
    json["host_prefix"] = network.pool ? Json(network.pool->subnet_length) : Json(nullptr);
    json["host_subnets"] = host_subnets_json(view.host_subnets);
    return to_text(json);
}

std::string render(const control::SandboxView& view) {
    Json json;
    json["name"] = view.name;
    json["path"] = view.path;
    json["endpoints"] = view.endpoints;
    return to_text(json);
}

std::string render(const control::EndpointView& view) {
    Json json;
    json["id"] = view.id;
    json["name"] = view.name;
    json["network"] = view.network;
    json["netns"] = view.netns;
    json["ifname"] = view.ifname;
    json["addresses"] = texts(view.addresses);
    json["mac"] = view.mac.to_string();
    json["default_route"] = view.default_route;
    json["disabled"] = view.disabled;
    json["aliases"] = view.aliases;
    json["ingress_rate"] = view.ingress.bits_per_s;
    json["ingress_burst"] = view.ingress.burst_bits;
    json["egress_rate"] = view.egress.bits_per_s;
    json["egress_burst"] = view.egress.burst_bits;
    json["host_ifname"] = view.host_ifname;
    json["ifindex"] = view.ifindex;
    json["state"] = view.state;
    json["ports"] = view.ports;
    json["docker_id"] = view.docker ? Json(view.docker->id) : Json(nullptr);
    json["lease"] = Json(nullptr);
    if (view.lease) {
        json["lease"] = {{"address", view.lease->address.to_string()},
                         {"ends_in_s", value_or_null(view.lease->ends_in_s)}};
    }
    return to_text(json);
}

std::string render(const control::PortView& view) {
    Json json;
    json["id"] = view.id;
    json["endpoint"] = view.endpoint;
    json["host_ip"] = view.host_ip;
    json["host_port"] = view.host_port;
    json["host_port_end"] = view.host_port_end;
    json["port"] = view.port;
    json["port_end"] = view.port_end;
    json["protocol"] = view.protocol;
    json["allow_from"] = texts(view.allow_from);
    json["new_rate"] = view.new_limit.per_second;
    json["new_burst"] = view.new_limit.burst;
    json["reservation"] = view.reservation;
    return to_text(json);
}

std::string render(const control::UplinkView& view) {
    Json json;
    json["device"] = view.device;
    json["ifindex"] = view.ifindex;
    json["addresses"] = texts(view.addresses);
    json["configured"] = view.configured;
    json["ethernet"] = view.ethernet;
    json["xdp"] = view.xdp ? "native" : "off";
    json["xdp_running"] = view.xdp_running;
    return to_text(json);
}

std::string render(const control::PeerView& view) {
    Json json;
    json["id"] = view.id;
    json["name"] = view.name.empty() ? Json(nullptr) : Json(view.name);
    json["address"] = view.address.to_string();
    json["local"] = view.local ? Json(view.local->to_string()) : Json(nullptr);
    json["origin"] = view.origin;
    return to_text(json);
}

std::string render(const control::AdoptedView& view) {
    return to_text(json_of(view));
}

std::string render(const control::DockerAdoptionView& view) {
    Json json;
    json["adopted"] = view.adopted;
    json["configured"] = view.configured;
    json["state"] = view.state;
    json["error"] = text_or_null(view.error);
    json["bridges"] = Json::array();
    for (const control::AdoptedView& bridge : view.bridges)
        json["bridges"].push_back(json_of(bridge));
    return to_text(json);
}

std::string render(const control::FdbView& view) {
    Json json;
    json["network"] = view.network;
    json["mac"] = view.mac.to_string();
    json["device"] = view.device;
    json["endpoint"] = value_or_null(view.endpoint);
    json["peer"] = view.peer ? Json(view.peer->to_string()) : Json(nullptr);
    json["type"] = view.type;
    json["age_s"] = value_or_null(view.age_s);
    return to_text(json);
}

std::string render(const control::NeighView& view) {
    Json json;
    json["network"] = view.network;
    json["address"] = view.address.to_string();
    json["mac"] = view.mac.to_string();
    json["device"] = view.device;
    json["endpoint"] = value_or_null(view.endpoint);
    json["peer"] = view.peer ? Json(view.peer->to_string()) : Json(nullptr);
    json["type"] = view.type;
    json["ends_in_s"] = value_or_null(view.ends_in_s);
    return to_text(json);
}

std::string render(const control::CtView& view) {
    Json json;
    json["protocol"] = view.protocol;
    json["state"] = view.state;
    json["type"] = view.type;
    json["network"] = view.network.empty() ? Json(nullptr) : Json(view.network);
    json["src"] = view.src.to_string();
    json["src_port"] = view.src_port;
    json["dst"] = view.dst.to_string();
    json["dst_port"] = view.dst_port;
    json["reply_src"] = view.reply_src.to_string();
    json["reply_src_port"] = view.reply_src_port;
    json["reply_dst"] = view.reply_dst.to_string();
    json["reply_dst_port"] = view.reply_dst_port;
    json["age_s"] = view.age_s;
    json["idle_s"] = view.idle_s;
    json["expires_s"] = view.expires_s;
    return to_text(json);
}

std::string render(const control::CtCount& view) {
    Json json;
    json["flows"] = view.flows;
    json["entries"] = view.entries;
    json["max_entries"] = view.max_entries;
    return to_text(json);
}

std::string render(const control::NatView& view) {
    Json json;
    json["protocol"] = view.protocol;
    json["address"] = view.address.to_string();
    json["port"] = view.port;
    json["flows"] = view.flows;
    json["inside"] = view.inside ? Json(view.inside->to_string()) : Json(nullptr);
    json["inside_port"] = view.inside_port ? Json(*view.inside_port) : Json(nullptr);
    json["network"] = view.network ? Json(*view.network) : Json(nullptr);
    return to_text(json);
}

std::string render(const control::DropView& view) {
    Json json;
    json["hook"] = view.hook;
    json["reason"] = view.reason;
    json["class"] = view.reason_class;
    json["packets"] = view.packets;
    json["bytes"] = view.bytes;
    json["meaning"] = view.meaning;
    return to_text(json);
}

Result<std::string> answer_done(const Status& status) {
    if (!status) return status.error();
    return std::string("{}");
}

Result<std::string> answer_flushed(const Result<uint64_t>& flushed) {
    if (!flushed) return flushed.error();
    Json json;
    json["flushed"] = *flushed;
    return to_text(json);
}

} // namespace cnet::api
