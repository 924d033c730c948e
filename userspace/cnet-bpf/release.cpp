#include <ostream>

#include "userspace/cnet-bpf/adopt_docker.h"
#include "userspace/cnet-bpf/flow_view.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

const std::string kAdopted = "/v1/adopted";

bool is_translated(const Json& flow) {
    return text_at(flow, "src") != text_at(flow, "reply_dst") ||
           text_at(flow, "dst") != text_at(flow, "reply_src") ||
           number_at(flow, "src_port") != number_at(flow, "reply_dst_port") ||
           number_at(flow, "dst_port") != number_at(flow, "reply_src_port");
}

// Nobody else knows how to translate it.
bool ends(const Json& flow) {
    const std::string state = text_at(flow, "state");
    return text_at(flow, "type") != "kernel" && state != "time_wait" && state != "closed" &&
           is_translated(flow);
}

// Appends the flows of one bridge.
Reply gather(Context& context, const std::string& bridge, Json& ending) {
    Reply flows = get_list(context, filtered("/v1/ct", "network", bridge));
    if (!flows.ok()) return flows;
    for (const Json& flow : flows.body)
        if (ends(flow)) ending.push_back(flow);
    return flows;
}

Reply gather_all(Context& context, const std::string& which, Json& ending) {
    if (which != kDocker) return gather(context, which, ending);
    Reply docker = get_object(context, member(kAdopted, which));
    if (!docker.ok()) return docker;
    for (const Json& bridge : list_at(docker.body, "bridges")) {
        Reply flows = gather(context, text_at(bridge, "bridge"), ending);
        if (!flows.ok()) return flows;
    }
    return docker;
}

int release(Context& context, const Verb&, const Arguments& arguments) {
    const std::string& which = arguments.positionals[0];
    Json ending = Json::array();
    // Of a bridge that is not adopted the release itself says so.
    (void)gather_all(context, which, ending);
    Reply done = context.api.send("DELETE", member(kAdopted, which));
    if (!done.ok()) return context.fail(done);
    if (context.settings.json) {
        context.print_json({{"ended", ending}});
    } else if (!ending.empty()) {
        context.out << "connections that end, since nobody else translates them:\n";
        print_table(context, flow_view(), ending, Table::Header::kHidden);
    }
    return kDone;
}

} // namespace

Object release_object() {
    return {"release",
            "gives an adopted bridge back",
            {{{""},
              "Leaves a bridge, or all of \"docker\", alone again, and nothing of ours with it. "
              "Prints the connections that cannot go on.",
              {{"BRIDGE"}},
              {},
              release}}};
}

} // namespace cnet::cli
