#include <ostream>

#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/watching.h"

namespace cnet::cli {
namespace {

constexpr uint32_t kUsual = CNET_EVENT_DROP | CNET_EVENT_FLOW_NEW | CNET_EVENT_FLOW_END |
                            CNET_EVENT_MAC_NEW | CNET_EVENT_MAC_MOVED;

void print_lost(const Context& context, uint64_t lost) {
    if (context.settings.json)
        context.print_json({{"lost", lost}});
    else
        context.out << "(" << lost << " events lost)\n";
}

int monitor(Context& context, const Verb&, const Arguments& arguments) {
    auto request = read_watch(context, arguments, kUsual);
    if (!request) return fail_watch(context, "monitor", request.error());
    const auto on_event = [&](const cnet_event& event, std::span<const uint8_t>) {
        print_event(context, event, request->names);
    };
    uint64_t told = 0; // what was lost is told as soon as it is known
    const auto on_turn = [&](uint64_t lost) -> Status {
        if (lost != told) print_lost(context, lost - told);
        told = lost;
        if (!context.out.flush()) return Error(ErrorKind::kSystem, "the output cannot be written");
        return {};
    };
    return watch(context, *request, {on_event, on_turn});
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
          {{"--sample", OptionKind::kNumber, "N",
            "of mere packets, one in N a CPU; drops, flows and MACs always", "sample"},
           {"--count", OptionKind::kNumber, "N", "end after so many", "count"}},
          monitor}}};
}

} // namespace cnet::cli
