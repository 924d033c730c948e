// Published ports: from the world, and from endpoints of the host itself.
#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

using Published = HostTest;

Packet from_world(uint16_t dst_port, uint16_t src_port = 50000, uint8_t flags = kSyn) {
    return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kWorld, .dst = kHostAddr} /
           Tcp{.src_port = src_port, .dst_port = dst_port, .flags = flags} / Raw{"GET /"};
}

Packet at_ep1(uint16_t port, uint16_t src_port = 50000) {
    return Ethernet{.src = kMacGw1, .dst = kMacEp1} / Ipv4{.src = kWorld, .dst = kEp1, .ttl = 63} /
           Tcp{.src_port = src_port, .dst_port = port} / Raw{"GET /"};
}

Packet answer_of_ep1(uint8_t flags = kSyn | kAck) {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
           Tcp{.src_port = 80, .dst_port = 50000, .flags = flags};
}

TEST_F(Published, ConnectionComesInAndTheAnswerGoesOut) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    expect(uplink(from_world(8080)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT, at_ep1(80));
    Packet out = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                 Ipv4{.src = kHostAddr, .dst = kWorld, .ttl = 63} /
                 Tcp{.src_port = 8080, .dst_port = 50000, .flags = kSyn | kAck};
    expect(endpoint("ep1", answer_of_ep1()), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_DNAT_REPLY, out);
    uplink(from_world(8080, 50000, kAck));
    auto entry =
        *maps().ct.lookup(key4(CNET_ZONE_WORLD, IPPROTO_TCP, kWorld, 50000, kHostAddr, 8080));
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->binding_id, 7u);
    EXPECT_EQ(entry->state, CNET_CT_ESTABLISHED);
}

// A SYN whose source is forged is answered, and nobody can acknowledge the answer.
TEST_F(Published, HalfOpenUntilTheClientGoesOn) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    auto entry = [&] {
        auto key = key4(CNET_ZONE_WORLD, IPPROTO_TCP, kWorld, 50000, kHostAddr, 8080);
        return maps().ct.lookup(key)->value();
    };
    for (int times = 0; times < 3; times++) {
        uplink(from_world(8080));
        endpoint("ep1", answer_of_ep1());
        EXPECT_EQ(entry().state, CNET_CT_NEW);
        EXPECT_EQ(entry().flags, CNET_CT_SPOKE_REPLY);
        // What it says to a SYN with another sequence number.
        endpoint("ep1", answer_of_ep1(kAck));
        EXPECT_EQ(entry().state, CNET_CT_NEW);
    }
    uplink(from_world(8080, 50000, kAck));
    EXPECT_EQ(entry().state, CNET_CT_ESTABLISHED);
    EXPECT_EQ(entry().flags, 0);
    EXPECT_EQ(flows(), 1u);
}

TEST_F(Published, RangeKeepsItsDistance) {
    publish(7, CNET_L4_TCP, 9000, kEp1, 100, 1, 50);
    expect(uplink(from_world(9049)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT,
           at_ep1(149));
    EXPECT_EQ(uplink(from_world(9050)).counted[0].second, CNET_R_NOT_OURS);
}

TEST_F(Published, BoundToOneAddress) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    uint32_t slot = CNET_SLOT_INDEX(CNET_L4_TCP, 8080);
    maps().slot.set_binding(slot, CNET_BINDING_BY_ADDR);
    EXPECT_EQ(uplink(from_world(8080)).counted[0].second, CNET_R_NO_FLOW_HOST);
    cnet_bind_key key{};
    key.addr = IpAddress::parse(kHostAddr)->to_abi();
    key.slot = slot;
    ASSERT_TRUE(maps().bind_addr.update(key, 7));
    expect(uplink(from_world(8080)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT, at_ep1(80));
    ASSERT_TRUE(maps().bind_addr.erase(key));
    key.addr = IpAddress::parse("0.0.0.0")->to_abi();
    ASSERT_TRUE(maps().bind_addr.update(key, 7));
    EXPECT_EQ(uplink(from_world(8080, 50001)).counted[0].second, CNET_R_DNAT);
}

TEST_F(Published, OnLoopbackIsNotForTheWireNorForEndpoints) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    auto binding = **maps().binding.lookup(7);
    binding.flags = CNET_BINDING_LOOPBACK;
    ASSERT_TRUE(maps().binding.update(7, binding));
    EXPECT_EQ(uplink(from_world(8080)).counted[0].second, CNET_R_NO_FLOW_HOST);
    Packet sibling = Ethernet{.src = kMacEp2, .dst = kMacGw1} /
                     Ipv4{.src = kEp2, .dst = kHostAddr} / Tcp{.src_port = 1, .dst_port = 8080};
    EXPECT_EQ(endpoint("ep2", sibling).counted[0].second, CNET_R_TO_HOST);
}

