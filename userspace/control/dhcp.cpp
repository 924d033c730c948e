#include "userspace/control/dhcp.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace cnet::control {

namespace {

// Offsets in the fixed part, RFC 2131 section 2.
constexpr size_t kOp = 0, kHardwareType = 1, kHardwareLen = 2, kClientAddress = 12,
                 kYourAddress = 16, kClientMac = 28, kCookie = 236, kOptions = 240;
constexpr uint8_t kRequest = 1, kReply = 2, kEthernet = 1;
constexpr std::array<uint8_t, 4> kMagic = {99, 130, 83, 99};
constexpr uint8_t kPad = 0, kLeaseTime = 51, kMessageType = 53, kEnd = 255;

using Bytes = std::span<const uint8_t>;

uint32_t number(Bytes bytes, size_t offset) {
    return static_cast<uint32_t>(bytes[offset]) << 24 |
           static_cast<uint32_t>(bytes[offset + 1]) << 16 |
           static_cast<uint32_t>(bytes[offset + 2]) << 8 | bytes[offset + 3];
}

struct Options {
    std::optional<uint8_t> type;
    std::optional<uint32_t> lease_s;
};

// Each of the two at most once and of its one length. Those that were moved into the server name or
// the boot file (option overload) are others: these two come first wherever a server moves some.
std::optional<Options> read_options(Bytes bytes) {
    Options options;
    for (size_t at = 0; at < bytes.size();) {
        const uint8_t code = bytes[at++];
        if (code == kPad) continue;
        if (code == kEnd) return options;
        if (at == bytes.size() || bytes.size() - at - 1 < bytes[at]) return std::nullopt;
        const Bytes value = bytes.subspan(at + 1, bytes[at]);
        at += 1 + value.size();
        if (code == kMessageType) {
            if (options.type || value.size() != 1) return std::nullopt;
            options.type = value[0];
        } else if (code == kLeaseTime) {
            if (options.lease_s || value.size() != 4) return std::nullopt;
            options.lease_s = number(value, 0);
        }
    }
    return std::nullopt; // no end
}

std::optional<DhcpMessage> complete(DhcpMessage message, const Options& options, Bytes payload) {
    const bool reply = payload[kOp] == kReply;
    switch (message.type) {
    case DhcpMessage::Type::kAck:
        message.address = IpAddress::from_v4(number(payload, kYourAddress));
        message.lease_s = options.lease_s.value_or(0);
        if (!reply || message.address.is_unspecified() || message.lease_s == 0) return std::nullopt;
        return message;
    case DhcpMessage::Type::kNak:
        return reply ? std::optional(message) : std::nullopt;
    case DhcpMessage::Type::kRelease:
        message.address = IpAddress::from_v4(number(payload, kClientAddress));
        return reply ? std::nullopt : std::optional(message);
    }
    return std::nullopt;
}

} // namespace

std::optional<DhcpMessage> parse_dhcp(std::span<const uint8_t> payload) {
    if (payload.size() < kOptions || (payload[kOp] != kRequest && payload[kOp] != kReply))
        return std::nullopt;
    if (payload[kHardwareType] != kEthernet || payload[kHardwareLen] != CNET_MAC_LEN)
        return std::nullopt;
    if (!std::ranges::equal(payload.subspan(kCookie, kMagic.size()), kMagic)) return std::nullopt;
    const auto options = read_options(payload.subspan(kOptions));
    if (!options || !options->type) return std::nullopt;
    DhcpMessage message;
    std::array<uint8_t, CNET_MAC_LEN> mac{};
    std::ranges::copy(payload.subspan(kClientMac, mac.size()), mac.begin());
    message.client = MacAddress(mac);
    message.type = static_cast<DhcpMessage::Type>(*options->type);
    return complete(message, *options, payload);
}

std::optional<DhcpSeen> parse_dhcp_seen(std::span<const uint8_t> record) {
    cnet_dhcp_seen raw;
    if (record.size() != sizeof(raw)) return std::nullopt;
    std::memcpy(&raw, record.data(), sizeof(raw));
    if (raw.len > sizeof(raw.payload)) return std::nullopt;
    auto message = parse_dhcp({raw.payload, raw.len});
    if (!message) return std::nullopt;
    // A client can give up its address, and servers alone can give or refuse one.
    if ((message->type == DhcpMessage::Type::kRelease) != (raw.from_client != 0))
        return std::nullopt;
    return DhcpSeen{raw.network_id, raw.ifindex, raw.from_client != 0, *message};
}

} // namespace cnet::control
