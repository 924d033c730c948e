#include <ostream>

#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kFdb = "/v1/fdb";

View fdb_view() {
    return {
        {"NETWORK", key("network"), Align::kLeft, true},
        {"MAC", key("mac")},
        {"DEVICE", key("device")},
        {"ENDPOINT", key("endpoint"), Align::kLeft, true},
        {"PEER", key("peer"), Align::kLeft, true},
        {"TYPE", key("type")},
        {"AGE", plain([](const Json& entry) { return seconds_at(entry, "age_s"); }), Align::kRight},
    };
}

View neigh_view() {
    return {
        {"NETWORK", key("network"), Align::kLeft, true},
        {"ADDRESS", key("address")},
        {"MAC", key("mac")},
        {"DEVICE", key("device")},
        {"ENDPOINT", key("endpoint"), Align::kLeft, true},
        {"PEER", key("peer"), Align::kLeft, true},
        {"TYPE", key("type")},
        {"ENDS-IN", plain([](const Json& entry) { return seconds_at(entry, "ends_in_s"); }),
         Align::kRight},
    };
}

std::string flushed(const Json& answer) {
    return "flushed " + std::to_string(number_at(answer, "flushed")) + " learned entries";
}

int show(Context& context, const Verb&, const Arguments& arguments) {
    return show_list(context, filtered(kFdb, "network", arguments.positional(0)), fdb_view());
}

int add(Context& context, const Verb& verb, const Arguments& arguments) {
    // The third word says what the fourth names.
    const auto& words = arguments.positionals;
    for (const char* place : {"endpoint", "device", "peer"}) {
        if (!std::string_view(place).starts_with(words[2])) continue;
        return change(context, "POST", kFdb,
                      {{"network", words[0]}, {"mac", words[1]}, {place, words[3]}});
    }
    return context.fail(kUsage, "fdb add: expected 'endpoint', 'device' or 'peer', not '" +
                                    words[2] + "' (usage: " + short_usage(fdb_object(), verb) +
                                    ")");
}

int remove(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "DELETE", kFdb,
                  {{"network", arguments.positionals[0]}, {"mac", arguments.positionals[1]}});
}

int flush(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "POST", std::string(kFdb) + "/flush",
                  {{"network", arguments.positionals[0]}}, flushed);
}

int show_neigh(Context& context, const Verb&, const Arguments& arguments) {
    return show_list(context, filtered("/v1/neigh", "network", arguments.positional(0)),
                     neigh_view());
}

} // namespace

Object fdb_object() {
    return {"fdb",
            "which MAC address is behind which port",
            {
                {{"show", "list", "ls"},
                 "Every MAC address, or those of a network.",
                 {{"NETWORK", false}},
                 {},
                 show,
                 Verb::Repeat::kWatch},
                {{"add", "create"},
                 "States that a MAC address is at an endpoint, an attached device or a peer.",
                 {{"NETWORK"}, {"MAC"}, {"endpoint|device|peer"}, {"NAME|HOSTADDR"}},
                 {},
                 add},
                {{"delete"}, "Removes an entry.", {{"NETWORK"}, {"MAC"}}, {}, remove},
                {{"flush"}, "Forgets what was learned on a network.", {{"NETWORK"}}, {}, flush},
            }};
}

Object neigh_object() {
    return {"neigh",
            "which address is at which MAC address: what ARP and ND are answered with",
            {
                {{"show", "list", "ls"},
                 "Every address, or those of a network.",
                 {{"NETWORK", false}},
                 {},
                 show_neigh,
                 Verb::Repeat::kWatch},
            }};
}

} // namespace cnet::cli
