// Past a bridge that somebody else made, and masquerading for it.
#include "tests/bpf/adopted.h"

namespace cnet::test {
namespace {

TEST_F(AdoptedNat, NewFlowsAreTranslated) {
    auto outcome = port("ab1", tcp_to(kWorld, kSyn));
    EXPECT_EQ(outcome.verdict, Verdict::kRedirect);
    EXPECT_EQ(outcome.counted, (std::vector<HookReason>{{CNET_HOOK_BRIDGE_PORT, CNET_R_SNAT}}));
    EXPECT_EQ(port("ab1", tcp_to(kWorld, kAck)).counted.at(0).second, CNET_R_SNAT);
    check_flows();
    auto reply = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                 Ipv4{.src = kWorld, .dst = kHostAddr} /
                 Tcp{.src_port = 80, .dst_port = 40000, .flags = kSyn | kAck} / Raw{"answer"};
    auto in = reply;
    in.get<Ipv4>().dst = "10.3.0.2";
    in.get<Ipv4>().ttl--;
    expect(uplink(reply), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY, in);
}

TEST_F(AdoptedNat, WhatRunsAlreadyIsTheKernels) {
    for (uint8_t flags : {kAck, kFin, kRst, uint8_t(kSyn | kAck)})
        expect_bridged("ab1", tcp_to(kWorld, flags));
    EXPECT_EQ(flows(), 0u);
}

TEST_F(AdoptedNat, WhatTheKernelHasStaysItsOwn) {
    const auto datagram = Ethernet{.src = kMacOne, .dst = kMacBridge} /
                          Ipv4{.src = "10.3.0.2", .dst = kWorld} /
                          Udp{.src_port = 4000, .dst_port = 53} / Raw{"still there?"};
    const auto key = key4(kNetwork, IPPROTO_UDP, "10.3.0.2", 4000, kWorld, 53);
    cnet_ct_entry entry{};
    entry.last_seen_ns = 1;
    entry.kind = CNET_CT_FORWARD;
    entry.type = CNET_CT_KERNEL;
    entry.network_id = kNetwork;
    entry.other = key4(kNetwork, IPPROTO_UDP, kWorld, 53, "10.3.0.2", 4000);
    ASSERT_TRUE(maps().ct.update(key, entry));
    expect_bridged("ab1", datagram);
    EXPECT_GT((*maps().ct.lookup(key))->last_seen_ns, 1u) << "for as long as it is in use";
    EXPECT_EQ(*maps().ct.count(), 1u);
    ASSERT_TRUE(maps().ct.erase(key));
    EXPECT_EQ(port("ab1", datagram).counted.at(0).second, CNET_R_SNAT);
}

TEST_F(AdoptedNat, WhatIsNotForBeyondIsTheBridges) {
    expect_bridged("ab1", tcp_to("10.3.0.1", kSyn));
    expect_bridged("ab1", tcp_to(kHostAddr, kSyn));
    expect_bridged("ab1", tcp_to("10.3.0.77", kSyn)); // a sibling, by way of the gateway
    expect_bridged("ab1", tcp_to("224.0.0.5", kSyn));
    auto piece = tcp_to(kWorld, kSyn);
    piece.get<Ipv4>().fragment = 0x2000;
    expect_bridged("ab1", piece);
    auto old = tcp_to(kWorld, kSyn);
    old.get<Ipv4>().ttl = 1;
    expect_bridged("ab1", old);
    expect_bridged("ab1", Ethernet{.src = kMacOne, .dst = kMacBridge, .type = 0x88b5} /
                              Raw{"neither IPv4 nor IPv6, and for the host"});
    auto left = tcp_to(kWorld, kSyn);
    left.get<Ethernet>().src = kMacThree;
    expect_bridged("ab3", left);
}

TEST_F(AdoptedNat, OtherNetworksAreReachedByPublishedPortsAlone) {
    expect_drop(port("ab1", tcp_to(kEp1, kSyn)), CNET_HOOK_BRIDGE_PORT, CNET_R_OTHER_NETWORK);
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    auto outcome = port("ab1", tcp_to(kHostAddr, kSyn, 8080));
    EXPECT_EQ(outcome.verdict, Verdict::kRedirect);
    EXPECT_EQ(outcome.counted.at(0).second, CNET_R_HAIRPIN);
}

TEST_F(Adopted, KnownUnicastGoesPastTheBridge) {
    expect_bridged("ab1", frame(kMacOne, kMacTwo)); // nobody knows it yet
    expect_switched("ab2", frame(kMacTwo, kMacOne));
    expect_switched("ab1", frame(kMacOne, kMacTwo));
    EXPECT_EQ(learned(kMacOne)->ifindex, ifindex("ab1"));
    EXPECT_EQ(learned(kMacOne)->port_flags, uint32_t{CNET_PORT_LEARNING | CNET_PORT_PEER});
}

TEST_F(Adopted, OnlyTheFarEndsOwnMacIsHandedOverAsItsOwn) {
    expect_bridged("ab2", frame(kMacStranger, kMacOne));
    EXPECT_EQ(learned(kMacStranger)->port_flags, uint32_t{CNET_PORT_LEARNING});
    expect_switched("ab1", frame(kMacOne, kMacStranger));
}

TEST_F(Adopted, WhatTheBridgeAloneDoesIsLeftToIt) {
    port("ab1", frame(kMacOne, kMacBroadcast));
    port("ab2", frame(kMacTwo, kMacBroadcast));
    for (const char* group : {kMacBroadcast, "01:00:5e:00:00:01", "01:80:c2:00:00:00"})
        expect_bridged("ab1", frame(kMacOne, group));
    expect_bridged("ab1", frame(kMacOne, kMacBridge));
    expect_bridged("ab1", frame(kMacOne, kMacOne)); // hairpin, if the bridge does that
    expect_bridged("ab1", Ethernet{.src = kMacOne, .dst = kMacTwo, .type = 0x8100} /
                              Raw{"\1\5\x08\1 tagged, and of some length"});
    expect_bridged("ab1", frame("01:00:00:00:00:01", kMacTwo));
    expect_bridged("ab1", frame("00:00:00:00:00:00", kMacTwo));
    expect_bridged("ab1", frame(kMacBridge, kMacTwo));
    EXPECT_EQ(learned(kMacBridge)->ifindex, ifindex("br1")) << "nobody takes the bridge's MAC";
}

TEST_F(Adopted, APortLeftToTheBridgeIsLearnedAndNotServed) {
    port("ab1", frame(kMacOne, kMacBroadcast));
    expect_bridged("ab3", frame(kMacThree, kMacOne));
    expect_bridged("ab1", frame(kMacOne, kMacThree));
    // A MAC that moves there is the bridge's from now on, and back.
    port("ab2", frame(kMacTwo, kMacBroadcast));
    expect_switched("ab1", frame(kMacOne, kMacTwo));
    port("ab3", frame(kMacTwo, kMacBroadcast));
    expect_bridged("ab1", frame(kMacOne, kMacTwo));
    port("ab2", frame(kMacTwo, kMacBroadcast));
    expect_switched("ab1", frame(kMacOne, kMacTwo));
}

TEST_F(Adopted, ChangedFlagsReachWhatWasLearned) {
    port("ab2", frame(kMacTwo, kMacBroadcast));
    expect_switched("ab1", frame(kMacOne, kMacTwo));
    set_port_flags("ab2", CNET_PORT_LEARNING | CNET_PORT_BRIDGED);
    port("ab2", frame(kMacTwo, kMacBroadcast));
    expect_bridged("ab1", frame(kMacOne, kMacTwo));
}

TEST_F(Adopted, WhatThePortCannotTakeIsTheBridgesToDrop) {
    port("ab2", frame(kMacTwo, kMacBroadcast));
    shell("ip link set ab2 mtu 1000");
    expect_switched("ab1", frame(kMacOne, kMacTwo, 1004)); // a VLAN tag's length, as on a bridge
    expect_bridged("ab1", frame(kMacOne, kMacTwo, 1005));
}

TEST_F(Adopted, WhatIsNotLearnedTheBridgeHasToSee) {
    port("ab2", frame(kMacTwo, kMacBroadcast));
    for (const char* mac : {kMacStranger, "02:00:00:00:03:10"})
        expect_switched("ab1", frame(mac, kMacTwo));
    auto packet = frame(kMacOne, kMacTwo);
    auto outcome = port("ab1", packet);
    EXPECT_EQ(outcome.verdict, Verdict::kNext);
    EXPECT_EQ(outcome.counted,
              (std::vector<HookReason>{{CNET_HOOK_BRIDGE_PORT, CNET_R_MAC_LIMIT},
                                       {CNET_HOOK_BRIDGE_PORT, CNET_R_TO_BRIDGE}}));
}

TEST_F(Adopted, AFullTableToo) {
    cnet_network network = **maps().network.lookup(kNetwork);
    network.mac_limit = 0;
    ASSERT_TRUE(maps().network.update(kNetwork, network));
    bool met = false;
    for (int i = 0; i < 32 && !met; i++) {
        const std::string mac =
            "02:00:00:00:04:" + std::string(i < 16 ? "0" : "1") + "0123456789abcdef"[i % 16];
        auto outcome = port("ab1", frame(mac.c_str(), kMacTwo));
        EXPECT_EQ(outcome.verdict, Verdict::kNext);
        met = outcome.counted.front().second == CNET_R_FDB_FULL;
    }
    EXPECT_TRUE(met);
}

TEST_F(Adopted, TheHostsFramesDoNotFlood) {
    auto out = frame(kMacBridge, kMacOne);
    expect(run("cnet_bridge", "br1", out), Verdict::kNext, CNET_HOOK_BRIDGE, CNET_R_TO_BRIDGE, out);
    port("ab1", frame(kMacOne, kMacBroadcast));
    expect(run("cnet_bridge", "br1", out), Verdict::kRedirect, CNET_HOOK_BRIDGE, CNET_R_SWITCHED,
           out);
    EXPECT_EQ(learned(kMacBridge)->flags, uint32_t{CNET_FDB_STATIC});
}

TEST_F(Adopted, ADeviceWithoutAnEntryIsTheBridges) {
    port("ab2", frame(kMacTwo, kMacBroadcast));
    ASSERT_TRUE(maps().port.erase(ifindex("ab1")));
    expect_bridged("ab1", frame(kMacOne, kMacTwo));
    ASSERT_TRUE(maps().port.erase(ifindex("br1")));
    auto out = frame(kMacBridge, kMacTwo);
    expect(run("cnet_bridge", "br1", out), Verdict::kNext, CNET_HOOK_BRIDGE, CNET_R_TO_BRIDGE, out);
}

} // namespace
} // namespace cnet::test