TEST_F(Published, PacketsTheHostForwardsAreNotCaptured) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    auto through = from_world(8080);
    through.get<Ipv4>().dst = "192.0.2.77";
    expect(uplink(through), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NO_FLOW_HOST, through);
}

TEST_F(Published, ResetOfNoFlowIsDropped) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    expect_drop(uplink(from_world(8080, 50000, kRst)), CNET_HOOK_UPLINK, CNET_R_NO_FLOW);
}

TEST_F(Published, EndpointOfTheFlowIsGone) {
    publish(7, CNET_L4_TCP, 8080, "10.1.0.200", 80);
    expect_drop(uplink(from_world(8080)), CNET_HOOK_UPLINK, CNET_R_NO_NEIGH);
}

TEST_F(Published, TwoPortsOfOneServiceForOneClientPort) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    publish(8, CNET_L4_TCP, 8081, kEp1, 80);
    uplink(from_world(8080));
    auto second = uplink(from_world(8081));
    EXPECT_EQ(second.counted[0].second, CNET_R_DNAT);
    EXPECT_NE(be16_at(second.packet, 34), 50000) << "the tuple at the endpoint is taken";
    EXPECT_EQ(flows(), 2u);
}

TEST_F(Published, SiblingKeepsItsAddress) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_PUBLISHED);
    Packet dial = Ethernet{.src = kMacEp2, .dst = kMacGw1} / Ipv4{.src = kEp2, .dst = kHostAddr} /
                  Tcp{.src_port = 50000, .dst_port = 8080};
    auto outcome = endpoint("ep2", dial);
    auto port = be16_at(outcome.packet, 34);
    EXPECT_GE(port, 61000);
    Packet arrives = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                     Ipv4{.src = kEp2, .dst = kEp1, .ttl = 63} /
                     Tcp{.src_port = port, .dst_port = 80};
    expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_HAIRPIN, arrives);
    // The answer is addressed to the sibling itself.
    Packet answer = Ethernet{.src = kMacEp1, .dst = kMacEp2} / Ipv4{.src = kEp1, .dst = kEp2} /
                    Tcp{.src_port = 80, .dst_port = port, .flags = kSyn | kAck};
    Packet back = Ethernet{.src = kMacGw1, .dst = kMacEp2} /
                  Ipv4{.src = kHostAddr, .dst = kEp2, .ttl = 63} /
                  Tcp{.src_port = 8080, .dst_port = 50000, .flags = kSyn | kAck};
    expect(endpoint("ep1", answer), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_HAIRPIN, back);
    // What else the two say to each other is switched.
    Packet direct = Ethernet{.src = kMacEp1, .dst = kMacEp2} / Ipv4{.src = kEp1, .dst = kEp2} /
                    Tcp{.src_port = 80, .dst_port = 1234};
    expect(endpoint("ep1", direct), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED,
           direct);
    Packet later = Ethernet{.src = kMacEp1, .dst = kMacEp2} /
                   Ipv4{.src = kEp1, .dst = kEp2, .fragment = 100, .protocol = 17} / Raw{"later"};
    expect(endpoint("ep1", later), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, later);
    EXPECT_EQ(maps().slot.nat_refs(CNET_SLOT_INDEX(CNET_L4_TCP, 80)), 1u);
}

