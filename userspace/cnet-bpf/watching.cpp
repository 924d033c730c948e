#include "userspace/cnet-bpf/watching.h"

#include <csignal>
#include <ostream>
#include <poll.h>
#include <unistd.h>

#include "userspace/base/clock.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

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

// Of a pipe, as `head` leaves it; who writes would be told with the next event alone, which may
// never come.
bool nobody_reads_output() {
    pollfd output{STDOUT_FILENO, 0, 0};
    return ::poll(&output, 1, 0) == 1 && output.revents & POLLERR;
}

} // namespace

Result<uint32_t> number_of(const Arguments& arguments, const std::string& option, uint32_t usual,
                           uint32_t most) {
    auto given = arguments.options.find(option);
    if (given == arguments.options.end()) return usual;
    const auto number = parse_number(given->second.front());
    if (number && *number >= 1 && *number <= most) return static_cast<uint32_t>(*number);
    return Error(ErrorKind::kInvalid, option + " is 1 to " + std::to_string(most));
}

Result<WatchRequest> read_watch(Context& context, const Arguments& arguments, uint32_t usual) {
    WatchRequest request;
    if (auto given = arguments.options.find("--count"); given != arguments.options.end())
        request.count = parse_number(given->second.front());
    if (request.count && *request.count == 0)
        return Error(ErrorKind::kInvalid, "--count must be 1 at least");
    auto sample = number_of(arguments, "--sample", 1, UINT32_MAX);
    if (!sample) return sample.error();
    request.names = ask_names(context);
    auto wanted = parse_monitor(arguments.positionals, request.names, usual);
    if (!wanted) return wanted.error();
    if (*sample > 1 && !(wanted->kinds & CNET_EVENT_PACKET))
        return Error(ErrorKind::kInvalid, "--sample is of packets, which are not asked for");
    request.wanted = *wanted;
    request.wanted.sample = *sample;
    return request;
}

int fail_watch(const Context& context, const std::string& command, const Error& error) {
    if (error.kind() != ErrorKind::kInvalid) return context.fail(error);
    return context.fail(kUsage, command + ": " + error.message());
}

int watch(const Context& context, const WatchRequest& request, const WatchVisitor& visitor) {
    const sigset_t signals = hold_signals();
    auto watch = maps::Watch::begin(context.paths.pins, request.wanted);
    if (!watch) return context.fail(watch.error());
    std::optional<uint64_t> left = request.count;
    const auto on_event = [&](const cnet_event& event, std::span<const uint8_t> frame) {
        visitor.event(event, frame);
        return !left || --*left > 0;
    };
    for (bool more = true; more && !interrupted(signals);) {
        if (visitor.prints && nobody_reads_output()) break;
        auto polled = (*watch)->poll(on_event);
        if (!polled) return context.fail(polled.error());
        more = *polled;
        auto lost = (*watch)->lost();
        if (!lost) return context.fail(lost.error());
        if (auto turned = visitor.turn(*lost); !turned) return context.fail(turned.error());
    }
    return kDone;
}

void print_event(const Context& context, const cnet_event& event, const MonitorNames& names) {
    const Json json = event_json(event, wall_ns_of(event.time_ns), names);
    if (context.settings.json)
        context.print_json(json);
    else
        context.out << printable(event_text(json)) << "\n";
}

uint64_t wall_ns_of(uint64_t monotonic_ns) {
    return monotonic_ns + clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
}

} // namespace cnet::cli
