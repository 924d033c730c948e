#include "userspace/api/explain.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>

#include <nlohmann/json.hpp>

#include "maps/flow_key.h"
#include "maps/flow_names.h"
#include "maps/reasons.h"
#include "userspace/control/controller.h"

namespace cnet::api {
namespace {

std::string found(const std::map<uint32_t, std::string>& names, uint32_t number) {
    auto name = names.find(number);
    return name == names.end() ? std::string() : name->second;
}

std::string or_number(std::string name, uint32_t number) {
    return name.empty() ? "#" + std::to_string(number) : name;
}

std::string address(const cnet_addr& addr) {
    return IpAddress::from_abi(addr).to_string();
}

const char* fib_answer(uint32_t answer) {
    switch (answer) {
    case BPF_FIB_LKUP_RET_BLACKHOLE:
        return "a blackhole route";
    case BPF_FIB_LKUP_RET_UNREACHABLE:
        return "unreachable";
    case BPF_FIB_LKUP_RET_PROHIBIT:
        return "prohibited";
    case BPF_FIB_LKUP_RET_NOT_FWDED:
        return "no route, or not one to forward by";
    case BPF_FIB_LKUP_RET_FWD_DISABLED:
        return "forwarding is off on the network's host port";
    default:
        return "it cannot be followed";
    }
}

Json tuple_json(const cnet_ct_key& key) {
    Json json;
    json["protocol"] = maps::protocol_name(key.l4_proto);
    json["src"] = address(key.src);
    json["src_port"] = ntohs(key.src_port_be);
    json["dst"] = address(key.dst);
    json["dst_port"] = ntohs(key.dst_port_be);
    return json;
}

std::string side_text(const cnet_addr& addr, uint16_t port_be, bool ports) {
    std::string text = address(addr);
    if (!ports) return text;
    if (text.find(':') != std::string::npos) text = "[" + text + "]";
    return text + ":" + std::to_string(ntohs(port_be));
}

std::string tuple_text(const cnet_ct_key& key) {
    const bool ports =
        key.l4_proto == IPPROTO_TCP || key.l4_proto == IPPROTO_UDP || key.l4_proto == IPPROTO_SCTP;
    return side_text(key.src, key.src_port_be, ports) + " -> " +
           side_text(key.dst, key.dst_port_be, ports);
}

Json made(const char* name, std::string text) {
    Json json;
    json["step"] = name;
    json["text"] = std::move(text);
    return json;
}

Json port_step(const cnet_trace_step& step, const Names& names) {
    const bool host = step.value & CNET_PORT_HOST;
    std::string text = "arrives at " + names.place(step.ifindex) + ", network " +
                       or_number(names.network(step.id), step.id);
    if (host) text = "from the host into network " + or_number(names.network(step.id), step.id);
    if (step.value & CNET_PORT_ICC_OFF) text += ", --icc off";
    if (step.value & CNET_PORT_INTERNAL) text += ", --internal";
    Json json = made("port", std::move(text));
    json["device"] = names.device(step.ifindex);
    json["endpoint"] = text_or_null(names.endpoint(step.ifindex));
    json["network"] = text_or_null(names.network(step.id));
    return json;
}

Json learn_step(const cnet_trace_step& step) {
    static constexpr const char* kTexts[] = {"", "its source MAC is new, and would be learned",
                                             "its source MAC is known here",
                                             "its source MAC was elsewhere, and would move here"};
    static constexpr const char* kWords[] = {"", "new", "known", "moved"};
    const size_t what = step.detail < std::size(kTexts) ? step.detail : 0;
    Json json = made("learn", kTexts[what]);
    json["mac"] = kWords[what];
    return json;
}

Json flow_step(const cnet_trace_step& step, bool begins) {
    const cnet_ct_key becomes = maps::reversed(step.key);
    std::string text = begins ? "begins a flow (" : step.id ? "answers a flow (" : "of a flow (";
    text += maps::flow_type_name(step.detail);
    if (!begins) text.append(", ").append(maps::flow_state_name(step.value));
    Json json = made(begins ? "new_flow" : "flow", text + "): becomes " + tuple_text(becomes));
    json["type"] = maps::flow_type_name(step.detail);
    json["state"] = begins ? Json(nullptr) : Json(maps::flow_state_name(step.value));
    json["reply"] = !begins && step.id != 0;
    json["becomes"] = tuple_json(becomes);
    return json;
}

Json at_step(const char* name, const std::string& what, const cnet_trace_step& step,
             const Names& names) {
    const std::string where =
        step.id ? "behind peer " + names.peer(step.id) : "at " + names.place(step.ifindex);
    Json json = made(name, what + " is " + where);
    json["device"] = step.id ? Json(nullptr) : Json(names.device(step.ifindex));
    json["endpoint"] = text_or_null(names.endpoint(step.ifindex));
    json["peer"] = step.id ? Json(names.peer(step.id)) : Json(nullptr);
    return json;
}

Json binding_step(const cnet_trace_step& step, const Names& names) {
    const std::string endpoint = or_number(names.endpoint_by_id(step.value), step.value);
    const bool none = IpAddress::from_abi(step.addr).is_unspecified();
    Json json =
        made("binding",
             none ? "published by endpoint " + endpoint + ", which has no address of this family"
                  : "published by endpoint " + endpoint + " at " + address(step.addr));
    json["endpoint"] = endpoint;
    json["address"] = none ? Json(nullptr) : Json(address(step.addr));
    return json;
}

Json route_step(const cnet_trace_step& step, const Names& names) {
    const bool remembered = step.detail != 0;
    Json json = made("route", std::string(remembered ? "route remembered: " : "route: ") + "by " +
                                  names.device(step.ifindex) + ", next hop " + address(step.addr) +
                                  ", MTU " + std::to_string(step.value));
    json["device"] = names.device(step.ifindex);
    json["nexthop"] = address(step.addr);
    json["mtu"] = step.value;
    return json;
}

Json no_route_step(const cnet_trace_step& step) {
    Json json = made("no_route", "the host does not route " + address(step.addr) + ": " +
                                     fib_answer(step.value));
    json["address"] = address(step.addr);
    return json;
}

Json tunnel_step(const cnet_trace_step& step, uint32_t peer, const char* name,
                 const std::string& text, const Names& names) {
    Json json = made(name, text + " VXLAN " + std::to_string(step.value) +
                               (step.step == CNET_STEP_PEER ? " for peer " : " of peer ") +
                               names.peer(peer));
    json["peer"] = names.peer(peer);
    json["vni"] = step.value;
    return json;
}

Json icmp_step(const cnet_trace_step& step) {
    std::string reason(maps::reason(step.detail).name);
    std::string text = "cannot go on (" + reason + ")";
    if (step.value) text += ", MTU " + std::to_string(step.value);
    Json json = made("icmp_error", text + ": an ICMP error is due");
    json["reason"] = reason;
    json["mtu"] = step.value ? Json(step.value) : Json(nullptr);
    return json;
}

Json send_step(const cnet_trace_step& step, const Names& names) {
    std::string text;
    switch (step.detail) {
    case CNET_TRACE_SEND_PEER:
        text = "handed into the namespace behind " + names.place(step.ifindex);
        break;
    case CNET_TRACE_SEND_HOST:
        text = "to the host's own stack, by " + names.device(step.ifindex);
        break;
    case CNET_TRACE_SEND_NEIGH:
        text = "out of " + names.device(step.ifindex) + ", to the next hop's MAC";
        break;
    default:
        text = "out of " + names.place(step.ifindex);
    }
    Json json = made("send", std::move(text));
    json["device"] = names.device(step.ifindex);
    json["endpoint"] = text_or_null(names.endpoint(step.ifindex));
    return json;
}

} // namespace

Names::Names(const control::Controller& controller) {
    for (const auto& view : controller.networks()) {
        networks_[view.network.id] = view.network.name;
        for (const auto& device : view.devices)
            devices_[device.ifindex] = device.device;
    }
    for (const auto& bridge : controller.adopted())
        networks_[bridge.id] = bridge.bridge;
    if (auto endpoints = controller.endpoints()) {
        for (const auto& endpoint : *endpoints) {
            devices_[endpoint.ifindex] = endpoint.host_ifname;
            endpoints_[endpoint.ifindex] = endpoint.name;
            endpoint_ids_[endpoint.id] = endpoint.name;
        }
    }
    for (const auto& peer : controller.peers())
        peers_[peer.id] = peer.address.to_string();
}

std::string Names::device(uint32_t ifindex) const {
    if (auto name = found(devices_, ifindex); !name.empty()) return name;
    char name[IF_NAMESIZE];
    return if_indextoname(ifindex, name) ? name : "#" + std::to_string(ifindex);
}

std::string Names::endpoint(uint32_t ifindex) const {
    return found(endpoints_, ifindex);
}

std::string Names::network(uint32_t id) const {
    return found(networks_, id);
}

std::string Names::peer(uint32_t id) const {
    return or_number(found(peers_, id), id);
}

std::string Names::endpoint_by_id(uint32_t id) const {
    return found(endpoint_ids_, id);
}

std::string Names::place(uint32_t ifindex) const {
    const std::string name = endpoint(ifindex);
    return name.empty() ? device(ifindex) : device(ifindex) + " (endpoint " + name + ")";
}

Json step_json(const cnet_trace_step& step, const Names& names) {
    switch (step.step) {
    case CNET_STEP_PORT:
        return port_step(step, names);
    case CNET_STEP_SOURCE:
        return made("source", "its source is the endpoint's own");
    case CNET_STEP_LEARN:
        return learn_step(step);
    case CNET_STEP_GATEWAY:
        return made("gateway", "for the gateway's MAC: routed, not switched");
    case CNET_STEP_FLOW:
    case CNET_STEP_NEW_FLOW:
        return flow_step(step, step.step == CNET_STEP_NEW_FLOW);
    case CNET_STEP_BINDING:
        return binding_step(step, names);
    case CNET_STEP_NEIGHBOUR:
        return at_step("neighbour", address(step.addr), step, names);
    case CNET_STEP_ROUTE:
        return route_step(step, names);
    case CNET_STEP_NO_ROUTE:
        return no_route_step(step);
    case CNET_STEP_FDB:
        return at_step("fdb", step.detail ? "its destination MAC, learned," : "its destination MAC",
                       step, names);
    case CNET_STEP_NO_FDB:
        return made("no_fdb", "nobody is known to have its destination MAC");
    case CNET_STEP_PEER:
        return tunnel_step(step, step.id, "encap", "put into", names);
    case CNET_STEP_TUNNEL:
        return tunnel_step(step, step.ifindex, "decap", "taken out of", names);
    case CNET_STEP_COPY:
        return at_step("copy", "a port that gets a copy", step, names);
    case CNET_STEP_ICMP_ERROR:
        return icmp_step(step);
    case CNET_STEP_SEND:
        return send_step(step, names);
    default:
        return made("unknown", "a step that this version does not know");
    }
}

Json explanation_json(cnet_hook hook, uint32_t ifindex, const Explanation& explanation,
                      const Names& names) {
    Json json;
    json["hook"] = maps::hook_name(hook);
    json["device"] = names.device(ifindex);
    Json steps = Json::array();
    Json to = nullptr;
    const cnet_trace_step* end = nullptr;
    for (const cnet_trace_step& step : explanation.steps) {
        if (step.step == CNET_STEP_EXIT) {
            end = &step;
            continue;
        }
        if (step.step == CNET_STEP_SEND) to = names.device(step.ifindex);
        steps.push_back(step_json(step, names));
    }
    const uint32_t number = end ? end->detail : uint32_t{CNET_R_COUNT};
    const auto& reason = maps::reason(number);
    json["verdict"] = maps::to_string(reason.reason_class);
    json["reason"] = reason.name;
    json["meaning"] = reason.meaning;
    json["hint"] = text_or_null(std::string(maps::hint(number)));
    json["to"] = std::move(to);
    json["packet"] = end && end->key.l4_proto ? tuple_json(end->key) : Json(nullptr);
    json["steps"] = std::move(steps);
    return json;
}

} // namespace cnet::api
