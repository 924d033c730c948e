#include "userspace/cnet-bpf/adopt_docker.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kAdopted = "/v1/adopted";

// "3, left: veth1 (it is isolated)"
std::string ports_text(const Json& bridge) {
    std::string left;
    size_t served = 0;
    for (const Json& port : list_at(bridge, "ports")) {
        const std::string why = text_at(port, "left");
        if (why.empty())
            served++;
        else
            left += (left.empty() ? "" : ", ") + text_at(port, "device") + " (" + why + ")";
    }
    return std::to_string(served) + (left.empty() ? "" : ", left: " + left);
}

View adopted_view() {
    return {
        {"BRIDGE", key("bridge")},
        {"STATE", key("state")},
        {"PORTS", plain(ports_text), Align::kLeft, true},
        {"MASQUERADE", key("masquerade")},
        {"ICC", key("icc")},
        {"INTERNAL", key("internal")},
        {"DOCKER", key("docker_network"), Align::kLeft, true},
        {"LEFT", key("left"), Align::kLeft, true},
        {"IFINDEX", key("ifindex"), Align::kRight, false, true},
        {"ID", key("id"), Align::kRight, false, true},
    };
}

std::string describe(const Json& answer) {
    std::string text = text_at(answer, "bridge") + ": ports: " + ports_text(answer);
    for (const Json& warning : list_at(answer, "warnings"))
        text += "; warning: " + text_of(warning);
    return text;
}

int adopt(Context& context, const Verb& verb, const Arguments& arguments) {
    const auto bridge = arguments.positional(0);
    if (!bridge) return show_list(context, kAdopted, adopted_view());
    if (*bridge == kDocker && arguments.options.empty()) return adopt_docker(context);
    Json body = {{"bridge", *bridge}};
    body.update(body_of(verb, arguments));
    return change(context, "POST", kAdopted, body, describe);
}

} // namespace

Object adopt_object() {
    return {
        "adopt",
        "bridges that somebody else made, gone past",
        {{{""},
          "Has frames between the ports of a bridge go past it, or changes options of one that "
          "is adopted; without BRIDGE lists the bridges adopted. \"docker\" stands for "
          "all that Docker makes, now and later.",
          {{"BRIDGE", false}},
          {{"--masquerade", OptionKind::kOnOff, "on|off",
            "translate what leaves the host from it (off)", "masquerade"},
           {"--icc", OptionKind::kOnOff, "on|off", "let its ports reach each other (on)", "icc"},
           {"--internal", OptionKind::kOnOff, "on|off",
            "nothing beyond the host, nor from there (off)", "internal"}},
          adopt,
          Verb::Repeat::kWatch}}};
}

} // namespace cnet::cli
