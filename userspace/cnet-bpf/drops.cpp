#include <algorithm>
#include <array>

#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kDrops = "/v1/drops";

Cell class_of(const Json& counter) {
    std::string name = text_at(counter, "class");
    Style style = name == "drop" ? Style::kBad : name == "event" ? Style::kNotice : Style::kPlain;
    return {name, style};
}

View drops_view() {
    return {
        {"HOOK", key("hook")},
        {"REASON", key("reason")},
        {"CLASS", class_of},
        {"PACKETS", key("packets"), Align::kRight},
        {"BYTES", key("bytes"), Align::kRight},
        {"MEANING", key("meaning"), Align::kLeft, true},
    };
}

// Hooks in the daemon's order; in each what is worth a look first: drops, events, and the rest.
Json grouped(const Json& counters) {
    static constexpr std::array<std::string_view, 4> kOrder = {"drop", "event", "punt", "forward"};
    std::vector<std::string> hooks;
    for (const Json& counter : counters) {
        std::string hook = text_at(counter, "hook");
        if (std::find(hooks.begin(), hooks.end(), hook) == hooks.end()) hooks.push_back(hook);
    }
    auto rank = [](const auto& order, const std::string& word) {
        return std::find(order.begin(), order.end(), word) - order.begin();
    };
    std::vector<Json> sorted(counters.begin(), counters.end());
    std::stable_sort(sorted.begin(), sorted.end(), [&](const Json& a, const Json& b) {
        auto hook_a = rank(hooks, text_at(a, "hook")), hook_b = rank(hooks, text_at(b, "hook"));
        if (hook_a != hook_b) return hook_a < hook_b;
        auto class_a = rank(kOrder, text_at(a, "class"));
        auto class_b = rank(kOrder, text_at(b, "class"));
        if (class_a != class_b) return class_a < class_b;
        return number_at(a, "packets") > number_at(b, "packets");
    });
    return Json(sorted);
}

int show(Context& context, const Verb&, const Arguments&) {
    Reply reply = get_list(context, kDrops);
    if (!reply.ok()) return context.fail(reply);
    if (context.settings.json) {
        context.print_json(reply.body);
    } else {
        print_table(context, drops_view(), grouped(reply.body));
    }
    return kDone;
}

int reset(Context& context, const Verb&, const Arguments&) {
    return change(context, "POST", std::string(kDrops) + "/reset", {});
}

} // namespace

Object drops_object() {
    return {"drops",
            "what became of packets, and why, by hook",
            {
                {{"show", "list", "ls"},
                 "Every reason that ever counted.",
                 {},
                 {},
                 show,
                 Verb::Repeat::kWatch},
                {{"reset"}, "Counts from zero again.", {}, {}, reset},
            }};
}

} // namespace cnet::cli
