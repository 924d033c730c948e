// What a DHCP server or client says (RFC 2131, 2132), from the bytes of the wire. Strict: whatever
// is cut short, contradicts itself or is not about a plain Ethernet client is no message. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "userspace/base/ip.h"
#include "userspace/control/model.h"

namespace cnet::control {

struct DhcpMessage {
    enum class Type : uint8_t { kAck = 5, kNak = 6, kRelease = 7 };

    Type type = Type::kAck;
    MacAddress client;
    IpAddress address;    // of kAck: the one given; of kRelease: the one given up
    uint32_t lease_s = 0; // of kAck; kLeaseForever as it is
};

// One that the data path heard, and where.
struct DhcpSeen {
    NetworkId network_id = 0;
    uint32_t ifindex = 0;
    bool from_client = false;
    DhcpMessage message;
};

// `payload` is what follows the UDP header. None: not to be believed, or about no lease (another
// type; the answer to an inform, which gives no address).
std::optional<DhcpMessage> parse_dhcp(std::span<const uint8_t> payload);
// `record` is a struct cnet_dhcp_seen.
std::optional<DhcpSeen> parse_dhcp_seen(std::span<const uint8_t> record);

} // namespace cnet::control
