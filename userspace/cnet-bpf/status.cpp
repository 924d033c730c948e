#include <ostream>

#include "maps/abi.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/pins.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

View status_view() {
    auto daemon = [](const Json& status) {
        return text_at(status, "version") + ", pid " + text_at(status, "pid") + ", up " +
               seconds_at(status, "uptime_s");
    };
    auto repairs = [](const Json& status) {
        const Json& reconcile = value_at(status, "reconcile");
        return text_at(reconcile, "repairs") + " in " + text_at(reconcile, "runs") + " runs";
    };
    auto last_error = [](const Json& status) {
        return Cell{text_at(value_at(status, "reconcile"), "last_error"), Style::kBad};
    };
    auto sock = [](const Json& status) {
        const Json& hooks = value_at(status, "sock");
        std::string error = text_at(hooks, "error");
        if (!error.empty()) return Cell{error, Style::kBad};
        if (value_at(hooks, "enabled") == Json(false)) return Cell{"off"};
        return Cell{text_at(hooks, "cgroup")};
    };
    auto cluster = [](const Json& status) {
        const Json& shared = value_at(status, "cluster");
        if (shared.is_null()) return Cell{"none"};
        if (const auto& conflicts = list_at(shared, "conflicts"); !conflicts.empty())
            return Cell{conflicts.front().get<std::string>(), Style::kBad};
        if (value_at(shared, "connected") == Json(false))
            return Cell{"away: " + text_at(shared, "error"), Style::kBad};
        return Cell{text_at(shared, "host") + ", one of " + text_at(shared, "hosts") + " hosts"};
    };
    return {
        {"CNETD", plain(daemon)},
        {"ROOT", key("root")},
        {"KERNEL", key("kernel")},
        {"ATTACH", key("attach")},
        {"SOCK", sock},
        {"CLUSTER", cluster},
        {"MAPS-VERSION", key("abi_version")},
        {"NETWORKS", key("networks")},
        {"ENDPOINTS", key("endpoints")},
        {"SANDBOXES", key("sandboxes")},
        {"PORTS", key("ports")},
        {"UPLINKS", key("uplinks")},
        {"CONNECTIONS", key("connections")},
        {"REPAIRS", plain(repairs)},
        {"LAST-ERROR", last_error},
    };
}

View pins_view() {
    return {
        {"CNETD",
         [](const Json&) {
             return Cell{"unreachable", Style::kBad};
         }},
        {"PINS", key("path")},
        {"MAPS-VERSION", key("abi_version")},
        {"MAPS", key("maps")},
        {"PROGRAMS", key("programs")},
        {"ATTACHMENTS", key("attachments")},
    };
}

// The data path works on without cnetd; what is left of it is worth showing.
int show_pins(Context& context, const Reply& reply) {
    Json pins = summarize_pins(context.paths.pins);
    if (context.settings.json) {
        context.print_json({{"cnetd", nullptr}, {"pins", pins}});
    } else {
        print_record(context, pins_view(), pins);
    }
    context.out.flush();
    return context.fail(reply);
}

int show(Context& context, const Verb&, const Arguments&) {
    Reply reply = get_object(context, "/v1/status");
    if (reply.status == kUnreachable) return show_pins(context, reply);
    if (!reply.ok()) return context.fail(reply);
    if (context.settings.json) {
        context.print_json(reply.body);
    } else {
        print_record(context, status_view(), reply.body);
    }
    return kDone;
}

int print_version(Context& context, const Verb&, const Arguments&) {
    if (context.settings.json) {
        context.print_json({{"version", CNET_VERSION}, {"abi_version", CNET_ABI_VERSION}});
    } else {
        context.out << "cnet-bpf " << CNET_VERSION << " (maps version " << CNET_ABI_VERSION
                    << ")\n";
    }
    return kDone;
}

} // namespace

Object status_object() {
    return {"status",
            "the daemon, the kernel and how much there is of everything",
            {{{""},
              "Shows how cnetd is; without cnetd, what its pins show.",
              {},
              {},
              show,
              Verb::Repeat::kWatch}}};
}

Object version_object() {
    return {"version",
            "of this program",
            {{{""}, "Prints the version of this program.", {}, {}, print_version}}};
}

} // namespace cnet::cli
