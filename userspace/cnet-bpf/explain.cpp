#include <pcap/pcap.h>

#include <memory>
#include <ostream>

#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/packet_words.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kExplain = "/v1/explain";

Style style_of(const std::string& verdict) {
    return verdict == "drop" ? Style::kBad : verdict == "punt" ? Style::kNotice : Style::kGood;
}

void print_text(Context& context, const Json& answer) {
    const Json& packet = value_at(answer, "packet");
    context.out << "at " << printable(text_at(answer, "device")) << ", hook "
                << text_at(answer, "hook");
    if (!packet.is_null())
        context.out << ": " << text_at(packet, "protocol") << " "
                    << side_of(packet, "src", "src_port") << " -> "
                    << side_of(packet, "dst", "dst_port");
    context.out << "\n";
    Table steps({{""}, {""}, {""}}, Table::Header::kHidden);
    for (const Json& step : list_at(answer, "steps"))
        steps.add({{" "}, {text_at(step, "step")}, {printable(text_at(step, "text"))}});
    steps.print(context.out, context.screen);
    const std::string verdict = text_at(answer, "verdict");
    context.out << styled(verdict, style_of(verdict), context.screen) << ": "
                << text_at(answer, "reason") << ", " << text_at(answer, "meaning") << "\n";
    if (const std::string hint = text_at(answer, "hint"); !hint.empty())
        context.out << "what to do: " << hint << "\n";
}

std::string hex(const uint8_t* bytes, size_t size) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (size_t i = 0; i < size; i++) {
        text += kDigits[bytes[i] >> 4];
        text += kDigits[bytes[i] & 15];
    }
    return text;
}

int explain_file(Context& context, const std::string& file, Json body) {
    char fault[PCAP_ERRBUF_SIZE] = "";
    std::unique_ptr<pcap_t, void (*)(pcap_t*)> capture(pcap_open_offline(file.c_str(), fault),
                                                       pcap_close);
    if (!capture) return context.fail(kRefused, fault);
    if (pcap_datalink(capture.get()) != DLT_EN10MB)
        return context.fail(kRefused, file + " holds no Ethernet frames");
    JsonArrayPrinter printer(context);
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    int got = 0;
    for (bool first = true; (got = pcap_next_ex(capture.get(), &header, &bytes)) == 1;
         first = false) {
        if (header->caplen < header->len)
            return context.fail(kRefused, file + ": a packet of it is cut short");
        body["frame"] = hex(bytes, header->caplen);
        Reply reply = context.api.send("POST", kExplain, body);
        if (!reply.ok()) return context.fail(reply);
        if (context.settings.json) {
            printer.add(reply.body);
            continue;
        }
        if (!first) context.out << "\n";
        print_text(context, reply.body);
    }
    if (got == PCAP_ERROR) return context.fail(kRefused, pcap_geterr(capture.get()));
    if (context.settings.json) printer.finish();
    return kDone;
}

int explain(Context& context, const Verb&, const Arguments& arguments) {
    auto file = arguments.options.find("--pcap");
    const bool from_file = file != arguments.options.end();
    auto body = parse_packet(arguments.positionals, from_file);
    if (!body) return context.fail(kUsage, "explain: " + body.error().message());
    if (from_file) return explain_file(context, file->second.front(), *std::move(body));
    Reply reply = context.api.send("POST", kExplain, *body);
    if (!reply.ok()) return context.fail(reply);
    if (context.settings.json)
        context.print_json(reply.body);
    else
        print_text(context, reply.body);
    return kDone;
}

} // namespace

Object explain_object() {
    return {"explain",
            "what would become of a packet, and why",
            {{{""},
              "Runs the programs on a packet, changing and sending nothing: from ENDPOINT PROTO "
              "[SOURCE to] ADDRESS[:PORT], or in UPLINK PROTO ADDRESS[:PORT] [to [ADDRESS]:PORT]. "
              "PROTO is tcp, udp, icmp or arp. Then, each with a value: sport, dport, src, mac, "
              "flags (syn,ack), size, ttl.",
              {{"PACKET", true, true}},
              {{"--pcap", OptionKind::kText, "FILE", "the packets of a capture instead", "pcap"}},
              explain}}};
}

} // namespace cnet::cli
