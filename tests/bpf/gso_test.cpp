// Packets of several segments (GSO), as TCP and UDP hand them down: translated and switched whole,
// and measured against the MTU by their segments.
#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

constexpr uint32_t kSegment = 1400; // payload of each
const Bytes kTwoSegments(2 * kSegment, 's');

struct Case {
    bool v6, tcp;
};

std::string name_of(const testing::TestParamInfo<Case>& info) {
    return std::string(info.param.tcp ? "Tcp" : "Udp") + (info.param.v6 ? "6" : "4");
}

class Gso : public HostTest, public testing::WithParamInterface<Case> {
protected:
    static const char* pick(const char* v4, const char* v6) { return GetParam().v6 ? v6 : v4; }

    // Addresses are given in both families.
    static Packet packet(const Ethernet& ethernet, const char* source, const char* destination,
                         uint8_t ttl, uint16_t src_port, uint16_t dst_port) {
        Packet made(ethernet);
        made = GetParam().v6 ? made / Ipv6{.src = source, .dst = destination, .hop_limit = ttl}
                             : made / Ipv4{.src = source, .dst = destination, .ttl = ttl};
        made = GetParam().tcp
                   ? made / Tcp{.src_port = src_port, .dst_port = dst_port, .flags = kAck}
                   : made / Udp{.src_port = src_port, .dst_port = dst_port};
        return made / Raw{kTwoSegments};
    }

    static Packet from_ep1(const char* mac, const char* to, uint8_t ttl = 64) {
        return packet({.src = kMacEp1, .dst = mac, .type = {}}, pick(kEp1, kEp1v6), to, ttl, 40000,
                      443);
    }
};

TEST_P(Gso, IsSwitched) {
    auto frame = from_ep1(kMacEp2, pick(kEp2, kEp2v6));
    expect(run("cnet_endpoint", "ep1", frame, kSegment), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_SWITCHED, frame);
}

TEST_P(Gso, IsMasqueradedAndComesBack) {
    const char* world = pick(kWorld, kWorld6);
    const char* host = pick(kHostAddr, kHostAddr6);
    auto leaves = packet({.src = kMacEp1, .dst = kMacGw1, .type = {}}, host, world, 63, 40000, 443);
    expect(run("cnet_endpoint", "ep1", from_ep1(kMacGw1, world), kSegment), Verdict::kRedirect,
           CNET_HOOK_ENDPOINT, CNET_R_SNAT, leaves);
    auto answer =
        packet({.src = kMacRouter, .dst = kMacUp, .type = {}}, world, host, 64, 443, 40000);
    auto arrives = packet({.src = kMacGw1, .dst = kMacEp1, .type = {}}, world, pick(kEp1, kEp1v6),
                          63, 443, 40000);
    expect(run("cnet_uplink", "up0", answer, kSegment), Verdict::kRedirect, CNET_HOOK_UPLINK,
           CNET_R_SNAT_REPLY, arrives);
}

TEST_P(Gso, ReachesAPublishedPort) {
    publish(7, GetParam().tcp ? CNET_L4_TCP : CNET_L4_UDP, 8080, kEp1, 80, 1, 1, kEp1v6);
    const char* world = pick(kWorld, kWorld6);
    auto dial = packet({.src = kMacRouter, .dst = kMacUp, .type = {}}, world,
                       pick(kHostAddr, kHostAddr6), 64, 50000, 8080);
    auto arrives = packet({.src = kMacGw1, .dst = kMacEp1, .type = {}}, world, pick(kEp1, kEp1v6),
                          63, 50000, 80);
    expect(run("cnet_uplink", "up0", dial, kSegment), Verdict::kRedirect, CNET_HOOK_UPLINK,
           CNET_R_DNAT, arrives);
}

// To the byte: a segment is its payload and the headers from the IP one on.
TEST_P(Gso, IsMeasuredByItsSegments) {
    const uint32_t headers = (GetParam().v6 ? 40u : 20u) + (GetParam().tcp ? 20u : 8u);
    auto out = from_ep1(kMacGw1, pick(kWorld, kWorld6));
    auto outcome = run("cnet_endpoint", "ep1", out, 1500 - headers);
    EXPECT_EQ(outcome.counted.at(0).second, CNET_R_SNAT);
    outcome = run("cnet_endpoint", "ep1", out, 1501 - headers);
    EXPECT_EQ(outcome.counted.at(0).second, CNET_R_ICMP_ERROR_SENT);
    EXPECT_LT(outcome.packet.size(), 1300u) << "an error quotes no more than fits";
}

INSTANTIATE_TEST_SUITE_P(Packets, Gso,
                         testing::Values(Case{false, true}, Case{false, false}, Case{true, true},
                                         Case{true, false}),
                         name_of);

} // namespace
} // namespace cnet::test
