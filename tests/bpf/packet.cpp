#include "tests/bpf/packet.h"

#include <arpa/inet.h>

namespace cnet::test {
namespace {

void put16(Bytes& out, uint16_t value) {
    out.push_back(static_cast<uint8_t>(value >> 8));
    out.push_back(static_cast<uint8_t>(value));
}

void put32(Bytes& out, uint32_t value) {
    put16(out, static_cast<uint16_t>(value >> 16));
    put16(out, static_cast<uint16_t>(value));
}

void put(Bytes& out, const Bytes& bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

void put_mac(Bytes& out, const std::string& text) {
    auto mac = MacAddress::parse(text);
    CNET_CHECK(mac);
    out.insert(out.end(), mac->bytes().begin(), mac->bytes().end());
}

void put_ip(Bytes& out, const std::string& text) {
    auto ip = IpAddress::parse(text);
    CNET_CHECK(ip);
    out.insert(out.end(), ip->bytes().begin() + (ip->is_v4() ? 12 : 0), ip->bytes().end());
}

uint16_t checksum(const Bytes& bytes, uint32_t sum = 0) {
    for (size_t i = 0; i < bytes.size(); i++)
        sum += i % 2 ? bytes[i] : uint32_t{bytes[i]} << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~sum);
}

void store16(Bytes& out, size_t offset, uint16_t value) {
    out[offset] = static_cast<uint8_t>(value >> 8);
    out[offset + 1] = static_cast<uint8_t>(value);
}

// The protocol number of a layer above IP.
uint8_t protocol_of(const Layer* layer) {
    if (!layer) return 253; // experimental
    if (std::holds_alternative<Tcp>(*layer)) return IPPROTO_TCP;
    if (std::holds_alternative<Udp>(*layer)) return IPPROTO_UDP;
    if (std::holds_alternative<Sctp>(*layer)) return IPPROTO_SCTP;
    if (std::holds_alternative<Icmp>(*layer)) return IPPROTO_ICMP;
    if (std::holds_alternative<Icmp6>(*layer)) return IPPROTO_ICMPV6;
    if (auto* extension = std::get_if<Extension>(layer)) return extension->type;
    return 253;
}

struct Builder {
    const Layer* below; // the IP layer, for what has a pseudo header
    Bytes inner;        // what this layer carries

    // Checksum of an L4 segment with the pseudo header of the IP layer below it.
    uint16_t pseudo_checksum(uint8_t protocol, const Bytes& segment) const;

    Bytes operator()(const Raw& raw) const { return raw.bytes; }
    Bytes operator()(const Ethernet& eth) const;
    Bytes operator()(const Arp& arp) const;
    Bytes operator()(const Ipv4& ip4) const;
    Bytes operator()(const Ipv6& ip6) const;
    Bytes operator()(const Extension& extension) const;
    Bytes operator()(const Tcp& tcp) const;
    Bytes operator()(const Udp& udp) const;
    Bytes operator()(const Sctp& sctp) const;
    Bytes operator()(const Icmp& icmp) const;
    Bytes operator()(const Icmp6& icmp) const;

