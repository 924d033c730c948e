#include <algorithm>
#include <nlohmann/json.hpp>

#include "userspace/api/explain.h"
#include "userspace/api/explain_request.h"
#include "userspace/api/handlers.h"
#include "userspace/api/json.h"
#include "userspace/control/controller.h"

namespace cnet::api {
namespace {

// A stranger that sends to an uplink, as good as any.
constexpr std::array<uint8_t, CNET_MAC_LEN> kOutside{2, 0, 0, 0, 0, 1};
const MacAddress kBroadcast({0xff, 0xff, 0xff, 0xff, 0xff, 0xff});

// Where the packet is seen, and what its frame says unless the words say otherwise.
struct Place {
    cnet_hook hook = CNET_HOOK_ENDPOINT;
    uint32_t ifindex = 0;
    std::string network;
    std::vector<IpPrefix> addresses;
    MacAddress mac;
    MacAddress gateway_mac;
    bool xdp = false; // another program of ours has seen the packet before
};

Result<Place> endpoint_place(const control::Controller& controller,
                             const control::EndpointView& endpoint) {
    auto network = controller.network(endpoint.network);
    if (!network) return network.error();
    if (!endpoint.ifindex)
        return Error(ErrorKind::kConflict, "endpoint " + endpoint.name + " has no device now");
    return Place{CNET_HOOK_ENDPOINT, endpoint.ifindex, endpoint.network,
                 endpoint.addresses, endpoint.mac,     network->network.gateway_mac};
}

// An endpoint, an attached device, or a port of an adopted bridge.
Result<Place> place_from(const control::Controller& controller, const std::string& name) {
    auto endpoint = controller.endpoint(name);
    if (endpoint) return endpoint_place(controller, *endpoint);
    for (const auto& view : controller.networks())
        for (const auto& device : view.devices)
            if (device.device == name && device.ifindex)
                return Place{CNET_HOOK_ENDPOINT,   device.ifindex,          view.network.name, {},
                             MacAddress(kOutside), view.network.gateway_mac};
    for (const auto& bridge : controller.adopted())
        for (const auto& port : bridge.ports)
            if (port.device == name && port.ifindex)
                return Place{CNET_HOOK_BRIDGE_PORT, port.ifindex, bridge.bridge, {},
                             MacAddress(kOutside),  MacAddress()};
    return Error(ErrorKind::kNotFound,
                 "no endpoint, attached device or port of an adopted bridge is named " + name);
}

Result<Place> place_in(const control::Controller& controller, const std::string& device,
                       const ExplainPrograms& programs) {
    for (const auto& uplink : controller.uplinks()) {
        if (uplink.device != device) continue;
        return Place{CNET_HOOK_UPLINK,  uplink.ifindex,       {},
                     uplink.addresses,  MacAddress(kOutside), programs.mac_of(device),
                     uplink.xdp_running};
    }
    return Error(ErrorKind::kNotFound, device + " is no uplink");
}

// The address of the place that has the family of the other side.
Result<IpAddress> own_address(const Place& place, const std::optional<IpAddress>& other,
                              const char* what) {
    for (const IpPrefix& prefix : place.addresses)
        if (!other || prefix.address().is_v4() == other->is_v4()) return prefix.address();
    return Error(ErrorKind::kInvalid, std::string(what) + " is missing, and cannot be guessed");
}

// Who the sender would address: whoever has the address on its own network, or its gateway.
MacAddress next_hop(const control::Controller& controller, const Place& place, FrameSpec& spec) {
    const bool near = std::any_of(place.addresses.begin(), place.addresses.end(),
                                  [&](const IpPrefix& own) { return own.contains(spec.dst); });
    if (place.hook == CNET_HOOK_UPLINK || !near) return place.gateway_mac;
    if (auto neighbours = controller.neighbours(place.network))
        for (const auto& neighbour : *neighbours)
            if (neighbour.address == spec.dst) return neighbour.mac;
    // Nobody: what is sent first is the question who has it.
    spec.protocol = "arp";
    return kBroadcast;
}

Result<std::vector<uint8_t>> frame_of(const control::Controller& controller, const Place& place,
                                      ExplainRequest request) {
    if (!request.frame.empty()) return parse_hex(request.frame);
    FrameSpec& spec = request.spec;
    const bool inward = place.hook == CNET_HOOK_UPLINK;
    auto& own = inward ? request.dst : request.src;
    auto& other = inward ? request.src : request.dst;
    if (!other) return Error(ErrorKind::kInvalid, inward ? "src is missing" : "dst is missing");
    if (!own) {
        auto address = own_address(place, other, inward ? "dst" : "src");
        if (!address) return address.error();
        own = *address;
    }
    spec.src = *request.src;
    spec.dst = *request.dst;
    spec.src_mac = place.mac;
    if (request.dst_mac)
        spec.dst_mac = *request.dst_mac;
    else if (spec.protocol == "arp")
        spec.dst_mac = kBroadcast;
    else
        spec.dst_mac = next_hop(controller, place, spec);
    return make_frame(spec);
}

// What it drops it drops for the reason that this hook's program has for it.
void put_xdp_first(Json& steps) {
    Json step;
    step["step"] = "xdp";
    step["text"] =
        "uplink_xdp has seen it first: of what this ends as, it drops vxlan_stranger, "
        "vxlan_bad, vxlan_vni, vxlan_forged, no_flow, not_allowed and new_limit, and counts "
        "them";
    steps.insert(steps.begin(), std::move(step));
}

Result<std::string> explain(const control::Controller& controller, const ExplainPrograms& programs,
                            std::string_view body) {
    auto request = parse_explain_request(body);
    if (!request) return request.error();
    auto place = request->in.empty() ? place_from(controller, request->from)
                                     : place_in(controller, request->in, programs);
    if (!place) return place.error();
    auto frame = frame_of(controller, *place, *std::move(request));
    if (!frame) return frame.error();
    auto explanation = programs.run(place->hook, place->ifindex, *frame);
    if (!explanation) return explanation.error();
    Json json = explanation_json(place->hook, place->ifindex, *explanation, Names(controller));
    if (place->xdp) put_xdp_first(json["steps"]);
    return to_text(json);
}

} // namespace

void add_explain_routes(Router& router, control::Controller& controller, ExplainPrograms programs) {
    router.add({"POST",
                "/v1/explain",
                200,
                {},
                [&controller, programs = std::move(programs)](const Call& call) {
                    return explain(controller, programs, call.body);
                }});
}

} // namespace cnet::api
