#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kNetworks = "/v1/networks";

// What differs from a network's defaults, as one word each.
std::string options_of(const Json& network) {
    std::string text;
    auto add = [&](const char* word) { text += (text.empty() ? "" : ",") + std::string(word); };
    if (text_at(network, "internal") == "on") add("internal");
    if (text_at(network, "icc") == "off") add("icc-off");
    if (text_at(network, "masquerade") == "off") add("masquerade-off");
    if (text_at(network, "nat") == "endpoint-independent") add("nat-endpoint-independent");
    if (text_at(network, "learning") == "on") add("learning");
    if (text_at(network, "peer_learning") == "off") add("peer-learning-off");
    if (text_at(network, "allow_spoofing") == "on") add("allow-spoofing");
    return text;
}

std::string modes_of(const Json& network) {
    const std::string mode6 = text_at(network, "mode6");
    return text_at(network, "mode") + (mode6.empty() ? "" : "," + mode6);
}

std::string snat_of(const Json& network) {
    const std::string snat6 = text_at(network, "snat6");
    std::string text = text_at(network, "snat");
    if (!text.empty() && !snat6.empty()) text += ",";
    return text + snat6;
}

// Attached devices; what is not at work says so.
std::string devices_of(const Json& network) {
    std::string text;
    for (const Json& device : list_at(network, "devices")) {
        const std::string state = text_at(device, "state");
        text += (text.empty() ? "" : ",") + text_at(device, "device");
        if (state != "up") text += "(" + state + ")";
    }
    return text;
}

// Other hosts' parts of the pool.
std::string host_subnets_of(const Json& network) {
    std::string text;
    for (const Json& subnet : list_at(network, "host_subnets")) {
        text +=
            (text.empty() ? "" : ",") + text_at(subnet, "subnet") + "@" + text_at(subnet, "host");
    }
    return text;
}

View network_view() {
    return {
        {"NAME", key("name"), Align::kLeft, true},
        {"SUBNETS", key("subnets")},
        {"GATEWAYS", key("gateways")},
        {"MODE", plain(modes_of)},
        {"ENDPOINTS", key("endpoints"), Align::kRight},
        {"HOST-PORT", key("host_port")},
        {"OPTIONS", plain(options_of), Align::kLeft, true},
        {"DEVICES", plain(devices_of), Align::kLeft, false, true},
        {"ID", key("id"), Align::kRight, false, true},
        {"IP-RANGES", key("ip_ranges"), Align::kLeft, false, true},
        {"MTU", key("mtu"), Align::kRight, false, true},
        {"SNAT", plain(snat_of), Align::kLeft, false, true},
        {"NAT", key("nat"), Align::kLeft, false, true},
        {"AGEING", plain([](const Json& network) { return seconds_at(network, "ageing_s"); }),
         Align::kRight, false, true},
        {"MAC-LIMIT", key("mac_limit"), Align::kRight, false, true},
        {"FLOOD-LIMIT", key("flood_limit"), Align::kRight, false, true},
        {"NAMES", key("names"), Align::kLeft, false, true},
        {"GATEWAY-MAC", key("gateway_mac"), Align::kLeft, false, true},
        {"VNI", key("vni"), Align::kRight, false, true},
        {"SCOPE", key("scope"), Align::kLeft, false, true},
        {"POOL", key("pool"), Align::kLeft, false, true},
        {"HOST-SUBNETS", plain(host_subnets_of), Align::kLeft, false, true},
    };
}

std::string created(const Json& network) {
    if (list_at(network, "subnets").empty())
        return "network " + text_at(network, "name") + ": no addresses";
    return "network " + text_at(network, "name") + ": " + text_at(network, "subnets") +
           ", gateway " + text_at(network, "gateways");
}

// One list on the command line, a key a family in the request. "none" is of both.
Result<Json> settings_of(const Verb& verb, const Arguments& arguments) {
    Json body = body_of(verb, arguments);
    if (!body.contains("snat")) return body;
    const Json addresses = body["snat"];
    body.erase("snat");
    for (const Json& address : addresses) {
        const bool v6 = address.is_string() && text_of(address).find(':') != std::string::npos;
        for (const char* key : {"snat", "snat6"}) {
            if (address.is_string() && v6 != (std::string_view(key) == "snat6")) continue;
            if (body.contains(key))
                return Error(ErrorKind::kInvalid, "--snat takes one address a family, or none");
            body[key] = address;
        }
    }
    return body;
}

int create(Context& context, const Verb& verb, const Arguments& arguments) {
    auto settings = settings_of(verb, arguments);
    if (!settings) return context.fail(kUsage, "network create: " + settings.error().message());
    Json body = {{"name", arguments.positionals[0]}};
    body.update(*settings);
    return change(context, "POST", kNetworks, body, created);
}

int show(Context& context, const Verb&, const Arguments& arguments) {
    auto name = arguments.positional(0);
    if (!name) return show_list(context, kNetworks, network_view());
    return show_object(context, member(kNetworks, *name), network_view());
}

