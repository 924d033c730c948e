// Endpoint-independent NAT (RFC 4787 REQ-1, REQ-8, REQ-9): one port outside for everybody, who may
// come in by it, and what of the host's it must leave alone.
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

constexpr char kOther[] = "203.0.113.77";
constexpr uint32_t kFlags = CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE;

class Mapping : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        for (const char* device : {"ep1", "ep2", "ep3"})
            set_port_flags(device, kFlags | CNET_PORT_NAT_INDEPENDENT);
    }

    // The port that a packet of ep1 leaves with.
    uint16_t mapped(const Packet& packet, const char* device = "ep1") {
        auto outcome = endpoint(device, packet);
        EXPECT_EQ(outcome.counted[0].second, CNET_R_SNAT);
        return be16_at(outcome.packet, 34);
    }

    size_t mappings() {
        size_t count = 0;
        EXPECT_TRUE(maps().ct.for_each([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
            count += key.mapping && entry.kind == CNET_CT_FORWARD;
        }));
        return count;
    }
};

Packet out_udp(const char* dst, uint16_t dst_port = 3478, uint16_t src_port = 40000) {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = dst} /
           Udp{.src_port = src_port, .dst_port = dst_port} / Raw{"bind"};
}

Packet ep2_udp(const char* dst, uint16_t dst_port, uint16_t src_port = 40000) {
    return Ethernet{.src = kMacEp2, .dst = kMacGw1} / Ipv4{.src = kEp2, .dst = dst} /
           Udp{.src_port = src_port, .dst_port = dst_port} / Raw{"bind"};
}

Packet in_udp(const char* src, uint16_t src_port, uint16_t dst_port) {
    return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = src, .dst = kHostAddr} /
           Udp{.src_port = src_port, .dst_port = dst_port} / Raw{"knock"};
}

Packet at_ep1(const char* src, uint16_t src_port, uint16_t dst_port) {
    return Ethernet{.src = kMacGw1, .dst = kMacEp1} / Ipv4{.src = src, .dst = kEp1, .ttl = 63} /
           Udp{.src_port = src_port, .dst_port = dst_port} / Raw{"knock"};
}

TEST_F(Mapping, OnePortForEveryRemote) {
    ASSERT_EQ(mapped(ep2_udp(kWorld, 1), "ep2"), 40000);
    const uint16_t port = mapped(out_udp(kWorld));
    EXPECT_NE(port, 40000) << "that one is ep2's, also towards others";
    EXPECT_EQ(mapped(out_udp(kWorld, 3479)), port);
    EXPECT_EQ(mapped(out_udp(kOther)), port);
    EXPECT_NE(mapped(out_udp(kWorld, 3478, 40001)), port) << "another port of ep1";
    EXPECT_EQ(mappings(), 3u);
    check_flows();
}

TEST_F(Mapping, AnybodyMayComeInByIt) {
    mapped(out_udp(kWorld));
    expect(uplink(in_udp(kOther, 9, 40000)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT,
           at_ep1(kOther, 9, 40000));
    Packet answer = out_udp(kOther, 9);
    Packet leaves = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                    Ipv4{.src = kHostAddr, .dst = kOther, .ttl = 63} /
                    Udp{.src_port = 40000, .dst_port = 9} / Raw{"bind"};
    expect(endpoint("ep1", answer), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_DNAT_REPLY,
           leaves);
    EXPECT_EQ(uplink(in_udp(kOther, 9, 40001)).counted[0].second, CNET_R_NOT_OURS);
    check_flows();
}

TEST_F(Mapping, TcpComesInBothWaysAtOnce) {
    Packet syn = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                 Tcp{.src_port = 40000, .dst_port = 443};
    mapped(syn);
    Packet theirs = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                    Ipv4{.src = kOther, .dst = kHostAddr} / Tcp{.src_port = 7, .dst_port = 40000};
    EXPECT_EQ(uplink(theirs).counted[0].second, CNET_R_DNAT);
    Packet ours = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kOther} /
                  Tcp{.src_port = 40000, .dst_port = 7};
    Packet leaves = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                    Ipv4{.src = kHostAddr, .dst = kOther, .ttl = 63} /
                    Tcp{.src_port = 40000, .dst_port = 7};
    expect(endpoint("ep1", ours), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_DNAT_REPLY,
           leaves);
    Packet reset = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                   Ipv4{.src = "203.0.113.5", .dst = kHostAddr} /
                   Tcp{.src_port = 7, .dst_port = 40000, .flags = kRst};
    expect(uplink(reset), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NO_FLOW_HOST, reset);
}

