// A network across hosts: whole packets on the way out and in, and everything that is refused.
#include "maps/watch.h"
#include "tests/bpf/overlay.h"

namespace cnet::test {
namespace {

TEST_F(Overlay, AFrameForAPeerIsPutIntoVxlan) {
    const auto frame = to_remote();
    auto outcome = endpoint("ep1", frame);
    expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_SENT,
           sent(outcome, frame, outer4(), 34));
}

TEST_F(Overlay, OverIpv6Too) {
    const auto frame = to_remote(kMacRemote6);
    auto outcome = endpoint("ep1", frame);
    auto outer = Ethernet{.src = kMacEp1, .dst = kMacRemote6, .type = 0x0800} /
                 Ipv6{.src = kHostAddr6, .dst = kPeer6, .next_header = 17};
    expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_SENT,
           sent(outcome, frame, outer, 54));
}

// A port's entry of an earlier version has none.
TEST_F(Overlay, TheVniIsThePortsOrElseItsNetworks) {
    const auto expect_sent = [&] {
        const auto frame = to_remote();
        auto outcome = endpoint("ep1", frame);
        expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_SENT,
               sent(outcome, frame, outer4(), 34));
    };
    set_port_vni("ep1", 0);
    expect_sent();
    auto network = **maps().network.lookup(1);
    network.vni = 0;
    ASSERT_TRUE(maps().network.update(1, network));
    expect_drop(endpoint("ep1", to_remote()), CNET_HOOK_ENDPOINT, CNET_R_PEER_UNREACHABLE);
    set_port_vni("ep1", kVni);
    expect_sent();
}

TEST_F(Overlay, OneFlowHasOneSourcePort) {
    auto port_of = [&](const Packet& frame) {
        auto packet = endpoint("ep1", frame).packet;
        return be16_at(packet, 34);
    };
    EXPECT_EQ(port_of(to_remote()), port_of(to_remote(kMacRemote, 0, 100)));
}

// RFC 6040 section 4.1: the mark goes along, the DSCP does not.
TEST_F(Overlay, TheOuterHeaderTakesOverTheCongestionMark) {
    for (uint8_t tos : {uint8_t{0xb8}, uint8_t{0xba}, uint8_t{0x01}, uint8_t{0x03}}) {
        const auto frame = to_remote(kMacRemote, tos);
        auto outcome = endpoint("ep1", frame);
        expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_SENT,
               sent(outcome, frame, outer4(tos & 3), 34));
    }
}

TEST_F(Overlay, WhatIsNotIpGoesByTheDevice) {
    const auto arp = Ethernet{.src = kMacEp1, .dst = kMacRemote} / Arp{.operation = 2,
                                                                       .sender_mac = kMacEp1,
                                                                       .sender_ip = kEp1,
                                                                       .target_mac = kMacRemote,
                                                                       .target_ip = kRemote};
    expect(endpoint("ep1", arp), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_DEVICE, arp);
}

TEST_F(Overlay, TooBigToTheByte) {
    shell("ip link set up0 mtu 1400");
    // 14 + 20 + 8 bytes of headers, 50 of VXLAN.
    const auto fits = to_remote(kMacRemote, 0, 1400 - 50 - 28);
    auto outcome = endpoint("ep1", fits);
    expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_SENT,
           sent(outcome, fits, outer4(), 34));
    auto refused = endpoint("ep1", to_remote(kMacRemote, 0, 1400 - 50 - 27));
    EXPECT_EQ(refused.verdict, Verdict::kRedirect);
    EXPECT_EQ(refused.counted[0], (HookReason{CNET_HOOK_ENDPOINT, CNET_R_ICMP_ERROR_SENT}));
    // From whom it was sent to, as the kernel's tunnels do it: type 3, code 4, MTU 1350.
    const Bytes& packet = refused.packet;
    EXPECT_EQ(Bytes(packet.begin() + 26, packet.begin() + 30), ip_bytes(kRemote));
    EXPECT_EQ(packet[34], 3);
    EXPECT_EQ(packet[35], 4);
    EXPECT_EQ(be16_at(packet, 40), 1350);
}

