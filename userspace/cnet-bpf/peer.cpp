#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kPeers = "/v1/peers";

View peer_view() {
    return {
        {"ADDRESS", key("address")},
        {"NAME", key("name"), Align::kLeft, true},
        {"LOCAL", key("local"), Align::kLeft, true},
        {"ORIGIN", key("origin")},
        {"ID", key("id"), Align::kRight, false, true},
    };
}

int list(Context& context, const Verb&, const Arguments&) {
    return show_list(context, kPeers, peer_view());
}

int add(Context& context, const Verb& verb, const Arguments& arguments) {
    Json body = {{"address", arguments.positionals[0]}};
    body.update(body_of(verb, arguments));
    return change(context, "POST", kPeers, body);
}

int remove(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "DELETE", member(kPeers, arguments.positionals[0]), {});
}

} // namespace

Object peer_object() {
    return {"peer",
            "other hosts of the overlay",
            {
                {{"list", "show", "ls"}, "Every peer.", {}, {}, list, Verb::Repeat::kWatch},
                {{"add", "create"},
                 "Sends to another host, and takes VXLAN from it.",
                 {{"HOSTADDR"}},
                 {{"--name", OptionKind::kText, "N", "what to call it", "name"}},
                 add},
                {{"delete"},
                 "Stops both; of a cluster's host that is gone, gives back all that it holds.",
                 {{"HOSTADDR"}},
                 {},
                 remove},
            }};
}

} // namespace cnet::cli
