// Packets that containers and servers made: DNS queries and answers, DHCP.
#include "tests/fuzz/input.h"
#include "userspace/control/dhcp.h"
#include "userspace/names/message.h"

namespace cnet {
namespace {

// An answer is never longer than allowed, and begins with the query's id.
void check_dns(std::span<const uint8_t> packet) {
    const auto query = names::parse_query(packet);
    if (!query) return;
    (void)names::parse_reverse(query->name);
    const size_t limit = query->udp_limit();
    names::Answer answer;
    answer.rcode = query->problem;
    for (uint32_t host = 1; host < 40; host++)
        answer.addresses.push_back(IpAddress::from_v4(host));
    for (const names::Bytes& made :
         {names::make_answer(*query, answer, limit), names::relay_answer(*query, packet, limit)}) {
        CNET_CHECK(made.size() <= limit);
        if (made.size() < 2) continue;
        CNET_CHECK(made[0] == packet[0] && made[1] == packet[1]);
    }
}

void check_dhcp(std::span<const uint8_t> payload) {
    using control::DhcpMessage;
    const auto message = control::parse_dhcp(payload);
    if (!message) return;
    CNET_CHECK(message->type != DhcpMessage::Type::kAck || message->address.is_v4());
}

} // namespace
} // namespace cnet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::span<const uint8_t> packet(data + 1, size - 1);
    if (data[0] % 3 == 0) cnet::check_dns(packet);
    if (data[0] % 3 == 1) cnet::check_dhcp(packet);
    if (data[0] % 3 == 2) (void)cnet::control::parse_dhcp_seen(packet);
    return 0;
}