TEST_F(Overlay, WithoutDontFragmentTheDeviceFragments) {
    shell("ip link set up0 mtu 1400");
    auto frame = to_remote(kMacRemote, 0, 1400);
    frame.get<Ipv4>().fragment = 0;
    expect(endpoint("ep1", frame), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_DEVICE,
           frame);
}

TEST_F(Overlay, APeerThatCannotBeReached) {
    state_mac(kMacRemote, 9);
    expect_drop(endpoint("ep1", to_remote()), CNET_HOOK_ENDPOINT, CNET_R_PEER_UNREACHABLE);
}

TEST_F(Overlay, FloodGoesToEachPeer) {
    const auto frame = to_remote(kMacBroadcast);
    ASSERT_TRUE(maps().flood_peer.update(cnet_flood_key{1, 1}, 9)); // one that is gone: skipped
    auto network = **maps().network.lookup(1);
    network.flood_ports = 0;
    ASSERT_TRUE(maps().network.update(1, network));
    expect_drop(endpoint("ep1", frame), CNET_HOOK_ENDPOINT, CNET_R_FLOODED);
    ASSERT_TRUE(maps().flood_peer.update(cnet_flood_key{1, 0}, 9));
    expect_drop(endpoint("ep1", frame), CNET_HOOK_ENDPOINT, CNET_R_FLOOD_NOBODY);
}

TEST_F(Overlay, TheHostDoesNotSpeakToPeers) {
    auto frame = Ethernet{.src = kMacGw1, .dst = kMacRemote} / Ipv4{.src = kGw1, .dst = kRemote} /
                 Udp{.src_port = 4000, .dst_port = 53} / Raw{"hello"};
    expect_drop(hostport(frame), CNET_HOOK_HOSTPORT, CNET_R_GATEWAY_LOCAL);
}

TEST_F(Overlay, AFrameFromAPeerIsTakenOut) {
    expect(uplink(from_peer(to_ep1())), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_VXLAN_RECEIVED,
           to_ep1());
    // What adjust_room leaves of a packet over IPv6 must be as long as an IPv6 header.
    auto small = to_ep1(kMacEp1, kMacRemote6);
    expect(uplink(from_peer6(small)), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_VXLAN_LEFT,
           from_peer6(small));
    auto packet = to_ep1(kMacEp1, kMacRemote6, 0, "an answer that is longer");
    expect(uplink(from_peer6(packet)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_VXLAN_RECEIVED,
           packet);
}

TEST_F(Overlay, WhatAPeerIsSentAndSendsIsToldToWhoCounts) {
    cnet_watcher wanted{};
    wanted.kinds = CNET_EVENT_PEER;
    auto watch = maps::Watch::begin(pins(), wanted);
    ASSERT_TRUE(watch);
    endpoint("ep1", to_remote());
    uplink(from_peer(to_ep1()));
    uplink(from_peer(to_ep1(kMacGw1)));               // dropped
    uplink(from_peer6(to_ep1(kMacEp1, kMacRemote6))); // left to the device, which comes to it again
    endpoint("ep1", to_remote(kMacBroadcast));
    endpoint("ep1", to_remote(kMacEp2)); // stays here
    std::vector<cnet_event> told;
    ASSERT_TRUE((*watch)->poll([&](const cnet_event& event, std::span<const uint8_t>) {
        told.push_back(event);
        return true;
    }));
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0].peer_id, 7u);
    EXPECT_EQ(told[0].reason, CNET_R_VXLAN_SENT);
    EXPECT_EQ(told[0].len, to_remote().bytes().size());
    EXPECT_EQ(told[1].peer_id, 7u);
    EXPECT_EQ(told[1].reason, CNET_R_VXLAN_RECEIVED);
    EXPECT_EQ(told[1].frame_bytes, to_ep1().bytes().size());
}

