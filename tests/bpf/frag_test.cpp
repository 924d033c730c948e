// IP fragments: translated with the flow of their first, in any order, and never one over another.
#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

using Fragments = HostTest;

constexpr uint16_t kMore = 0x2000;

// Bytes `begin` to `begin + size` of a UDP datagram's payload, its first eight being the header.
Packet piece4(uint16_t begin, uint16_t size, bool more, uint16_t id = 7) {
    auto offset = static_cast<uint16_t>(begin / 8 | (more ? kMore : 0));
    Packet ip = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                Ipv4{.src = kEp1, .dst = kWorld, .id = id, .fragment = offset, .protocol = 17};
    if (begin) return ip / Raw{Bytes(size, 'f')};
    return ip / Udp{.src_port = 40000, .dst_port = 53} / Raw{Bytes(size - 8u, 'f')};
}

Packet piece6(uint16_t begin, uint16_t size, bool more, const char* from = kEp1v6,
              const char* to = kWorld6) {
    auto offset = static_cast<uint16_t>(begin | (more ? 1 : 0));
    Bytes body{static_cast<uint8_t>(offset >> 8), static_cast<uint8_t>(offset), 0, 0, 0, 9};
    Packet ip = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv6{.src = from, .dst = to} /
                Extension{.type = 44, .body = body, .next_header = 17};
    if (begin) return ip / Raw{Bytes(size, 'f')};
    return ip / Udp{.src_port = 40000, .dst_port = 53} / Raw{Bytes(size - 8u, 'f')};
}

Packet translated(Packet packet) {
    packet.get<Ipv4>().src = kHostAddr;
    packet.get<Ipv4>().ttl--;
    return packet;
}

Packet translated6(Packet packet) {
    packet.get<Ipv6>().src = kHostAddr6;
    packet.get<Ipv6>().hop_limit--;
    return packet;
}

TEST_F(Fragments, LaterOnesFollowTheFirst) {
    for (auto [begin, more] : {std::pair{0, true}, {800, true}, {1600, false}}) {
        auto piece = piece4(static_cast<uint16_t>(begin), 800, more);
        expect(endpoint("ep1", piece), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
               translated(piece));
    }
    EXPECT_EQ(*maps().frag.count(), 0u) << "a complete datagram leaves nothing";
    EXPECT_EQ(flows(), 1u);
    // So the identification is free at once.
    EXPECT_EQ(endpoint("ep1", piece4(0, 800, true)).counted[0].second, CNET_R_SNAT);
}

TEST_F(Fragments, Ip6LaterOnesFollowTheFirst) {
    for (auto [begin, more] : {std::pair{0, true}, {800, true}, {1600, false}}) {
        auto piece = piece6(static_cast<uint16_t>(begin), 800, more);
        expect(endpoint("ep1", piece), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
               translated6(piece));
    }
    EXPECT_EQ(*maps().frag.count(), 0u);
}

TEST_F(Fragments, WhatOvertakesTheFirstIsHeld) {
    expect_drop(endpoint("ep1", piece4(1600, 100, false)), CNET_HOOK_ENDPOINT,
                CNET_R_FRAGMENT_HELD);
    expect_drop(endpoint("ep1", piece4(800, 800, true)), CNET_HOOK_ENDPOINT, CNET_R_FRAGMENT_HELD);
    EXPECT_EQ(*maps().frag_held.count(), 2u);
    expect(endpoint("ep1", piece4(0, 800, true)), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_SNAT, translated(piece4(0, 800, true)));
    EXPECT_EQ(*maps().frag_held.count(), 0u);
    // A test run cannot follow what was sent on; it comes back through the hook like this.
    expect(endpoint("ep1", piece4(800, 800, true)), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_SNAT, translated(piece4(800, 800, true)));
}

TEST_F(Fragments, OverlapsAreDropped) {
    endpoint("ep1", piece4(0, 800, true));
    EXPECT_EQ(endpoint("ep1", piece4(800, 800, true)).counted[0].second, CNET_R_SNAT);
    expect_drop(endpoint("ep1", piece4(800, 800, true)), CNET_HOOK_ENDPOINT,
                CNET_R_FRAGMENT_OVERLAP);
    expect_drop(endpoint("ep1", piece4(1592, 16, true)), CNET_HOOK_ENDPOINT,
                CNET_R_FRAGMENT_OVERLAP);
    EXPECT_EQ(endpoint("ep1", piece4(1608, 16, true)).counted[0].second, CNET_R_SNAT);
    expect_drop(endpoint("ep1", piece4(0, 800, true)), CNET_HOOK_ENDPOINT, CNET_R_FRAGMENT_OVERLAP);
}