TEST_F(Mapping, EchoIdentifiersAreMappedAndNobodyElsesLetIn) {
    auto echo = [](const char* dst) {
        return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = dst} /
               Icmp{.type = 8, .id = 0, .seq = 1} / Raw{"ping"};
    };
    EXPECT_EQ(endpoint("ep1", echo(kWorld)).counted[0].second, CNET_R_SNAT);
    EXPECT_EQ(endpoint("ep1", echo(kOther)).counted[0].second, CNET_R_SNAT);
    EXPECT_EQ(mappings(), 1u);
    Packet request = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                     Ipv4{.src = kOther, .dst = kHostAddr} / Icmp{.type = 8, .id = 5, .seq = 1};
    expect(uplink(request), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NO_FLOW_HOST, request);
}

TEST_F(Mapping, Ipv6) {
    Packet out = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv6{.src = kEp1v6, .dst = kWorld6} /
                 Udp{.src_port = 40000, .dst_port = 3478} / Raw{"bind"};
    EXPECT_EQ(endpoint("ep1", out).counted[0].second, CNET_R_SNAT);
    Packet in = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                Ipv6{.src = "2001:db8:9::77", .dst = kHostAddr6} /
                Udp{.src_port = 9, .dst_port = 40000} / Raw{"knock"};
    Packet arrives = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                     Ipv6{.src = "2001:db8:9::77", .dst = kEp1v6, .hop_limit = 63} /
                     Udp{.src_port = 9, .dst_port = 40000} / Raw{"knock"};
    expect(uplink(in), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT, arrives);
    check_flows();
}

TEST_F(Mapping, APortOfTheHostIsNeverCaptured) {
    ASSERT_EQ(mapped(out_udp(kWorld)), 40000);
    int bound = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in any{
        .sin_family = AF_INET, .sin_port = htons(40000), .sin_addr = {}, .sin_zero = {}};
    ASSERT_EQ(bind(bound, reinterpret_cast<sockaddr*>(&any), sizeof(any)), 0);
    auto knock = in_udp(kOther, 9, 40000);
    expect(uplink(knock), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NO_FLOW_HOST, knock);
    EXPECT_NE(mapped(out_udp(kOther)), 40000) << "its answers would be the host's";
    EXPECT_EQ(mapped(out_udp(kWorld)), 40000) << "a flow that runs keeps its port";
    close(bound);
    EXPECT_NE(mapped(out_udp("203.0.113.1")), 0);
}

