// A bridge that somebody else made, here network 3: whatever we do not redirect has to be the
// bridge's, whole.
//
//   ab1 (a container's veth)   ab2 (another's)   ab3 (left to the bridge)
//                    br1, the bridge's own device
#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

constexpr uint32_t kNetwork = 3;
constexpr char kMacOne[] = "02:00:00:00:03:01", kMacTwo[] = "02:00:00:00:03:02",
               kMacThree[] = "02:00:00:00:03:03", kMacBridge[] = "02:00:00:00:03:ff";

class Adopted : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        if (IsSkipped()) return;
        shell("ip link add br1 type bridge && ip link set br1 up");
        for (const char* device : {"ab1", "ab2", "ab3"}) {
            shell(std::string("ip link add ") + device + " type veth peer name " + device + "p");
            shell(std::string("ip link set ") + device + " up");
        }
        cnet_network network{};
        network.ageing_s = 300;
        network.mac_limit = 3;
        ASSERT_TRUE(maps().network.update(kNetwork, network));
        ASSERT_TRUE(maps().fdb_count.update(kNetwork, 0));
        add_port("ab1", CNET_PORT_LEARNING | CNET_PORT_PEER, kMacOne);
        add_port("ab2", CNET_PORT_LEARNING | CNET_PORT_PEER, kMacTwo);
        add_port("ab3", CNET_PORT_LEARNING | CNET_PORT_BRIDGED, kMacThree);
        add_port("br1", CNET_PORT_HOST | CNET_PORT_BRIDGED, kMacBridge);
        const cnet_fdb_entry stated{0, ifindex("br1"), CNET_PORT_HOST | CNET_PORT_BRIDGED,
                                    CNET_FDB_STATIC, 0};
        ASSERT_TRUE(maps().fdb.update(key(kMacBridge), stated));
    }

    void add_port(const char* device, uint32_t flags, const char* far_mac) {
        cnet_port port{};
        port.network_id = kNetwork;
        port.flags = flags;
        port.host_ifindex = ifindex("br1");
        const Bytes mac = mac_bytes(far_mac);
        std::copy(mac.begin(), mac.end(), port.mac);
        ASSERT_TRUE(maps().port.update(ifindex(device), port));
    }

    cnet_fdb_key key(const char* text) const {
        cnet_fdb_key key{};
        key.network_id = kNetwork;
        const Bytes mac = mac_bytes(text);
        std::copy(mac.begin(), mac.end(), key.mac);
        return key;
    }

    std::optional<cnet_fdb_entry> learned(const char* mac) {
        auto entry = maps().fdb.lookup(key(mac));
        return entry ? *entry : std::nullopt;
    }

    Outcome port(const char* device, const Packet& packet) {
        return run("cnet_bridgeport", device, packet);
    }
    // The bridge's own, untouched.
    void expect_bridged(const char* device, const Packet& packet) {
        expect(port(device, packet), Verdict::kNext, CNET_HOOK_BRIDGE_PORT, CNET_R_TO_BRIDGE,
               packet);
    }
    void expect_switched(const char* device, const Packet& packet) {
        expect(port(device, packet), Verdict::kRedirect, CNET_HOOK_BRIDGE_PORT, CNET_R_SWITCHED,
               packet);
    }
};

Packet frame(const char* src, const char* dst, size_t size = 100) {
    return Ethernet{.src = src, .dst = dst} / Ipv4{.src = "10.3.0.2", .dst = "10.3.0.3"} /
           Udp{.src_port = 4000, .dst_port = 53} / Raw{Bytes(size - 28, 'x')};
}

class AdoptedNat : public Adopted {
protected:
    void SetUp() override {
        Adopted::SetUp();
        if (IsSkipped()) return;
        shell("ip addr add 10.3.0.1/24 dev br1 && sysctl -qw net.ipv4.conf.br1.forwarding=1");
        add_host_addr("10.3.0.1", "br1");
        for (const char* device : {"ab1", "ab2", "br1"}) {
            cnet_port port = **maps().port.lookup(ifindex(device));
            port.flags |= CNET_PORT_MASQUERADE;
            port.gateway4_be = IpAddress::parse("10.3.0.1")->to_abi().words_be[3];
            const Bytes mac = mac_bytes(kMacBridge);
            std::copy(mac.begin(), mac.end(), port.gateway_mac);
            ASSERT_TRUE(maps().port.update(ifindex(device), port));
        }
        cnet_network network = **maps().network.lookup(kNetwork);
        network.flags = CNET_NETWORK_OPEN;
        network.mtu = 1500;
        ASSERT_TRUE(maps().network.update(kNetwork, network));
    }
};

