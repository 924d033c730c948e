#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kUplinks = "/v1/uplinks";

View uplink_view() {
    return {
        {"DEVICE", key("device")},
        {"ADDRESSES", key("addresses")},
        {"CONFIGURED", key("configured")},
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
                {{"delete"}, "Stops using a device as an uplink.", {{"DEV"}}, {}, remove},
            }};
}

} // namespace cnet::cli