TEST_F(Mapping, APublishedPortGoesFirst) {
    ASSERT_EQ(mapped(out_udp(kWorld)), 40000);
    publish(7, CNET_L4_UDP, 40000, kEp2, 53);
    Packet arrives = Ethernet{.src = kMacGw1, .dst = kMacEp2} /
                     Ipv4{.src = kOther, .dst = kEp2, .ttl = 63} /
                     Udp{.src_port = 9, .dst_port = 53} / Raw{"knock"};
    expect(uplink(in_udp(kOther, 9, 40000)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT,
           arrives);
}

TEST_F(Mapping, OthersDoNotTakeItsPort) {
    ASSERT_EQ(mapped(out_udp(kWorld)), 40000);
    set_port_flags("ep2", kFlags);
    EXPECT_NE(mapped(ep2_udp(kOther, 1), "ep2"), 40000) << "not even towards another remote";
    set_port_flags("ep2", kFlags | CNET_PORT_NAT_INDEPENDENT);
    set_port_flags("ep1", kFlags);
    ASSERT_EQ(mapped(out_udp(kWorld, 1, 40001)), 40001);
    EXPECT_NE(mapped(ep2_udp(kOther, 1, 40001), "ep2"), 40001)
        << "a mapping takes no port that a flow uses";
    check_flows();
}

TEST_F(Mapping, HairpinShowsBothAsTheWorldWould) {
    ASSERT_EQ(mapped(out_udp(kWorld)), 40000);
    ASSERT_EQ(mapped(ep2_udp(kWorld, 3478, 50000), "ep2"), 50000);
    auto check = [&](uint16_t from_port) {
        Packet dial = ep2_udp(kHostAddr, 40000, from_port);
        Packet arrives = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                         Ipv4{.src = kHostAddr, .dst = kEp1, .ttl = 63} /
                         Udp{.src_port = from_port, .dst_port = 40000} / Raw{"bind"};
        expect(endpoint("ep2", dial), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_HAIRPIN,
               arrives);
        Packet answer = out_udp(kHostAddr, from_port);
        Packet back = Ethernet{.src = kMacGw1, .dst = kMacEp2} /
                      Ipv4{.src = kHostAddr, .dst = kEp2, .ttl = 63} /
                      Udp{.src_port = 40000, .dst_port = from_port} / Raw{"bind"};
        expect(endpoint("ep1", answer), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_HAIRPIN,
               back);
    };
    check(50000);
    check(50001); // whose mapping begins with it
    EXPECT_EQ(mappings(), 3u);
    check_flows();
}

TEST_F(Mapping, HairpinHeedsIsolation) {
    ASSERT_EQ(mapped(out_udp(kWorld)), 40000);
    set_port_flags("ep2", kFlags | CNET_PORT_NAT_INDEPENDENT | CNET_PORT_ICC_OFF);
    expect_drop(endpoint("ep2", ep2_udp(kHostAddr, 40000, 50000)), CNET_HOOK_ENDPOINT,
                CNET_R_ICC_OFF);
    set_port_flags("ep2", kFlags);
    EXPECT_EQ(endpoint("ep2", ep2_udp(kHostAddr, 40000, 50000)).counted[0].second, CNET_R_TO_HOST)
        << "a network that does not map so has no such address to show";
    Packet other = Ethernet{.src = kMacEp3, .dst = kMacGw2} / Ipv4{.src = kEp3, .dst = kHostAddr} /
                   Udp{.src_port = 6, .dst_port = 40000};
    EXPECT_EQ(endpoint("ep3", other).counted[0].second, CNET_R_HAIRPIN)
        << "another network comes in as the world does";
    expect_drop(endpoint("ep1", out_udp(kHostAddr, 40000)), CNET_HOOK_ENDPOINT, CNET_R_NO_FLOW);
}

TEST_F(Mapping, TheCollectorTakesBothHalvesAndFreesThePort) {
    mapped(out_udp(kWorld));
    std::vector<cnet_gc_ct> candidates;
    ASSERT_TRUE(maps().ct.for_each([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
        if (key.mapping && entry.kind == CNET_CT_FORWARD) candidates.push_back({key, 0, 0});
    }));
    EXPECT_EQ(*data_path().collect(candidates), 1u);
    check_flows();
    EXPECT_EQ(maps().slot.nat_refs(CNET_SLOT_INDEX(CNET_L4_UDP, 40000)), 1u) << "the flow's";
    EXPECT_EQ(uplink(in_udp(kOther, 9, 40000)).counted[0].second, CNET_R_NO_FLOW_HOST);
}

TEST_F(Mapping, AFullTableRefuses) {
    int refused = 0;
    for (uint16_t port = 30000; port < 30100; port++) { // the map holds 64 entries
        auto outcome = endpoint("ep1", out_udp(kWorld, 1, port));
        refused += outcome.counted[0] == HookReason{CNET_HOOK_ENDPOINT, CNET_R_CT_FULL};
    }
    EXPECT_GT(refused, 0);
    EXPECT_EQ(endpoint("ep1", out_udp(kWorld, 1, 30000)).counted[0].second, CNET_R_SNAT);
    for (uint16_t port = 1; port <= 511; port++)
        maps().slot.set_binding(CNET_SLOT_INDEX(CNET_L4_UDP, port), 9);
    expect_drop(endpoint("ep1", out_udp(kWorld, 1, 500)), CNET_HOOK_ENDPOINT,
                CNET_R_PORTS_EXHAUSTED);
    check_flows();
}

} // namespace
} // namespace cnet::test
