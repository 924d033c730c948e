#include <csignal>
#include <ctime>
#include <ostream>

#include "maps/watch.h"
#include "userspace/base/clock.h"
#include "userspace/cnet-bpf/monitor_words.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

// Without cnetd numbers do.
MonitorNames ask_names(Context& context) {
    MonitorNames names;
    Reply endpoints = get_list(context, "/v1/endpoints");
    if (!endpoints.ok()) return names;
    for (const Json& endpoint : endpoints.body) {
        const auto ifindex = static_cast<uint32_t>(number_at(endpoint, "ifindex"));
        names.endpoints[text_at(endpoint, "name")] = ifindex;
        names.devices[ifindex] = text_at(endpoint, "name");
    }
    Reply networks = get_list(context, "/v1/networks");
    if (networks.ok())
        for (const Json& network : networks.body)
            names.networks[text_at(network, "name")] =
                static_cast<uint32_t>(number_at(network, "id"));
    context.api.disconnect();
    return names;
}

class Printer {
public:
    Printer(Context& context, const MonitorNames& names, std::optional<uint64_t> count)
        : context_(context), names_(names), left_(count) {}

    bool event(const cnet_event& event) {
        const uint64_t offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
        print(event_json(event, event.time_ns + offset_ns, names_));
        return (!left_ || --*left_ > 0) && context_.out;
    }

    // What could not be told, as soon as it is known.
    void lost(uint64_t all) {
        if (all == lost_) return;
        if (context_.settings.json)
            context_.print_json({{"lost", all - lost_}});
        else
            context_.out << "(" << all - lost_ << " events lost)\n";
        context_.out.flush();
        lost_ = all;
    }

private:
    void print(const Json& event) {
        if (context_.settings.json)
            context_.print_json(event);
        else
            context_.out << printable(event_text(event)) << "\n";
        context_.out.flush();
    }

    Context& context_;
    const MonitorNames& names_;
    std::optional<uint64_t> left_;
    uint64_t lost_ = 0;
};

// They end the loop, not the process: what was taken is given back.
sigset_t hold_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    return signals;
}

bool interrupted(const sigset_t& signals) {
    const timespec now{};
    return sigtimedwait(&signals, nullptr, &now) > 0;
}

int monitor(Context& context, const Verb&, const Arguments& arguments) {
    std::optional<uint64_t> count;
    if (auto given = arguments.options.find("--count"); given != arguments.options.end())
        count = parse_number(given->second.front());
    if (count && *count == 0) return context.fail(kUsage, "monitor: --count must be 1 at least");
    const MonitorNames names = ask_names(context);
    auto wanted = parse_monitor(arguments.positionals, names);
    if (!wanted && wanted.error().kind() == ErrorKind::kInvalid)
        return context.fail(kUsage, "monitor: " + wanted.error().message());
    if (!wanted) return context.fail(wanted.error());
    const sigset_t signals = hold_signals();
    auto watch = maps::Watch::begin(context.paths.pins, *wanted);
    if (!watch) return context.fail(watch.error());
    Printer printer(context, names, count);
    for (bool more = true; more && !interrupted(signals);) {
        auto polled = (*watch)->poll([&](const cnet_event& event) { return printer.event(event); });
        if (!polled) return context.fail(polled.error());
        more = *polled;
        auto lost = (*watch)->lost();
        if (!lost) return context.fail(lost.error());
        printer.lost(*lost);
    }
    return kDone;
}

} // namespace

Object monitor_object() {
    return {
        "monitor",
        "drops, flows, learned MACs and packets as they happen",
        {{{""},
          "Shows events until interrupted: drops, flows, macs (all three unless told "
          "otherwise), packets (every one); of those the ones that fit all of endpoint, device, "
          "network, hook, reason, proto, addr and port, each followed by its value.",
          {{"EVENTS", false, true}},
          {{"--count", OptionKind::kNumber, "N", "end after so many", "count"}},
          monitor}}};
}

} // namespace cnet::cli
