// Published ports of addresses behind an adopted bridge, and options that forbid.
#include "tests/bpf/adopted.h"

namespace cnet::test {
namespace {

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
    const uint16_t client_port = be16_at(dialled.packet, 34);
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

} // namespace
} // namespace cnet::test
