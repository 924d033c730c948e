#include "userspace/api/frame.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace cnet::api {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kEthernetHeader = 14;
constexpr uint16_t kTypeIp4 = 0x0800, kTypeArp = 0x0806, kTypeIp6 = 0x86dd;
constexpr uint8_t kEcho4 = 8, kEcho6 = 128, kSolicitation = 135;

void put16(Bytes& to, size_t value) {
    to.push_back(static_cast<uint8_t>(value >> 8));
    to.push_back(static_cast<uint8_t>(value));
}

void put(Bytes& to, const auto& bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

void put_address(Bytes& to, const IpAddress& address) {
    to.insert(to.end(), address.bytes().begin() + (address.is_v4() ? 12 : 0),
              address.bytes().end());
}

uint32_t sum16(const Bytes& bytes, size_t from = 0) {
    uint32_t sum = 0;
    for (size_t i = from; i < bytes.size(); i++)
        sum += (i - from) % 2 ? bytes[i] : static_cast<uint32_t>(bytes[i]) << 8;
    return sum;
}

void set_checksum(Bytes& bytes, size_t offset, uint32_t sum) {
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    sum = ~sum & 0xffff;
    bytes[offset] = static_cast<uint8_t>(sum >> 8);
    bytes[offset + 1] = static_cast<uint8_t>(sum);
}

std::optional<uint8_t> tcp_flags(std::string_view words) {
    static constexpr std::array<std::pair<std::string_view, uint8_t>, 5> kFlags{
        {{"fin", 1}, {"syn", 2}, {"rst", 4}, {"psh", 8}, {"ack", 16}}};
    uint8_t flags = 0;
    while (!words.empty()) {
        auto comma = std::min(words.find(','), words.size());
        auto flag = std::find_if(kFlags.begin(), kFlags.end(), [&](const auto& candidate) {
            return candidate.first == words.substr(0, comma);
        });
        if (flag == kFlags.end()) return std::nullopt;
        flags |= flag->second;
        words.remove_prefix(std::min(comma + 1, words.size()));
    }
    return flags;
}

uint8_t protocol_number(const FrameSpec& spec) {
    if (spec.protocol == "tcp") return IPPROTO_TCP;
    if (spec.protocol == "udp") return IPPROTO_UDP;
    if (spec.src.is_v4()) return IPPROTO_ICMP;
    return IPPROTO_ICMPV6;
}

// Without its checksum, which stands at `checksum`.
Bytes transport(const FrameSpec& spec, uint8_t flags, size_t& checksum) {
    Bytes header;
    if (spec.protocol == "tcp") {
        put16(header, spec.src_port);
        put16(header, spec.dst_port);
        put(header, std::array<uint8_t, 8>{0, 0, 0, 1, 0, 0, 0, 0});
        header.push_back(5 << 4);
        header.push_back(flags);
        put16(header, 64240);
        checksum = header.size();
        put16(header, 0);
        put16(header, 0);
    } else if (spec.protocol == "udp") {
        put16(header, spec.src_port);
        put16(header, spec.dst_port);
        put16(header, 8u + spec.size);
        checksum = header.size();
        put16(header, 0);
    } else {
        header.push_back(spec.src.is_v4() ? kEcho4 : kEcho6);
        header.push_back(0);
        checksum = header.size();
        put16(header, 0);
        put16(header, spec.src_port); // the identifier
        put16(header, 1);
    }
    header.resize(header.size() + spec.size);
    return header;
}

void fill_checksum(const FrameSpec& spec, Bytes& segment, size_t checksum) {
    uint32_t sum = sum16(segment);
    const uint8_t protocol = protocol_number(spec);
    if (protocol != IPPROTO_ICMP) {
        Bytes pseudo;
        put_address(pseudo, spec.src);
        put_address(pseudo, spec.dst);
        put16(pseudo, segment.size());
        put16(pseudo, protocol);
        sum += sum16(pseudo);
    }
    set_checksum(segment, checksum, sum);
}

Bytes ethernet(const FrameSpec& spec, uint16_t type) {
    Bytes frame;
    put(frame, spec.dst_mac.bytes());
    put(frame, spec.src_mac.bytes());
    put16(frame, type);
    return frame;
}

Bytes ip_packet(const FrameSpec& spec, const Bytes& segment) {
    if (spec.src.is_v4()) {
        Bytes frame = ethernet(spec, kTypeIp4);
        put16(frame, 0x4500);
        put16(frame, 20 + segment.size());
        put16(frame, 1);      // identification
        put16(frame, 0x4000); // not to be fragmented
        frame.push_back(spec.ttl);
        frame.push_back(protocol_number(spec));
        put16(frame, 0);
        put_address(frame, spec.src);
        put_address(frame, spec.dst);
        set_checksum(frame, kEthernetHeader + 10, sum16(frame, kEthernetHeader));
        put(frame, segment);
        return frame;
    }
    Bytes frame = ethernet(spec, kTypeIp6);
    put(frame, std::array<uint8_t, 4>{0x60, 0, 0, 0});
    put16(frame, segment.size());
    frame.push_back(protocol_number(spec));
    frame.push_back(spec.ttl);
    put_address(frame, spec.src);
    put_address(frame, spec.dst);
    put(frame, segment);
    return frame;
}

Bytes arp_question(const FrameSpec& spec) {
    Bytes frame = ethernet(spec, kTypeArp);
    put(frame, std::array<uint8_t, 8>{0, 1, 8, 0, 6, 4, 0, 1});
    put(frame, spec.src_mac.bytes());
    put_address(frame, spec.src);
    put(frame, MacAddress().bytes());
    put_address(frame, spec.dst);
    return frame;
}

// To the solicited node's group, RFC 4861 section 7.2.2.
Bytes nd_question(FrameSpec spec) {
    const IpAddress target = spec.dst;
    Bytes group(16);
    group[0] = 0xff, group[1] = 0x02, group[11] = 1, group[12] = 0xff;
    std::copy_n(target.bytes().begin() + 13, 3, group.begin() + 13);
    if (auto address = IpAddress::from_bytes(group.data(), group.size())) spec.dst = *address;
    spec.dst_mac = MacAddress({0x33, 0x33, group[12], group[13], group[14], group[15]});
    spec.ttl = 255;
    spec.protocol = "icmp";
    Bytes segment{kSolicitation, 0, 0, 0, 0, 0, 0, 0};
    put_address(segment, target);
    put(segment, std::array<uint8_t, 2>{1, 1}); // source link-layer address
    put(segment, spec.src_mac.bytes());
    fill_checksum(spec, segment, 2);
    return ip_packet(spec, segment);
}

} // namespace

Result<Bytes> make_frame(const FrameSpec& spec) {
    static constexpr std::array<std::string_view, 4> kProtocols{"tcp", "udp", "icmp", "arp"};
    if (std::find(kProtocols.begin(), kProtocols.end(), spec.protocol) == kProtocols.end())
        return Error(ErrorKind::kInvalid,
                     "protocol must be tcp, udp, icmp or arp, not '" + spec.protocol + "'");
    if (spec.src.is_v4() != spec.dst.is_v4())
        return Error(ErrorKind::kInvalid, spec.src.to_string() + " and " + spec.dst.to_string() +
                                              " are not of one family");
    auto flags = tcp_flags(spec.flags);
    if (!flags)
        return Error(ErrorKind::kInvalid,
                     "flags are syn, ack, fin, rst and psh, not '" + spec.flags + "'");
    if (spec.protocol == "arp") return spec.src.is_v4() ? arp_question(spec) : nd_question(spec);
    size_t checksum = 0;
    Bytes segment = transport(spec, *flags, checksum);
    fill_checksum(spec, segment, checksum);
    return ip_packet(spec, segment);
}

} // namespace cnet::api
