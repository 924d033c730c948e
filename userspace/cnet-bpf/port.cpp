#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kPorts = "/v1/ports";

std::string range(const Json& port, const char* first, const char* last) {
    std::string from = text_at(port, first), to = text_at(port, last);
    return to.empty() || from == to ? from : from + "-" + to;
}

std::string host_side(const Json& port) {
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
        {"ID", key("id"), Align::kRight, false, true},
    };
}

std::string published(const Json& port) {
    return host_side(port) + "->" + endpoint_side(port) + "/" + text_at(port, "protocol");
}

Json request(const Arguments& arguments) {
    return {{"endpoint", arguments.positionals[0]}, {"spec", arguments.positionals[1]}};
}

int publish(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "POST", kPorts, request(arguments), published);
}

int unpublish(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "DELETE", kPorts, request(arguments));
}

int list(Context& context, const Verb&, const Arguments& arguments) {
    return show_list(context, filtered(kPorts, "endpoint", arguments.positional(0)), port_view());
}

} // namespace

Object port_object() {
    return {"port",
            "ports of the host that lead to an endpoint",
            {
                {{"list", "show", "ls"},
                 "Every published port, or those of an endpoint.",
                 {{"ENDPOINT", false}},
                 {},
                 list,
                 Verb::Repeat::kWatch},
                {{"publish", "add"},
                 "Publishes SPEC: [HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp]. Without HOSTPORT "
                 "a free one is chosen and printed.",
                 {{"ENDPOINT"}, {"SPEC"}},
                 {},
                 publish},
                {{"unpublish", "delete"},
                 "Takes a published port back.",
                 {{"ENDPOINT"}, {"SPEC"}},
                 {},
                 unpublish},
            }};
}

} // namespace cnet::cli
