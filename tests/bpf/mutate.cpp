#include "tests/bpf/mutate.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>

namespace cnet::test {
namespace {

void store16(Bytes& frame, size_t at, uint16_t value) {
    frame[at] = static_cast<uint8_t>(value >> 8);
    frame[at + 1] = static_cast<uint8_t>(value);
}

uint32_t sum_of(std::span<const uint8_t> bytes, uint32_t sum = 0) {
    for (size_t i = 0; i < bytes.size(); i++)
        sum += i % 2 ? bytes[i] : uint32_t{bytes[i]} << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

// Where the L4 header is and what is in it; protocol 0: there is none, or it is a fragment's.
struct L4 {
    uint8_t protocol = 0;
    size_t off = 0, len = 0; // len: up to the IP packet's end
    uint32_t pseudo = 0;
    size_t check_off = 0;
};

L4 find_l4(const Bytes& frame, size_t l3_off) {
    unsigned version = ip_version(frame, l3_off);
    size_t end = l3_off + (version ? claimed_length(frame, l3_off) : 0);
    L4 l4;
    if (!version || end > frame.size()) return {};
    if (version == 4) {
        if (be16_at(frame, l3_off + 6) & 0x3fff) return {};
        l4.off = l3_off + (frame[l3_off] & 15u) * 4u;
        l4.protocol = frame[l3_off + 9];
        l4.pseudo = sum_of(std::span(frame).subspan(l3_off + 12, 8));
    } else {
        l4.off = l3_off + 40;
        l4.protocol = frame[l3_off + 6];
        l4.pseudo = sum_of(std::span(frame).subspan(l3_off + 8, 32));
        while (l4.protocol == 0 || l4.protocol == 43 || l4.protocol == 60) {
            if (l4.off + 8 > end) return {};
            l4.protocol = frame[l4.off];
            l4.off += (frame[l4.off + 1] + 1u) * 8u;
        }
    }
    if (l4.off > end) return {};
    l4.len = end - l4.off;
    size_t least = l4.protocol == IPPROTO_TCP ? 20 : 8;
    if (l4.len < least) return {};
    if (l4.protocol == IPPROTO_UDP) {
        size_t udp_len = be16_at(frame, l4.off + 4);
        if (udp_len < 8 || udp_len > l4.len) return {};
        l4.len = udp_len;
    }
    bool icmp4 = l4.protocol == IPPROTO_ICMP && version == 4,
         icmp6 = l4.protocol == IPPROTO_ICMPV6 && version == 6;
    if (icmp4) l4.pseudo = 0;
    if (icmp4 || icmp6)
        l4.check_off = l4.off + 2;
    else if (l4.protocol == IPPROTO_TCP)
        l4.check_off = l4.off + 16;
    else if (l4.protocol == IPPROTO_UDP)
        l4.check_off = l4.off + 6;
    else
        return {};
    if (!icmp4) l4.pseudo += l4.protocol + static_cast<uint32_t>(l4.len);
    return l4;
}

bool ip4_header_fits(const Bytes& frame, size_t l3_off) {
    size_t header = (frame[l3_off] & 15u) * 4u;
    return header >= 20 && l3_off + header <= frame.size();
}

} // namespace

unsigned ip_version(const Bytes& frame, size_t l3_off) {
    if (frame.size() < l3_off + 20) return 0;
    unsigned version = frame[l3_off] >> 4;
    if (l3_off == 14 && be16_at(frame, 12) != (version == 4 ? 0x0800 : 0x86dd)) return 0;
    if (version == 4) return 4;
    return version == 6 && frame.size() >= l3_off + 40 ? 6 : 0;
}

Bytes source_of(const Bytes& frame, size_t l3_off) {
    bool v4 = ip_version(frame, l3_off) == 4;
    auto from = frame.begin() + static_cast<std::ptrdiff_t>(l3_off + (v4 ? 12 : 8));
    return {from, from + (v4 ? 4 : 16)};
}

Bytes destination_of(const Bytes& frame, size_t l3_off) {
    bool v4 = ip_version(frame, l3_off) == 4;
    auto from = frame.begin() + static_cast<std::ptrdiff_t>(l3_off + (v4 ? 16 : 24));
    return {from, from + (v4 ? 4 : 16)};
}

size_t claimed_length(const Bytes& frame, size_t l3_off) {
    return ip_version(frame, l3_off) == 4 ? be16_at(frame, l3_off + 2)
                                          : size_t{be16_at(frame, l3_off + 4)} + 40;
}

Checksums checksums_of(const Bytes& frame, size_t l3_off) {
    Checksums right;
    if (ip_version(frame, l3_off) == 4 && ip4_header_fits(frame, l3_off))
        right.ip = sum_of(std::span(frame).subspan(l3_off, (frame[l3_off] & 15u) * 4u)) == 0xffff;
    L4 l4 = find_l4(frame, l3_off);
    if (!l4.protocol || (l4.protocol == IPPROTO_UDP && !be16_at(frame, l4.check_off))) return right;
    right.l4 = sum_of(std::span(frame).subspan(l4.off, l4.len), l4.pseudo) == 0xffff;
    return right;
}

Bytes FrameSource::noise(size_t size) {
    Bytes out(size);
    for (auto& byte : out)
        byte = static_cast<uint8_t>(random_());
    return out;
}

Layer FrameSource::layer4(bool v6) {
    static const std::vector<uint8_t> kFlags{kSyn, kSyn | kAck, kAck, kFin | kAck, kRst, 0, 0xff};
    switch (below(6)) {
    case 0:
    case 1:
        return Tcp{.src_port = port(), .dst_port = port(), .flags = any(kFlags)};
    case 2:
    case 3:
        return Udp{.src_port = port(), .dst_port = port(), .checksum = !one_in(8)};
    case 4:
        if (v6) return Icmp6{.type = static_cast<uint8_t>(128 + below(2)), .id = port(), .seq = 1};
        return Icmp{.type = static_cast<uint8_t>(below(2) * 8), .id = port(), .seq = 1};
    default:
        return Raw{noise(below(40))};
    }
}

// Quotes a packet that went the other way, as the side that complains saw it, whole or cut.
Packet FrameSource::error_about_something(Packet outer, bool v6) {
    Packet quoted =
        v6 ? Packet{Ipv6{.src = any(cast_.dst6), .dst = any(cast_.src6)}} / layer4(true)
           : Packet{Ipv4{.src = any(cast_.dst4), .dst = any(cast_.src4)}} / layer4(false);
    Bytes quote = (std::move(quoted) / Raw{noise(below(24))}).bytes();
    if (one_in(4)) quote.resize(below(quote.size() + 1));
    if (v6)
        return std::move(outer) /
               Icmp6{.type = static_cast<uint8_t>(below(6)),
                     .code = static_cast<uint8_t>(below(5))} /
               Raw{quote};
    static const std::vector<uint8_t> kTypes{3, 4, 5, 11, 12};
    return std::move(outer) / Icmp{.type = any(kTypes), .code = static_cast<uint8_t>(below(5))} /
           Raw{quote};
}

Packet FrameSource::neighbour() {
    if (one_in(2))
        return Ethernet{.src = cast_.src_mac, .dst = any(cast_.dst_macs)} /
               Arp{.operation = static_cast<uint16_t>(below(4)),
                   .sender_mac = cast_.src_mac,
                   .sender_ip = any(cast_.src4),
                   .target_ip = any(cast_.dst4)};
    Bytes body = ip_bytes(any(cast_.dst6));
    for (uint8_t byte : Bytes{static_cast<uint8_t>(1 + below(2)), 1})
        body.push_back(byte);
    Bytes mac = mac_bytes(cast_.src_mac);
    body.insert(body.end(), mac.begin(), mac.end());
    return Ethernet{.src = cast_.src_mac, .dst = any(cast_.dst_macs)} /
           Ipv6{.src = any(cast_.src6), .dst = any(cast_.dst6), .hop_limit = 255} /
           Icmp6{.type = static_cast<uint8_t>(133 + below(5))} / Raw{body};
}

Packet FrameSource::well_formed() {
    if (one_in(12)) return neighbour();
    bool v6 = one_in(2);
    auto ttl = static_cast<uint8_t>(one_in(12) ? below(3) : 64);
    Packet packet{Ethernet{.src = cast_.src_mac, .dst = any(cast_.dst_macs)}};
    if (v6) {
        packet = std::move(packet) /
                 Ipv6{.src = any(cast_.src6), .dst = any(cast_.dst6), .hop_limit = ttl};
        static const std::vector<uint8_t> kExtensions{0, 43, 44, 51, 60};
        for (size_t left = one_in(4) ? below(10) : 0; left; left--)
            packet = std::move(packet) / Extension{.type = any(kExtensions), .body = noise(6)};
    } else {
        static const std::vector<uint16_t> kFragments{0x2000, 0x2001, 1, 0x1fff, 0x3fff, 100};
        packet =
            std::move(packet) / Ipv4{.src = any(cast_.src4),
                                     .dst = any(cast_.dst4),
                                     .ttl = ttl,
                                     .id = static_cast<uint16_t>(below(8)),
                                     .fragment = one_in(8) ? any(kFragments) : uint16_t{0x4000}};
    }
    if (one_in(6)) return error_about_something(std::move(packet), v6);
    return std::move(packet) / layer4(v6) / Raw{noise(one_in(10) ? below(1600) : below(64))};
}

void FrameSource::insert(Bytes& frame, size_t at, const Bytes& bytes) {
    at = std::min(at, frame.size());
    frame.insert(frame.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin(), bytes.end());
}

// A field of the IP header at one of its edges.
void FrameSource::bend_ip(Bytes& frame) {
    if (!ip_version(frame)) return;
    static constexpr std::array<uint16_t, 8> kEdges{0, 1, 19, 20, 40, 0x7fff, 0x8000, 0xffff};
    auto edge = one_in(2) ? kEdges[below(kEdges.size())]
                          : static_cast<uint16_t>(frame.size() - 16 + below(5));
    if (ip_version(frame) == 4) {
        switch (below(5)) {
        case 0:
            return store16(frame, 16, edge);
        case 1:
            return store16(frame, 20, edge);
        case 2:
            frame[14] = static_cast<uint8_t>(0x40 + below(16));
            return;
        case 3:
            frame[23] = static_cast<uint8_t>(random_());
            return;
        default: // options, that the header's length accounts for
            size_t words = 1 + below(10);
            insert(frame, 34, noise(words * 4));
            frame[14] = static_cast<uint8_t>(0x45 + words);
            return store16(frame, 16, static_cast<uint16_t>(frame.size() - 14));
        }
    }
    switch (below(4)) {
    case 0:
        return store16(frame, 18, edge);
    case 1:
        frame[20] = static_cast<uint8_t>(below(64));
        return;
    case 2:
        frame[21] = static_cast<uint8_t>(below(3));
        return;
    default: // the source or the destination becomes one of a kind that is special
        static const std::array<Bytes, 5> kSpecial{
            ip_bytes("::"), ip_bytes("::1"), ip_bytes("fe80::1"), ip_bytes("ff02::1"),
            Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 0, 3}};
        const Bytes& special = kSpecial[below(kSpecial.size())];
        std::copy(special.begin(), special.end(), frame.begin() + (one_in(2) ? 22 : 38));
    }
}

void FrameSource::bend(Bytes& frame) {
    switch (below(9)) {
    case 0:
        for (size_t flips = 1 + below(4); flips; flips--)
            frame[below(frame.size())] ^= static_cast<uint8_t>(1 << below(8));
        return;
    case 1:
        for (size_t flips = 1 + below(3); flips; flips--)
            frame[12 + below(frame.size() - 12)] = static_cast<uint8_t>(random_());
        return;
    case 2:
        frame.resize(14 + below(frame.size() - 13));
        return;
    case 3:
        insert(frame, frame.size(), noise(1 + below(64)));
        return;
    case 4:
        insert(frame, 12, one_in(2) ? Bytes{0x81, 0, 0, 7} : Bytes{0x88, 0xa8, 0, 1});
        return;
    case 5:
        frame.resize(14);
        insert(frame, 14, noise(below(200)));
        return;
    case 6: {
        size_t at = 14 + below(frame.size() - 13);
        insert(frame, at, noise(1 + below(16)));
        return;
    }
    default:
        bend_ip(frame);
    }
}

// Checksums put right again, so that what a program makes of them can be told.
void FrameSource::mend(Bytes& frame) {
    if (ip_version(frame) == 4 && ip4_header_fits(frame, 14)) {
        store16(frame, 24, 0);
        store16(
            frame, 24,
            static_cast<uint16_t>(~sum_of(std::span(frame).subspan(14, (frame[14] & 15u) * 4u))));
    }
    L4 l4 = find_l4(frame, 14);
    if (!l4.protocol || (l4.protocol == IPPROTO_UDP && !be16_at(frame, l4.check_off))) return;
    store16(frame, l4.check_off, 0);
    auto sum = static_cast<uint16_t>(~sum_of(std::span(frame).subspan(l4.off, l4.len), l4.pseudo));
    store16(frame, l4.check_off, sum ? sum : 0xffff);
}

Bytes FrameSource::next() {
    Bytes frame = well_formed().bytes();
    if (!one_in(3))
        for (size_t times = 1 + below(2); times; times--)
            bend(frame);
    if (!one_in(3)) mend(frame);
    return frame;
}

} // namespace cnet::test