Packet tcp_to(const char* dst, uint8_t tcp_flags, uint16_t port = 80) {
    return Ethernet{.src = kMacOne, .dst = kMacBridge} / Ipv4{.src = "10.3.0.2", .dst = dst} /
           Tcp{.src_port = 40000, .dst_port = port, .flags = tcp_flags} / Raw{"to the world"};
}

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

class AdoptedPorts : public AdoptedNat {
protected:
    void SetUp() override {
        AdoptedNat::SetUp();
        if (IsSkipped()) return;
        for (const char* device : {"ab1", "ab2", "br1"}) {
            cnet_port port = **maps().port.lookup(ifindex(device));
            port.flags |= CNET_PORT_PUBLISHED;
            ASSERT_TRUE(maps().port.update(ifindex(device), port));
        }
        cnet_network network = **maps().network.lookup(kNetwork);
        network.flags |= CNET_NETWORK_ADOPTED;
        network.host_ifindex = ifindex("br1");
        ASSERT_TRUE(maps().network.update(kNetwork, network));
        shell(std::string("ip link set br1 address ") + kMacBridge +
              " && ip neigh add 10.3.0.2 lladdr " + kMacOne + " dev br1");
        publish(9, CNET_L4_TCP, 8080, "10.3.0.2", 80, kNetwork);
    }
};

Packet tcp(const char* src_mac, const char* dst_mac, const char* src, uint16_t src_port,
           const char* dst, uint16_t dst_port, uint8_t flags) {
    return Ethernet{.src = src_mac, .dst = dst_mac} / Ipv4{.src = src, .dst = dst} /
           Tcp{.src_port = src_port, .dst_port = dst_port, .flags = flags} / Raw{"a port's data"};
}

TEST_F(AdoptedPorts, FromTheWorldStraightToThePort) {
    const auto dialled = tcp(kMacRouter, kMacUp, kWorld, 5000, kHostAddr, 8080, kSyn);
    auto in = tcp(kMacBridge, kMacOne, kWorld, 5000, "10.3.0.2", 80, kSyn);
    in.get<Ipv4>().ttl--;
    // Nobody knows its port yet: by the bridge's device, with the header that is there.
    EXPECT_EQ(uplink(dialled).verdict, Verdict::kRedirect);
    port("ab1", frame(kMacOne, kMacBroadcast));
    expect(uplink(dialled), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT, in);
    check_flows();
    auto out = port("ab1", tcp(kMacOne, kMacBridge, "10.3.0.2", 80, kWorld, 5000, kSyn | kAck));
    EXPECT_EQ(out.verdict, Verdict::kRedirect);
    EXPECT_EQ(out.counted, (std::vector<HookReason>{{CNET_HOOK_BRIDGE_PORT, CNET_R_DNAT_REPLY}}));
}

TEST_F(AdoptedPorts, SiblingsAreAnsweredAsTheyDialled) {
    port("ab1", frame(kMacOne, kMacBroadcast));
    auto dialled = port("ab2", tcp(kMacTwo, kMacBridge, "10.3.0.3", 5000, kHostAddr, 8080, kSyn));
    EXPECT_EQ(dialled.counted, (std::vector<HookReason>{{CNET_HOOK_BRIDGE_PORT, CNET_R_HAIRPIN}}));
    check_flows();
    // To the sibling's own MAC, past the gateway, and with --icc off too.
    for (const char* device : {"ab1", "ab2"}) {
        cnet_port limited = **maps().port.lookup(ifindex(device));
        limited.flags |= CNET_PORT_ICC_OFF;
        ASSERT_TRUE(maps().port.update(ifindex(device), limited));
    }
    const uint16_t client_port = dialled.packet.at(34) << 8 | dialled.packet.at(35);
    auto answer =
        port("ab1", tcp(kMacOne, kMacTwo, "10.3.0.2", 80, "10.3.0.3", client_port, kSyn | kAck));
    EXPECT_EQ(answer.verdict, Verdict::kRedirect);
    EXPECT_EQ(answer.counted, (std::vector<HookReason>{{CNET_HOOK_BRIDGE_PORT, CNET_R_HAIRPIN}}));
    expect_drop(port("ab1", tcp(kMacOne, kMacTwo, "10.3.0.2", 81, "10.3.0.3", client_port, kSyn)),
                CNET_HOOK_BRIDGE_PORT, CNET_R_ICC_OFF);
}

TEST_F(AdoptedPorts, WhoeverMasqueradesItsPortsAreOurs) {
    set_port_flags("ab1", CNET_PORT_LEARNING | CNET_PORT_PEER | CNET_PORT_PUBLISHED);
    expect_bridged("ab1", tcp_to(kWorld, kSyn));
    EXPECT_EQ(port("ab1", tcp_to(kHostAddr, kSyn, 8080)).counted.at(0).second, CNET_R_HAIRPIN);
}

