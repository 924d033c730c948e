#include <fstream>
#include <ostream>

#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/pcapng.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"
#include "userspace/cnet-bpf/watching.h"

namespace cnet::cli {
namespace {

constexpr const char* kName = "capture";

// Seen from the device, as tcpdump has it.
Direction direction_of(uint8_t hook) {
    return hook == CNET_HOOK_UPLINK_EGRESS || hook == CNET_HOOK_BRIDGE ? Direction::kOutbound
                                                                       : Direction::kInbound;
}

CapturedPacket packet_of(const cnet_event& event, std::span<const uint8_t> frame,
                         const MonitorNames& names) {
    CapturedPacket packet;
    packet.wall_ns = wall_ns_of(event.time_ns);
    const Json json = event_json(event, packet.wall_ns, names);
    packet.device = text_at(json, "device");
    if (packet.device.empty()) packet.device = text_at(json, "hook");
    packet.about = text_at(json, "endpoint");
    packet.link_type = event.has_l2 ? LinkType::kEthernet : LinkType::kRawIp;
    packet.direction = direction_of(event.hook);
    packet.frame_bytes = event.frame_bytes;
    packet.bytes = frame;
    packet.comment = event_words(json);
    return packet;
}

Error cannot_write(const std::string& file) {
    return Error::system("write " + file);
}

int write_file(const Context& context, const WatchRequest& request, const std::string& file) {
    std::ofstream opened;
    if (file != "-") opened.open(file, std::ios::binary | std::ios::trunc);
    if (file != "-" && !opened) return context.fail(cannot_write(file));
    std::ostream& out = file == "-" ? context.out : opened;
    PcapngWriter writer(out);
    uint64_t written = 0, lost = 0;
    const auto on_event = [&](const cnet_event& event, std::span<const uint8_t> frame) {
        writer.write(packet_of(event, frame, request.names));
        written++;
    };
    const auto on_turn = [&](uint64_t lost_so_far) -> Status {
        lost = lost_so_far;
        return out.flush() ? Status() : cannot_write(file);
    };
    const int status = watch(context, request, {on_event, on_turn, file == "-"});
    if (status == kDone) context.err << written << " packets captured, " << lost << " lost\n";
    return status;
}

int print_packets(const Context& context, const WatchRequest& request) {
    uint64_t lost = 0;
    const auto on_event = [&](const cnet_event& event, std::span<const uint8_t>) {
        print_event(context, event, request.names);
    };
    const auto on_turn = [&](uint64_t lost_so_far) -> Status {
        lost = lost_so_far;
        return context.out.flush() ? Status() : cannot_write("the output");
    };
    const int status = watch(context, request, {on_event, on_turn});
    if (status == kDone && lost) context.err << lost << " packets lost\n";
    return status;
}

int capture(Context& context, const Verb&, const Arguments& arguments) {
    auto request = read_watch(context, arguments, CNET_EVENT_PACKET);
    if (!request) return fail_watch(context, kName, request.error());
    auto snap = number_of(arguments, "--snaplen", CNET_SNAP_MAX, CNET_SNAP_MAX);
    if (!snap) return fail_watch(context, kName, snap.error());
    auto file = arguments.options.find("-w");
    if (file == arguments.options.end()) return print_packets(context, *request);
    request->wanted.snap_bytes = *snap;
    return write_file(context, *request, file->second.front());
}

} // namespace

Object capture_object() {
    return {
        kName,
        "what the programs see, as a file for Wireshark and tcpdump",
        {{{""},
          "Takes packets until interrupted, as the programs leave them: every one, or those that "
          "fit the words, which are those of monitor. Into a pcapng file that says of each its "
          "device, endpoint, direction, and what became of it; without -w, a line of each.",
          {{"EVENTS", false, true}},
          {{"-w", OptionKind::kText, "FILE", "write pcapng there; - is the standard output",
            "file"},
           {"--snaplen", OptionKind::kNumber, "N", "bytes of each frame; 2048 unless given",
            "snaplen"},
           {"--sample", OptionKind::kNumber, "N", "of packets, one in N a CPU", "sample"},
           {"--count", OptionKind::kNumber, "N", "end after so many", "count"}},
          capture}}};
}

} // namespace cnet::cli