TEST_F(Fragments, TinyAndImpossibleOnesAreDropped) {
    auto tcp = piece4(8, 800, false);
    tcp.get<Ipv4>().protocol = 6; // would cover the TCP header's flags
    expect_drop(endpoint("ep1", tcp), CNET_HOOK_ENDPOINT, CNET_R_FRAGMENT_BAD);
    expect_drop(endpoint("ep1", piece4(800, 801, true)), CNET_HOOK_ENDPOINT, CNET_R_FRAGMENT_BAD);
    expect_drop(endpoint("ep1", piece4(65528, 100, false)), CNET_HOOK_ENDPOINT,
                CNET_R_FRAGMENT_BAD);
    EXPECT_EQ(*maps().frag.count(), 0u);
}

TEST_F(Fragments, FullTablesRefuse) {
    for (uint16_t id = 0; id < 4; id++)
        EXPECT_EQ(endpoint("ep1", piece4(800, 8, true, id)).counted[0].second,
                  CNET_R_FRAGMENT_HELD);
    expect_drop(endpoint("ep1", piece4(808, 8, true, 0)), CNET_HOOK_ENDPOINT, CNET_R_FRAGMENT_FULL);
    for (uint16_t id = 4; id < 8; id++)
        EXPECT_EQ(endpoint("ep1", piece4(0, 800, true, id)).counted[0].second, CNET_R_SNAT);
    expect_drop(endpoint("ep1", piece4(0, 800, true, 8)), CNET_HOOK_ENDPOINT, CNET_R_FRAGMENT_FULL);
}

TEST_F(Fragments, ToAPublishedPortFromTheWire) {
    publish(7, CNET_L4_UDP, 53, kEp1, 5353);
    auto wire = [](uint16_t begin, bool more) {
        auto packet = piece4(begin, 800, more);
        packet.get<Ethernet>() = {.src = kMacRouter, .dst = kMacUp, .type = {}};
        packet.get<Ipv4>().src = kWorld;
        packet.get<Ipv4>().dst = kHostAddr;
        return packet;
    };
    auto arrives = [](Packet packet) {
        packet.get<Ethernet>() = {.src = kMacGw1, .dst = kMacEp1, .type = {}};
        packet.get<Ipv4>().dst = kEp1;
        packet.get<Ipv4>().ttl--;
        return packet;
    };
    expect_drop(uplink(wire(800, false)), CNET_HOOK_UPLINK, CNET_R_FRAGMENT_HELD);
    auto first = arrives(wire(0, true));
    first.get<Udp>().dst_port = 5353;
    expect(uplink(wire(0, true)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT, first);
    expect(uplink(wire(800, false)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT,
           arrives(wire(800, false)));
}

TEST_F(Fragments, TheHostsOwnGoToTheHost) {
    auto wire = [](uint16_t begin, bool more, uint8_t protocol) {
        auto packet = piece4(begin, 800, more);
        packet.get<Ethernet>() = {.src = kMacRouter, .dst = kMacUp, .type = {}};
        packet.get<Ipv4>() = {.src = kWorld,
                              .dst = kHostAddr,
                              .id = 1,
                              .fragment = packet.get<Ipv4>().fragment,
                              .protocol = protocol};
        return packet;
    };
    expect(uplink(wire(0, true, 17)), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_OURS,
           wire(0, true, 17));
    expect(uplink(wire(800, false, 17)), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_OURS,
           wire(800, false, 17));
    // A protocol that NAT knows nothing of is never held back.
    expect(uplink(wire(800, false, 50)), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_UPLINK_FRAGMENT,
           wire(800, false, 50));
    uplink(wire(0, true, 17));
    expect_drop(uplink(wire(0, true, 17)), CNET_HOOK_UPLINK, CNET_R_FRAGMENT_OVERLAP);
}

TEST_F(Fragments, WithoutDfTheKernelSplits) {
    shell("ip link set up0 mtu 1000");
    Packet big = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                 Ipv4{.src = kEp1, .dst = kWorld, .fragment = 0} /
                 Udp{.src_port = 40000, .dst_port = 53} / Raw{Bytes(1200, 'b')};
    expect(endpoint("ep1", big), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SPLIT, big);
}

} // namespace
} // namespace cnet::test
