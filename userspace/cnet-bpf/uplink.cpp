#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kUplinks = "/v1/uplinks";

// Set, and yet not on the device: `cnet-bpf status` says why.
std::string xdp_text(const Json& uplink) {
    const std::string xdp = text_at(uplink, "xdp");
    const bool missing = xdp == "native" && value_at(uplink, "xdp_running") == false;
    return missing ? xdp + " (not running)" : xdp;
}

View uplink_view() {
    return {
        {"DEVICE", key("device")},
        {"ADDRESSES", key("addresses")},
        {"CONFIGURED", key("configured")},
        {"XDP", plain(xdp_text)},
        {"IFINDEX", key("ifindex"), Align::kRight, false, true},
        {"ETHERNET", key("ethernet"), Align::kLeft, false, true},
    };
}

int list(Context& context, const Verb&, const Arguments&) {
    return show_list(context, kUplinks, uplink_view());
}

int add(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "POST", kUplinks, {{"device", arguments.positionals[0]}});
}

int set(Context& context, const Verb& verb, const Arguments& arguments) {
    return change(context, "PATCH", member(kUplinks, arguments.positionals[0]),
                  body_of(verb, arguments));
}

int remove(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "DELETE", member(kUplinks, arguments.positionals[0]), {});
}

} // namespace

Object uplink_object() {
    return {"uplink",
            "devices of the host that lead to the outside",
            {
                {{"list", "show", "ls"}, "Every uplink.", {}, {}, list, Verb::Repeat::kWatch},
                {{"add", "create"}, "Makes a device an uplink.", {{"DEV"}}, {}, add},
                {{"set"},
                 "Changes an uplink.",
                 {{"DEV"}},
                 {{"--xdp", OptionKind::kText, "native|off",
                   "drop what is refused anyhow before the kernel has made a packet of it (off)",
                   "xdp", false, true}},
                 set},
                {{"delete"}, "Stops using a device as an uplink.", {{"DEV"}}, {}, remove},
            }};
}

} // namespace cnet::cli