TEST_F(Overlay, CongestionOnTheWayIsTold) {
    auto marked = [&](uint8_t outer, uint8_t inner) {
        auto packet = from_peer(to_ep1(kMacEp1, kMacRemote, inner));
        packet.get<Ipv4>().tos = outer;
        return uplink(packet);
    };
    auto taken = [&](uint8_t outer, uint8_t inner, uint8_t becomes) {
        expect(marked(outer, inner), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_VXLAN_RECEIVED,
               to_ep1(kMacEp1, kMacRemote, becomes));
    };
    taken(0x03, 0xba, 0xbb); // CE on ECT(0), with a DSCP
    taken(0x03, 0x01, 0x03);
    taken(0x01, 0x02, 0x01); // ECT(1) on ECT(0)
    taken(0x02, 0x01, 0x01);
    taken(0x02, 0x00, 0x00);
    taken(0xb8, 0x00, 0x00); // the outer DSCP is the underlay's
    expect_drop(marked(0x03, 0xb8), CNET_HOOK_UPLINK, CNET_R_VXLAN_ECN);
}

TEST_F(Overlay, AGroupsFrameIsFlooded) {
    expect(uplink(from_peer(to_ep1(kMacBroadcast))), Verdict::kDrop, CNET_HOOK_UPLINK,
           CNET_R_FLOODED, to_ep1(kMacBroadcast));
}

TEST_F(Overlay, APeersFloodsAreLimited) {
    auto network = **maps().network.lookup(1);
    network.flood_interval_ns = 1'000'000'000;
    ASSERT_TRUE(maps().network.update(1, network));
    ASSERT_TRUE(maps().flood_rate.update(cnet_flood_rate_key{1, 0, 7}, ~0ull >> 1));
    ASSERT_TRUE(maps().flood_rate.update(cnet_flood_rate_key{1, 0, 8}, 0));
    expect_drop(uplink(from_peer(to_ep1(kMacBroadcast))), CNET_HOOK_UPLINK, CNET_R_FLOOD_LIMIT);
    const std::string text(200, 'x'); // smaller ones are the kept device's
    const auto aside = to_ep1(kMacBroadcast, kMacRemote6, 0, text.c_str());
    EXPECT_EQ(uplink(from_peer6(aside)).counted[0].second, CNET_R_FLOODED) << "another peer's own";
}

TEST_F(Overlay, PeersMacsAreLearnedWhereNobodyStatesThem) {
    constexpr char kNew[] = "02:00:00:00:07:99";
    uplink(from_peer(to_ep1(kMacEp1, kNew)));
    auto learned = maps().fdb.lookup(fdb_key(kNew));
    ASSERT_TRUE(learned && *learned);
    EXPECT_EQ((*learned)->peer_id, 7u);
    uplink(from_peer6(to_ep1(kMacEp1, kNew)));
    EXPECT_EQ((*maps().fdb.lookup(fdb_key(kNew)))->peer_id, 8u) << "it has moved";
    EXPECT_EQ((*maps().fdb_count.lookup(1)).value(), 1u);
    expect_drop(uplink(from_peer6(to_ep1(kMacEp1, kMacRemote))), CNET_HOOK_UPLINK,
                CNET_R_SPOOFED_MAC); // stated to be behind the other
    for (const char* own : {kMacEp2, kMacGw1})
        expect_drop(uplink(from_peer(to_ep1(kMacEp1, own))), CNET_HOOK_UPLINK, CNET_R_SPOOFED_MAC);
    set_vni(CNET_PORT_REMOTE);
    uplink(from_peer(to_ep1(kMacEp1, "02:00:00:00:07:aa")));
    EXPECT_FALSE(*maps().fdb.lookup(fdb_key("02:00:00:00:07:aa"))) << "learning is off";
}

TEST_F(Overlay, TheFdbHasItsLimits) {
    auto outcome = uplink(from_peer(to_ep1(kMacEp1, "02:00:00:00:07:01")));
    outcome = uplink(from_peer(to_ep1(kMacEp1, "02:00:00:00:07:03")));
    EXPECT_EQ(outcome.counted.size(), 1u);
    outcome = uplink(from_peer(to_ep1(kMacEp1, "02:00:00:00:07:04")));
    EXPECT_TRUE(std::count(outcome.counted.begin(), outcome.counted.end(),
                           HookReason(CNET_HOOK_UPLINK, CNET_R_MAC_LIMIT)));
}

