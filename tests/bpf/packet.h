// Packets that read as what they are:
//
//   auto frame = Ethernet{.src = kMacA, .dst = kMacB} / Ipv4{.src = "10.0.0.2", .dst = "10.0.0.3"}
//   /
//                Udp{.src_port = 4000, .dst_port = 53} / Raw{"question"};
//
// bytes() fills in lengths, protocol numbers and checksums; a field that is given stays as given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "userspace/base/ip.h"

namespace cnet::test {

using Bytes = std::vector<uint8_t>;

// Of network byte order, in the host's.
inline uint16_t be16_at(const Bytes& bytes, size_t at) {
    return static_cast<uint16_t>(bytes.at(at) << 8 | bytes.at(at + 1));
}
inline uint32_t be32_at(const Bytes& bytes, size_t at) {
    return uint32_t{be16_at(bytes, at)} << 16 | be16_at(bytes, at + 2);
}

Bytes ip_bytes(const std::string& address);
Bytes mac_bytes(const std::string& mac);

struct Ethernet {
    std::string src = {}, dst = {};
    std::optional<uint16_t> type = {};
};

struct Arp {
    uint16_t operation = 1;
    std::string sender_mac = {}, sender_ip = {}, target_mac = "00:00:00:00:00:00", target_ip = {};
};

struct Ipv4 {
    std::string src = {}, dst = {};
    uint8_t ttl = 64;
    uint8_t tos = 0;
    uint16_t id = 0x1234;
    uint16_t fragment = 0x4000; // flags and offset, host order; DF
    std::optional<uint8_t> protocol = {};
};

struct Ipv6 {
    std::string src = {}, dst = {};
    uint8_t hop_limit = 64;
    std::optional<uint8_t> next_header = {};
};

// An IPv6 extension header of eight bytes; `type` is its own number.
struct Extension {
    uint8_t type = 60;
    Bytes body = {1, 4, 0, 0, 0, 0}; // PadN
    std::optional<uint8_t> next_header = {};
};

inline constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;

struct Tcp {
    uint16_t src_port, dst_port;
    uint8_t flags = kSyn;
    uint32_t seq = 1000;
};

struct Udp {
    uint16_t src_port, dst_port;
    bool checksum = true;
};

// RFC 9260 section 3.2.
enum SctpChunk : uint8_t {
    kData = 0,
    kInit = 1,
    kInitAck = 2,
    kHeartbeat = 4,
    kHeartbeatAck = 5,
    kAbort = 6,
    kShutdown = 7,
    kShutdownAck = 8,
    kCookieEcho = 10,
    kCookieAck = 11,
    kShutdownComplete = 14,
};

// With one chunk, around what follows.
struct Sctp {
    uint16_t src_port, dst_port;
    bool checksum = true;
    SctpChunk chunk = kData;
};

struct Icmp {
    uint8_t type = 8, code = 0;
    uint16_t id = 0;  // echo; 0 in errors
    uint16_t seq = 0; // echo; MTU in fragmentation-needed
};

// ICMPv6; the last four bytes of its header are an identifier and a sequence number, or one word.
struct Icmp6 {
    uint8_t type = 128, code = 0;
    uint16_t id = 0, seq = 0;
    uint32_t word = 0; // in place of both when not 0
};

struct Raw {
    Bytes bytes;
    Raw(Bytes data) : bytes(std::move(data)) {}
    Raw(const char* text) : bytes(text, text + std::char_traits<char>::length(text)) {}
};

using Layer = std::variant<Ethernet, Arp, Ipv4, Ipv6, Extension, Tcp, Udp, Sctp, Icmp, Icmp6, Raw>;

class Packet {
public:
    Packet(Layer layer) : layers_{std::move(layer)} {}

    template <typename T> T& get() {
        for (auto& layer : layers_)
            if (auto* found = std::get_if<T>(&layer)) return *found;
        std::abort();
    }
    Bytes bytes() const;

    friend Packet operator/(Packet packet, Layer layer) {
        packet.layers_.push_back(std::move(layer));
        return packet;
    }

private:
    std::vector<Layer> layers_;
};

template <typename A, typename B>
requires std::is_constructible_v<Layer, A> && std::is_constructible_v<Layer, B>
    Packet operator/(A a, B b) {
    return Packet(Layer(std::move(a))) / Layer(std::move(b));
}

std::string hex(const Bytes& bytes);

} // namespace cnet::test
