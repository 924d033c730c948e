#include <filesystem>

#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kEndpoints = "/v1/endpoints";

Cell state_of(const Json& endpoint) {
    std::string state = text_at(endpoint, "state");
    return {state, state == "up" ? Style::kGood : Style::kBad};
}

// The address from DHCP and how long it is the endpoint's.
std::string lease_of(const Json& endpoint) {
    if (!endpoint.contains("lease") || !endpoint["lease"].is_object()) return {};
    const std::string left = seconds_at(endpoint["lease"], "ends_in_s");
    return text_at(endpoint["lease"], "address") + (left.empty() ? "" : " (" + left + ")");
}

View endpoint_view() {
    return {
        {"NAME", key("name"), Align::kLeft, true},
        {"NETWORK", key("network"), Align::kLeft, true},
        {"ADDRESSES", key("addresses")},
        {"MAC", key("mac")},
        {"STATE", state_of},
        {"HOST-DEVICE", key("host_ifname")},
        {"NETNS", key("netns"), Align::kLeft, true},
        {"PORTS", key("ports"), Align::kLeft, true},
        {"LEASE", plain(lease_of), Align::kLeft, true, true},
        {"ID", key("id"), Align::kRight, false, true},
        {"IFNAME", key("ifname"), Align::kLeft, false, true},
        {"IFINDEX", key("ifindex"), Align::kRight, false, true},
        {"ALIASES", key("aliases"), Align::kLeft, true, true},
        {"INGRESS-RATE", key("ingress_rate"), Align::kRight, false, true},
        {"INGRESS-BURST", key("ingress_burst"), Align::kRight, false, true},
        {"EGRESS-RATE", key("egress_rate"), Align::kRight, false, true},
        {"EGRESS-BURST", key("egress_burst"), Align::kRight, false, true},
        {"DEFAULT-ROUTE", key("default_route"), Align::kLeft, false, true},
        {"DISABLED", key("disabled"), Align::kLeft, false, true},
    };
}

std::string created(const Json& endpoint) {
    const std::string addresses = text_at(endpoint, "addresses");
    return "endpoint " + text_at(endpoint, "name") + ": " +
           (addresses.empty() ? "no address" : addresses) + ", " + text_at(endpoint, "mac") + ", " +
           text_at(endpoint, "ifname") + " behind " + text_at(endpoint, "host_ifname");
}

// cnetd has another working directory: a relative path means ours, a bare name is cnetd's to find.
std::string netns_for_daemon(const std::string& netns) {
    if (netns.find('/') == std::string::npos) return netns;
    std::error_code error;
    auto absolute = std::filesystem::absolute(netns, error);
    return error ? netns : absolute.lexically_normal().native();
}

int create(Context& context, const Verb& verb, const Arguments& arguments) {
    Json body = {{"network", arguments.positionals[0]}, {"name", arguments.positionals[1]}};
    body.update(body_of(verb, arguments));
    body["netns"] = netns_for_daemon(arguments.options.at("--netns")[0]);
    return change(context, "POST", kEndpoints, body, created);
}

int list(Context& context, const Verb&, const Arguments& arguments) {
    return show_list(context, filtered(kEndpoints, "network", arguments.positional(0)),
                     endpoint_view());
}

int show(Context& context, const Verb&, const Arguments& arguments) {
    auto name = arguments.positional(0);
    if (!name) return show_list(context, kEndpoints, endpoint_view());
    return show_object(context, member(kEndpoints, *name), endpoint_view());
}

int remove(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "DELETE", member(kEndpoints, arguments.positionals[0]), {});
}

std::vector<Option> create_options() {
    using enum OptionKind;
    return {
        {"--netns", kText, "NAME|PATH", "a sandbox, a name below /run/netns, or a namespace file",
         "netns", false, true},
        {"--ifname", kText, "NAME", "the interface's name in there (eth0)", "ifname"},
        {"--ip", kText, "ADDRESS", "an address (the next free one of each subnet)", "ips", true},
        {"--layer2", kSwitch, "", "no address of ours", "layer2"},
        {"--disabled", kSwitch, "", "leave it down in there (with --layer2)", "disabled"},
        {"--mac", kText, "MAC", "its MAC address (made from its id)", "mac"},
        {"--alias", kText, "NAME", "a further name of it for resolvers", "aliases", true},
        {"--ingress-rate", kNumber, "BITS", "a second, of what it is sent (no limit)",
         "ingress_rate"},
        {"--ingress-burst", kNumber, "BITS", "what it is sent at once after a pause",
         "ingress_burst"},
        {"--egress-rate", kNumber, "BITS", "a second, of what it sends (no limit)", "egress_rate"},
        {"--egress-burst", kNumber, "BITS", "what it sends at once after a pause", "egress_burst"},
        {"--default-route", kOnOff, "on|off", "a default route by the gateway (on)",
         "default_route"},
    };
}

} // namespace

Object endpoint_object() {
    return {
        "endpoint",
        "interfaces in network namespaces, each on one network",
        {
            {{"list", "ls"},
             "Every endpoint, or those of a network.",
             {{"NETWORK", false}},
             {},
             list,
             Verb::Repeat::kWatch},
            {{"show"}, "One endpoint in full.", {{"NAME", false}}, {}, show, Verb::Repeat::kWatch},
            {{"create", "add"},
             "Makes an interface in a namespace and puts it on a network.",
             {{"NETWORK"}, {"NAME"}},
             create_options(),
             create},
            {{"delete"}, "Removes an endpoint and what it publishes.", {{"NAME"}}, {}, remove},
        }};
}

} // namespace cnet::cli