    const Layer* above = nullptr;
};

uint16_t Builder::pseudo_checksum(uint8_t protocol, const Bytes& segment) const {
    CNET_CHECK(below);
    Bytes all;
    auto put_pseudo = [&](const auto& ip) {
        put_ip(all, ip.src);
        put_ip(all, ip.dst);
    };
    if (auto* ip4 = std::get_if<Ipv4>(below)) put_pseudo(*ip4);
    if (auto* ip6 = std::get_if<Ipv6>(below)) put_pseudo(*ip6);
    put16(all, protocol);
    put16(all, static_cast<uint16_t>(segment.size()));
    put(all, segment);
    return checksum(all);
}

Bytes Builder::operator()(const Ethernet& eth) const {
    Bytes out;
    put_mac(out, eth.dst);
    put_mac(out, eth.src);
    uint16_t type = 0x88b5; // local experimental
    if (above && std::holds_alternative<Arp>(*above)) type = 0x0806;
    if (above && std::holds_alternative<Ipv4>(*above)) type = 0x0800;
    if (above && std::holds_alternative<Ipv6>(*above)) type = 0x86dd;
    put16(out, eth.type.value_or(type));
    put(out, inner);
    return out;
}

Bytes Builder::operator()(const Arp& arp) const {
    Bytes out;
    put16(out, 1);
    put16(out, 0x0800);
    put16(out, 0x0604);
    put16(out, arp.operation);
    put_mac(out, arp.sender_mac);
    put_ip(out, arp.sender_ip);
    put_mac(out, arp.target_mac);
    put_ip(out, arp.target_ip);
    return out;
}

Bytes Builder::operator()(const Ipv4& ip4) const {
    Bytes out{0x45, ip4.tos};
    put16(out, static_cast<uint16_t>(20 + inner.size()));
    put16(out, ip4.id);
    put16(out, ip4.fragment);
    out.push_back(ip4.ttl);
    out.push_back(ip4.protocol.value_or(protocol_of(above)));
    put16(out, 0);
    put_ip(out, ip4.src);
    put_ip(out, ip4.dst);
    store16(out, 10, checksum(out));
    put(out, inner);
    return out;
}

Bytes Builder::operator()(const Ipv6& ip6) const {
    Bytes out;
    put32(out, 0x60000000);
    put16(out, static_cast<uint16_t>(inner.size()));
    out.push_back(ip6.next_header.value_or(protocol_of(above)));
    out.push_back(ip6.hop_limit);
    put_ip(out, ip6.src);
    put_ip(out, ip6.dst);
    put(out, inner);
    return out;
}

Bytes Builder::operator()(const Extension& extension) const {
    Bytes out{extension.next_header.value_or(protocol_of(above)), 0};
    put(out, extension.body);
    put(out, inner);
    return out;
}

Bytes Builder::operator()(const Tcp& tcp) const {
    Bytes out;
    put16(out, tcp.src_port);
    put16(out, tcp.dst_port);
    put32(out, tcp.seq);
    put32(out, 0);
    put16(out, static_cast<uint16_t>(0x5000 | tcp.flags));
    put16(out, 65535);
    put32(out, 0);
    put(out, inner);
    store16(out, 16, pseudo_checksum(IPPROTO_TCP, out));
    return out;
}

Bytes Builder::operator()(const Udp& udp) const {
    Bytes out;
    put16(out, udp.src_port);
    put16(out, udp.dst_port);
    put16(out, static_cast<uint16_t>(8 + inner.size()));
    put16(out, 0);
    put(out, inner);
    if (udp.checksum) store16(out, 6, pseudo_checksum(IPPROTO_UDP, out));
    return out;
}

// RFC 9260 appendix A: CRC32c over the packet with a checksum of zero, least significant byte
// first.
Bytes Builder::operator()(const Sctp& sctp) const {
    Bytes out;
    put16(out, sctp.src_port);
    put16(out, sctp.dst_port);
    put32(out, 0x12345678); // verification tag
    put32(out, 0);
    out.push_back(sctp.chunk);
    out.push_back(0);
    put16(out, static_cast<uint16_t>(4 + inner.size()));
    put(out, inner);
    if (!sctp.checksum) return out;
    uint32_t crc = 0xffffffff;
    for (uint8_t byte : out) {
        crc ^= byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    for (size_t i = 0; i < 4; i++)
        out[8 + i] = static_cast<uint8_t>(~crc >> (8 * i));
    return out;
}

Bytes Builder::operator()(const Icmp& icmp) const {
    Bytes out{icmp.type, icmp.code, 0, 0};
    put16(out, icmp.id);
    put16(out, icmp.seq);
    put(out, inner);
    store16(out, 2, checksum(out));
    return out;
}

Bytes Builder::operator()(const Icmp6& icmp) const {
    Bytes out{icmp.type, icmp.code, 0, 0};
    if (icmp.word) {
        put32(out, icmp.word);
    } else {
        put16(out, icmp.id);
        put16(out, icmp.seq);
    }
    put(out, inner);
    store16(out, 2, pseudo_checksum(IPPROTO_ICMPV6, out));
    return out;
}

} // namespace

Bytes ip_bytes(const std::string& address) {
    Bytes out;
    put_ip(out, address);
    return out;
}

Bytes mac_bytes(const std::string& mac) {
    Bytes out;
    put_mac(out, mac);
    return out;
}

Bytes Packet::bytes() const {
    Bytes inner;
    for (size_t i = layers_.size(); i-- > 0;) {
        size_t below = i;
        while (below > 0 && std::holds_alternative<Extension>(layers_[below - 1]))
            below--;
        Builder builder{below ? &layers_[below - 1] : nullptr, std::move(inner),
                        i + 1 < layers_.size() ? &layers_[i + 1] : nullptr};
        inner = std::visit(builder, layers_[i]);
    }
    return inner;
}

std::string hex(const Bytes& bytes) {
    std::string out;
    char text[4];
    for (size_t i = 0; i < bytes.size(); i++) {
        std::snprintf(text, sizeof(text), "%02x%s", bytes[i], i % 16 == 15 ? "\n" : " ");
        out += text;
    }
    return out;
}

} // namespace cnet::test
