#include <ostream>

#include "userspace/cnet-bpf/decode.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/pins.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

View map_view() {
    return {
        {"NAME", key("name")},
        {"TYPE", key("type")},
        {"KEY", key("key_bytes"), Align::kRight},
        {"VALUE", key("value_bytes"), Align::kRight},
        {"ENTRIES", key("entries"), Align::kRight},
        {"MAX", key("max_entries"), Align::kRight},
        {"MEMORY", plain([](const Json& map) {
             return text_at(map, "memory_bytes").empty()
                        ? std::string()
                        : human_bytes(number_at(map, "memory_bytes"));
         }),
         Align::kRight},
        {"ID", key("id"), Align::kRight, false, true},
        {"FLAGS", key("flags"), Align::kLeft, false, true},
    };
}

View prog_view() {
    auto devices = [](const Json& program) {
        std::string text;
        for (const Json& device : list_at(program, "devices")) {
            std::string name = text_at(device, "device");
            if (name.empty()) name = "#" + text_at(device, "ifindex");
            text += (text.empty() ? "" : ",") + name;
        }
        for (const Json& cgroup : list_at(program, "cgroups")) {
            std::string name = text_at(cgroup, "path");
            if (name.empty()) name = "cgroup #" + text_at(cgroup, "id");
            text += (text.empty() ? "" : ",") + name;
        }
        return text;
    };
    auto runs = [](const Json& program) {
        uint64_t count = number_at(program, "runs");
        return count ? std::to_string(count) : std::string();
    };
    return {
        {"HOOK", key("hook")},
        {"NAME", key("name")},
        {"ID", key("id"), Align::kRight},
        {"TAG", key("tag")},
        {"RUNS", plain(runs), Align::kRight},
        {"NS/RUN", key("ns_per_run"), Align::kRight},
        {"INSTRUCTIONS", key("instructions"), Align::kRight},
        {"JITED", key("jited_bytes"), Align::kRight, false, true},
        {"DEVICES", plain(devices), Align::kLeft, true},
    };
}

int print_list(Context& context, const Result<Json>& list, const View& view) {
    if (!list) return context.fail(list.error());
    if (context.settings.json) {
        context.print_json(*list);
    } else {
        print_table(context, view, *list);
    }
    return kDone;
}

int show(Context& context, const Verb&, const Arguments& arguments) {
    auto name = arguments.positional(0);
    if (!name) return print_list(context, list_maps(context.paths.pins), map_view());
    auto map = show_map(context.paths.pins, *name);
    if (!map) return context.fail(map.error());
    if (context.settings.json) {
        context.print_json(*map);
    } else {
        print_record(context, map_view(), *map);
    }
    return kDone;
}

int dump(Context& context, const Verb&, const Arguments& arguments) {
    const std::string& name = arguments.positionals[0];
    if (context.settings.json) {
        JsonArrayPrinter array(context);
        auto status =
            dump_map(context.paths.pins, name, [&](const Json& entry) { array.add(entry); });
        if (!status) return context.fail(status.error());
        array.finish();
        return kDone;
    }
    auto status = dump_map(context.paths.pins, name, [&](const Json& entry) {
        context.out << printable(flat_text(entry["key"])) << "  ->  "
                    << printable(flat_text(entry["value"])) << "\n";
    });
    return status ? int{kDone} : context.fail(status.error());
}

int list_prog(Context& context, const Verb&, const Arguments&) {
    return print_list(context, list_programs(context.paths.pins), prog_view());
}

} // namespace

Object map_object() {
    return {"map",
            "the data path's maps; works while cnetd is dead",
            {
                {{"list", "ls"},
                 "Every map: its size and how full it is.",
                 {},
                 {},
                 show,
                 Verb::Repeat::kWatch},
                {{"show"}, "One map.", {{"NAME", false}}, {}, show, Verb::Repeat::kWatch},
                {{"dump"},
                 "Every entry of a map, decoded. Entries of arrays that are all zero are left out.",
                 {{"NAME"}},
                 {},
                 dump,
                 Verb::Repeat::kWatch},
            }};
}

Object prog_object() {
    return {"prog",
            "the data path's programs; works while cnetd is dead",
            {
                {{"list", "show", "ls"},
                 "Every program and the devices it is attached to. Runs are counted while "
                 "`sysctl kernel.bpf_stats_enabled` is 1.",
                 {},
                 {},
                 list_prog,
                 Verb::Repeat::kWatch},
            }};
}

} // namespace cnet::cli