class AdoptedLimits : public AdoptedNat {
protected:
    void limit(uint32_t flags) {
        for (const char* device : {"ab1", "ab2", "ab3", "br1"}) {
            cnet_port port = **maps().port.lookup(ifindex(device));
            port.flags |= flags;
            ASSERT_TRUE(maps().port.update(ifindex(device), port));
        }
    }
    void expect_forbidden(const char* device, const Packet& packet, cnet_reason reason) {
        expect_drop(port(device, packet), CNET_HOOK_BRIDGE_PORT, reason);
    }
    void expect_host_alone(const char* device, const Packet& packet) {
        expect(port(device, packet), Verdict::kRedirect, CNET_HOOK_BRIDGE_PORT, CNET_R_TO_HOST,
               packet);
    }
};

TEST_F(AdoptedLimits, IccOffLetsNothingGoFromPortToPort) {
    port("ab2", frame(kMacTwo, kMacBroadcast));
    limit(CNET_PORT_ICC_OFF);
    const char* left = "ab3";
    expect_forbidden("ab1", frame(kMacOne, kMacTwo), CNET_R_ICC_OFF);
    expect_forbidden("ab1", frame(kMacOne, kMacStranger), CNET_R_ICC_OFF); // nobody knows it
    expect_forbidden(left, frame(kMacThree, kMacTwo), CNET_R_ICC_OFF);
    // Whatever would be left to the bridge: its own MAC as a source, a fragment, a tag.
    expect_forbidden("ab1", frame(kMacBridge, kMacTwo), CNET_R_ICC_OFF);
    auto piece = frame(kMacOne, kMacTwo);
    piece.get<Ipv4>().fragment = 0x2000;
    expect_forbidden("ab1", piece, CNET_R_ICC_OFF);
    for (const char* mac : {kMacTwo, kMacBroadcast})
        expect_forbidden("ab1",
                         Ethernet{.src = kMacOne, .dst = mac, .type = 0x8100} /
                             Raw{"\1\5\x08\1 tagged, and of some length"},
                         CNET_R_ICC_OFF);
    // An address of a sibling behind a group's MAC is the host's alone to see.
    expect_host_alone("ab1", frame(kMacOne, kMacBroadcast));
    expect_host_alone(left, frame(kMacThree, "01:00:5e:00:00:fb"));
    expect_bridged("ab1", frame(kMacOne, kMacBridge));
    expect_bridged("ab1", frame(kMacOne, "01:80:c2:00:00:00"));
    const Packet asked = Ethernet{.src = kMacOne, .dst = kMacBroadcast, .type = 0x0806} /
                         Raw{"an ARP request or nearly so"};
    expect_bridged("ab1", asked);
}

TEST_F(AdoptedLimits, InternalReachesTheHostAlone) {
    port("ab2", frame(kMacTwo, kMacBroadcast));
    limit(CNET_PORT_INTERNAL);
    expect_switched("ab1", frame(kMacOne, kMacTwo));
    expect_bridged("ab1", tcp_to("10.3.0.1", kSyn));
    expect_bridged("ab1", tcp_to(kHostAddr, kSyn));
    expect_bridged("ab1", frame(kMacOne, kMacBroadcast));
    expect_forbidden("ab1", tcp_to(kWorld, kSyn), CNET_R_INTERNAL);
    expect_forbidden("ab1", tcp_to(kEp1, kSyn), CNET_R_INTERNAL);
    auto left = tcp_to(kWorld, kAck);
    left.get<Ethernet>().src = kMacThree;
    expect_forbidden("ab3", left, CNET_R_INTERNAL);
    auto piece = tcp_to(kWorld, kSyn);
    piece.get<Ipv4>().fragment = 0x2000;
    expect_forbidden("ab1", piece, CNET_R_INTERNAL);
    expect_forbidden("ab1",
                     Ethernet{.src = kMacOne, .dst = kMacBridge, .type = 0x8100} /
                         Raw{"\1\5\x08\1 tagged, and of some length"},
                     CNET_R_INTERNAL);
    expect_bridged("ab1", Ethernet{.src = kMacOne, .dst = kMacBridge} /
                              Ipv6{.src = "fe80::2", .dst = "fe80::1"} /
                              Udp{.src_port = 546, .dst_port = 547} / Raw{"on the link"});
    expect_forbidden("ab1",
                     Ethernet{.src = kMacOne, .dst = kMacBridge} /
                         Ipv6{.src = "fd00:3::2", .dst = kWorld6} /
                         Udp{.src_port = 4000, .dst_port = 53} / Raw{"to the world"},
                     CNET_R_INTERNAL);
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
