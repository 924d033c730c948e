#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kPorts = "/v1/ports";

std::string range(const Json& port, const char* first, const char* last) {
    std::string from = text_at(port, first), to = text_at(port, last);
    return to.empty() || from == to ? from : from + "-" + to;
}

// Of the endpoint's own address: the host has no such port.
bool is_direct(const Json& port) {
    return text_at(port, "reservation") == "direct";
}

std::string host_side(const Json& port) {
    if (is_direct(port)) return "-";
    std::string address = text_at(port, "host_ip");
    if (address.find(':') != std::string::npos) address = "[" + address + "]";
    return address + ":" + range(port, "host_port", "host_port_end");
}

std::string endpoint_side(const Json& port) {
    return range(port, "port", "port_end");
}

View port_view() {
    return {
        {"ENDPOINT", key("endpoint"), Align::kLeft, true},
        {"HOST", plain(host_side)},
        {"PORT", plain(endpoint_side)},
        {"PROTOCOL", key("protocol")},
        {"ALLOW-FROM", key("allow_from"), Align::kLeft, true},
        {"NEW-RATE", key("new_rate"), Align::kRight, false, true},
        {"NEW-BURST", key("new_burst"), Align::kRight, false, true},
        {"ID", key("id"), Align::kRight, false, true},
        {"RESERVATION", key("reservation"), Align::kLeft, false, true},
    };
}

std::string published(const Json& port) {
    if (is_direct(port))
        return endpoint_side(port) + "/" + text_at(port, "protocol") + " of the endpoint's own";
    std::string text =
        host_side(port) + "->" + endpoint_side(port) + "/" + text_at(port, "protocol");
    if (text_at(port, "reservation") == "store")
        text += " (this kernel has no SCTP: no socket holds the port)";
    return text;
}

Json request(const Arguments& arguments) {
    return {{"endpoint", arguments.positionals[0]}, {"spec", arguments.positionals[1]}};
}

int publish(Context& context, const Verb& verb, const Arguments& arguments) {
    Json body = request(arguments);
    body.update(body_of(verb, arguments));
    return change(context, "POST", kPorts, body, published);
}

int set(Context& context, const Verb& verb, const Arguments& arguments) {
    const Json settings = body_of(verb, arguments);
    if (settings.empty()) {
        return context.fail(kUsage, "port set: nothing to set; options are in "
                                    "`cnet-bpf port set --help`");
    }
    Json body = request(arguments);
    body.update(settings);
    if (auto given = body.find("allow_from");
        given != body.end() && *given == Json::array({nullptr}))
        *given = Json::array();
    return change(context, "PATCH", kPorts, body);
}

int unpublish(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "DELETE", kPorts, request(arguments));
}

int list(Context& context, const Verb&, const Arguments& arguments) {
    return show_list(context, filtered(kPorts, "endpoint", arguments.positional(0)), port_view());
}

// Who may use a port, and how often.
std::vector<Option> limits(Option allow_from) {
    using enum OptionKind;
    return {allow_from,
            {"--new-rate", kNumber, "N",
             "connections a second that may begin from outside (0: no limit)", "new_rate"},
            {"--new-burst", kNumber, "N", "as many at once after a pause (0: a second's worth)",
             "new_burst"}};
}

} // namespace

Object port_object() {
    return {
        "port",
        "ports of the host that lead to an endpoint, or to an address behind an adopted bridge",
        {
            {{"list", "show", "ls"},
             "Every published port, or those of an endpoint.",
             {{"ENDPOINT", false}},
             {},
             list,
             Verb::Repeat::kWatch},
            {{"publish", "add"},
             "Publishes SPEC of an endpoint, or of BRIDGE/ADDRESS: "
             "[HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp|sctp]. Without "
             "HOSTPORT, or with a range of them for one PORT, a free one is chosen and printed.",
             {{"ENDPOINT"}, {"SPEC"}},
             limits({"--allow-from", OptionKind::kText, "CIDR", "only to these clients (everybody)",
                     "allow_from", true}),
             publish},
            {{"set"},
             "Changes who may use a published port, and how often; connections of others end.",
             {{"ENDPOINT"}, {"SPEC"}},
             limits({"--allow-from", OptionKind::kTextOrNone, "CIDR",
                     "only to these clients; none: to everybody", "allow_from", true}),
             set},
            {{"unpublish", "delete"},
             "Takes a published port back.",
             {{"ENDPOINT"}, {"SPEC"}},
             {},
             unpublish},
        }};
}

} // namespace cnet::cli