int set(Context& context, const Verb& verb, const Arguments& arguments) {
    auto body = settings_of(verb, arguments);
    if (!body) return context.fail(kUsage, "network set: " + body.error().message());
    if (body->empty()) {
        return context.fail(kUsage, "network set: nothing to set; options are in "
                                    "`cnet-bpf network set --help`");
    }
    return change(context, "PATCH", member(kNetworks, arguments.positionals[0]), *body);
}

int attach(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "POST", member(kNetworks, arguments.positionals[0]) + "/attach",
                  {{"device", arguments.positionals[1]}});
}

int detach(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "POST", member(kNetworks, arguments.positionals[0]) + "/detach",
                  {{"device", arguments.positionals[1]}});
}

int remove(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "DELETE", member(kNetworks, arguments.positionals[0]), {});
}

std::vector<Option> settings_that_change() {
    using enum OptionKind;
    return {
        {"--mtu", kNumber, "N",
         "largest packet, in bytes (1500; with a VNI what the underlay leaves)", "mtu"},
        {"--mode", kText, "nat|nat-unprotected|routed|routed-published|isolated",
         "masquerade, or open besides; reachable as it is, or by what it publishes; without the "
         "host (nat)",
         "mode"},
        {"--mode6", kTextOrNone, "MODE", "of IPv6 another; none: the same", "mode6"},
        {"--icc", kOnOff, "on|off", "endpoints may talk to each other (on)", "icc"},
        {"--masquerade", kOnOff, "on|off", "translate sources towards uplinks (on)", "masquerade"},
        {"--snat", kTextOrNone, "ADDRESS",
         "masquerade with this address, one a family; none: the uplink's", "snat", true},
        {"--nat", kText, "symmetric|endpoint-independent",
         "ports outside are mapped and filtered by remote, or whoever it is (symmetric)", "nat"},
        {"--learning", kOnOff, "on|off", "learn source MACs (off)", "learning"},
        {"--peer-learning", kOnOff, "on|off",
         "learn source MACs of what peers send (on; off in a cluster)", "peer_learning"},
        {"--ageing", kNumber, "S", "forget a learned MAC after S seconds (300), 0: never",
         "ageing_s"},
        {"--mac-limit", kNumber, "N", "learned MACs at most (1024), 0: no limit", "mac_limit"},
        {"--flood-limit", kNumber, "PPS", "frames a second that one port may flood (0: no limit)",
         "flood_limit"},
        {"--names", kOnOff, "on|off", "the gateway answers for endpoints' names (on)", "names"},
    };
}

std::vector<Option> create_options() {
    using enum OptionKind;
    std::vector<Option> options = {
        {"--subnet", kText, "CIDR", "addresses of the network (next free default pool)", "subnets",
         true},
        {"--layer2", kSwitch, "", "no addresses: a segment without the host", "layer2"},
        {"--gateway", kText, "ADDRESS", "the host's address in a subnet (its first)", "gateways",
         true},
        {"--ip-range", kText, "CIDR", "give automatic addresses from here only", "ip_ranges", true},
        {"--vni", kNumberOrAuto, "N|auto",
         "span hosts, by VXLAN with this number; auto: the cluster's next free one", "vni"},
        {"--host-prefix", kNumber, "N",
         "in a cluster: each host has a part of the subnet of this length, routed (needs --mode "
         "routed)",
         "host_prefix"},
        {"--internal", kSwitch, "", "no way beyond the host", "internal"},
        {"--allow-spoofing", kSwitch, "", "no source check; learns MACs", "allow_spoofing"},
    };
    std::vector<Option> more = settings_that_change();
    options.insert(options.end(), more.begin(), more.end());
    return options;
}

std::vector<Option> set_options() {
    std::vector<Option> options = settings_that_change();
    options.push_back({"--allow-spoofing", OptionKind::kOnOff, "on|off",
                       "no source check; learns MACs (off)", "allow_spoofing"});
    return options;
}

} // namespace

Object network_object() {
    return {
        "network",
        "layer-2 segments with addresses, a gateway and options",
        {
            {{"list", "ls"}, "Every network.", {}, {}, show, Verb::Repeat::kWatch},
            {{"show"}, "One network in full.", {{"NAME", false}}, {}, show, Verb::Repeat::kWatch},
            {{"create", "add"}, "Makes a network.", {{"NAME"}}, create_options(), create},
            {{"set"}, "Changes a network that is in use.", {{"NAME"}}, set_options(), set},
            {{"attach"},
             "Makes a device of the host a port of a network.",
             {{"NAME"}, {"DEV"}},
             {},
             attach},
            {{"detach"},
             "Gives an attached device back to the host.",
             {{"NAME"}, {"DEV"}},
             {},
             detach},
            {{"delete"}, "Removes a network without endpoints.", {{"NAME"}}, {}, remove},
        }};
}

} // namespace cnet::cli