TEST_F(Published, ClosedPortOfASiblingAnswersWithAnErrorFromWhereItWasDialled) {
    publish(7, CNET_L4_UDP, 5353, kEp1, 53);
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_PUBLISHED);
    Packet dial = Ethernet{.src = kMacEp2, .dst = kMacGw1} / Ipv4{.src = kEp2, .dst = kHostAddr} /
                  Udp{.src_port = 50000, .dst_port = 5353} / Raw{"question"};
    auto arrived = endpoint("ep2", dial).packet;
    Packet error = Ethernet{.src = kMacEp1, .dst = kMacEp2} / Ipv4{.src = kEp1, .dst = kEp2} /
                   Icmp{.type = 3, .code = 3} / Raw{Bytes(arrived.begin() + 14, arrived.end())};
    dial.get<Ipv4>().ttl--;
    auto dialled = dial.bytes();
    Packet back = Ethernet{.src = kMacGw1, .dst = kMacEp2} /
                  Ipv4{.src = kHostAddr, .dst = kEp2, .ttl = 63} / Icmp{.type = 3, .code = 3} /
                  Raw{Bytes(dialled.begin() + 14, dialled.end())};
    expect(endpoint("ep1", error), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ICMP_ERROR_NAT,
           back);
}

TEST_F(Published, LargerThanTheNetworksMtu) {
    publish(7, CNET_L4_UDP, 53, kEp1, 53);
    Packet big = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                 Ipv4{.src = kWorld, .dst = kHostAddr} / Udp{.src_port = 5000, .dst_port = 53} /
                 Raw{Bytes(1480, 'b')};
    auto quoted = big.bytes();
    Packet error = Ethernet{.src = kMacUp, .dst = kMacRouter} /
                   Ipv4{.src = kHostAddr, .dst = kWorld, .tos = 0xc0, .id = 0, .fragment = 0} /
                   Icmp{.type = 3, .code = 4, .seq = 1500} /
                   Raw{Bytes(quoted.begin() + 14, quoted.begin() + 14 + 68)};
    expect(uplink(big), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_ICMP_ERROR_SENT, error);
    big.get<Ipv4>().fragment = 0;
    EXPECT_EQ(uplink(big).counted[0].second, CNET_R_DNAT) << "without DF it is delivered whole";
}

TEST_F(Published, ItselfIsShownTheGateway) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    Packet dial = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kHostAddr} /
                  Tcp{.src_port = 50000, .dst_port = 8080};
    auto outcome = endpoint("ep1", dial);
    auto port = be16_at(outcome.packet, 34);
    Packet arrives = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                     Ipv4{.src = kGw1, .dst = kEp1, .ttl = 63} /
                     Tcp{.src_port = port, .dst_port = 80};
    expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_HAIRPIN, arrives);
    Packet answer = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kGw1} /
                    Tcp{.src_port = 80, .dst_port = port, .flags = kSyn | kAck};
    Packet back = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                  Ipv4{.src = kHostAddr, .dst = kEp1, .ttl = 63} /
                  Tcp{.src_port = 8080, .dst_port = 50000, .flags = kSyn | kAck};
    expect(endpoint("ep1", answer), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_HAIRPIN, back);
}

TEST_F(Published, AnotherNetworkKeepsItsAddress) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    Packet dial = Ethernet{.src = kMacEp3, .dst = kMacGw2} / Ipv4{.src = kEp3, .dst = kHostAddr} /
                  Tcp{.src_port = 50000, .dst_port = 8080};
    Packet arrives = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                     Ipv4{.src = kEp3, .dst = kEp1, .ttl = 63} /
                     Tcp{.src_port = 50000, .dst_port = 80};
    expect(endpoint("ep3", dial), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_HAIRPIN, arrives);
}

TEST_F(Published, AFrameForASiblingIsNotTakenForAFlowThroughTheGateway) {
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE |
                              CNET_PORT_PUBLISHED);
    Packet out = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                 Udp{.src_port = 8080, .dst_port = 53};
    EXPECT_EQ(endpoint("ep1", out).counted[0].second, CNET_R_SNAT);
    out.get<Ethernet>().dst = kMacEp2;
    expect(endpoint("ep1", out), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, out);
}

} // namespace
} // namespace cnet::test