TEST_F(Overlay, StrangersAreDropped) {
    auto stranger = from_peer(to_ep1());
    stranger.get<Ipv4>().src = "198.51.100.9";
    expect_drop(uplink(stranger), CNET_HOOK_UPLINK, CNET_R_VXLAN_STRANGER);
    // A peer, but to another address than the one for it.
    auto aside = from_peer(to_ep1());
    aside.get<Ipv4>().dst = kWorld;
    expect(uplink(aside), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_OURS, aside);
    // Nothing of the kernel's tunnel on it.
    expect_drop(run("cnet_vxlan", "vx0", to_ep1()), CNET_HOOK_VXLAN, CNET_R_VXLAN_STRANGER);
}

TEST_F(Overlay, OtherPortsAreTheHostsOwn) {
    auto other = from_peer(to_ep1());
    other.get<Udp>().dst_port = 8472;
    expect(uplink(other), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_OURS, other);
}

TEST_F(Overlay, BadHeadersAreDropped) {
    expect_drop(uplink(from_peer(to_ep1(), kVni, 0x00)), CNET_HOOK_UPLINK, CNET_R_VXLAN_BAD);
    expect_drop(uplink(from_peer(to_ep1(), kVni, 0x88)), CNET_HOOK_UPLINK, CNET_R_VXLAN_BAD);
    expect_drop(uplink(from_peer(to_ep1(), 301)), CNET_HOOK_UPLINK, CNET_R_VXLAN_VNI);
    auto cut = Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kPeer, .dst = kHostAddr} /
               Udp{.src_port = 50000, .dst_port = 4789, .checksum = false} /
               Raw(Bytes{8, 0, 0, 0, 0, 1, 44, 0, 2});
    expect_drop(uplink(cut), CNET_HOOK_UPLINK, CNET_R_VXLAN_BAD);
}

TEST_F(Overlay, WhatIsNotPlainIsLeftToTheDevice) {
    auto summed = from_peer(to_ep1());
    summed.get<Udp>().checksum = true;
    expect(uplink(summed), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_VXLAN_LEFT, summed);
    // To its other half, past the host's packet filter.
    ASSERT_TRUE(maps().vtep.update(abi(kPeer), cnet_vtep{7, ifindex("ep2"), abi(kHostAddr)}));
    expect(uplink(summed), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_VXLAN_LEFT, summed);
}

TEST_F(Overlay, FramesThatAPeerMayNotSend) {
    expect_drop(uplink(from_peer(to_ep1(kMacRemote6))), CNET_HOOK_UPLINK, CNET_R_VXLAN_RELAY);
    expect_drop(uplink(from_peer(to_ep1(kMacGw1))), CNET_HOOK_UPLINK, CNET_R_GATEWAY_LOCAL);
    expect_drop(uplink(from_peer(to_ep1(kMacEp1, "01:00:00:00:00:01"))), CNET_HOOK_UPLINK,
                CNET_R_MULTICAST_SOURCE);
    expect_drop(uplink(from_peer(to_ep1("01:80:c2:00:00:00"))), CNET_HOOK_UPLINK,
                CNET_R_LINK_LOCAL_MCAST);
    set_vni(CNET_PORT_REMOTE | CNET_PORT_ICC_OFF);
    expect_drop(uplink(from_peer(to_ep1())), CNET_HOOK_UPLINK, CNET_R_ICC_OFF);
    expect_drop(uplink(from_peer(to_ep1(kMacBroadcast))), CNET_HOOK_UPLINK, CNET_R_FLOOD_NOBODY);
}

// Masqueraded, it would arrive over there from this host's VTEP.
TEST_F(Overlay, AnEndpointCannotForgeVxlan) {
    auto forged = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kPeer} /
                  Udp{.src_port = 50000, .dst_port = 4789} / Raw(in_vxlan(to_ep1()));
    expect_drop(endpoint("ep1", forged), CNET_HOOK_ENDPOINT, CNET_R_VXLAN_FORGED);
    publish(40, CNET_L4_UDP, 5353, kEp1, 53);
    auto bait = Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kPeer, .dst = kHostAddr} /
                Udp{.src_port = 4789, .dst_port = 5353} / Raw{"reply to me"};
    expect_drop(uplink(bait), CNET_HOOK_UPLINK, CNET_R_VXLAN_FORGED);
}

} // namespace
} // namespace cnet::test
