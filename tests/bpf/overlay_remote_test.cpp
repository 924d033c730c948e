// Endpoints of other hosts whose control plane has told of them.
#include "tests/bpf/overlay.h"

namespace cnet::test {
namespace {

// Peer 7's kRemote and kRemote6 at kMacRemote, as its control plane says.
class RemoteEndpoints : public Overlay {
protected:
    void SetUp() override {
        Overlay::SetUp();
        if (IsSkipped()) return;
        cnet_neigh_entry entry{0, CNET_PORT_REMOTE, 0, 7, 1450, {}, {}};
        const Bytes mac = mac_bytes(kMacRemote), gateway = mac_bytes(kMacGw1);
        std::copy(mac.begin(), mac.end(), entry.mac);
        std::copy(gateway.begin(), gateway.end(), entry.gateway_mac);
        for (const char* address : {kRemote, kRemote6})
            ASSERT_TRUE(maps().neigh.update(cnet_neigh_key{1, abi(address)}, entry));
    }

    static constexpr char kRemote6[] = "fd00:1::72";
    static constexpr char kGroupOfRemote6[] = "ff02::1:ff00:72";

    static Packet ask(const char* mac, const char* ip) {
        return Ethernet{.src = mac, .dst = kMacBroadcast} /
               Arp{.sender_mac = mac, .sender_ip = ip, .target_ip = kRemote};
    }
    static Packet solicit(const char* mac, const char* ip) {
        Bytes body = ip_bytes(kRemote6);
        for (const Bytes& more : {Bytes{1, 1}, mac_bytes(mac)})
            body.insert(body.end(), more.begin(), more.end());
        return Ethernet{.src = mac, .dst = "33:33:ff:00:00:72"} /
               Ipv6{.src = ip, .dst = kGroupOfRemote6, .hop_limit = 255} / Icmp6{.type = 135} /
               Raw{body};
    }
};

TEST_F(RemoteEndpoints, AreAnsweredForInPlace) {
    expect(endpoint("ep1", ask(kMacEp1, kEp1)), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_ARP_REPLY,
           Ethernet{.src = kMacRemote, .dst = kMacEp1} / Arp{.operation = 2,
                                                             .sender_mac = kMacRemote,
                                                             .sender_ip = kRemote,
                                                             .target_mac = kMacEp1,
                                                             .target_ip = kEp1});
    auto advert = endpoint("ep1", solicit(kMacEp1, kEp1v6));
    EXPECT_EQ(advert.counted[0], (HookReason{CNET_HOOK_ENDPOINT, CNET_R_ND_REPLY}));
    EXPECT_EQ(Bytes(advert.packet.end() - 6, advert.packet.end()), mac_bytes(kMacRemote));
}

TEST_F(RemoteEndpoints, WhoNobodyStatedAsksThemThroughTheirPeer) {
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_LEARNING);
    const auto arp = ask(kMacStranger, "10.1.0.77");
    expect(endpoint("ep1", arp), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_DEVICE, arp);
    const auto question = solicit(kMacStranger, "fd00:1::77");
    auto outcome = endpoint("ep1", question);
    auto outer = Ethernet{.src = kMacStranger, .dst = "33:33:ff:00:00:72", .type = 0x86dd} /
                 Ipv4{.src = kHostAddr, .dst = kPeer, .id = 0, .protocol = 17};
    expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_SENT,
           sent(outcome, question, outer, 34));
}

TEST_F(RemoteEndpoints, AreNotTheHostsToSpeakTo) {
    for (const auto& question : {ask(kMacGw1, kGw1), solicit(kMacGw1, kGw1v6)})
        expect_drop(hostport(question), CNET_HOOK_HOSTPORT, CNET_R_GATEWAY_LOCAL);
}

TEST_F(RemoteEndpoints, ThroughTheGatewayTheyAreReachedFromTheirSibling) {
    auto frame = to_remote(kMacGw1);
    auto arrives = to_remote(kMacRemote);
    arrives.get<Ipv4>().ttl--;
    auto outcome = endpoint("ep1", frame);
    expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_VXLAN_SENT,
           sent(outcome, arrives, outer4(), 34));
    EXPECT_EQ(flows(), 0u);
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_ICC_OFF);
    expect_drop(endpoint("ep1", frame), CNET_HOOK_ENDPOINT, CNET_R_ICC_OFF);
}

// A flow whose endpoint lives on another host by now, and one that a routed network would begin.
TEST_F(RemoteEndpoints, AreNotTranslatedTo) {
    publish(40, CNET_L4_UDP, 5353, kRemote, 53);
    expect_drop(
        uplink(Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kWorld, .dst = kHostAddr} /
               Udp{.src_port = 4000, .dst_port = 5353} / Raw{"question"}),
        CNET_HOOK_UPLINK, CNET_R_GATEWAY_LOCAL);
}

} // namespace
} // namespace cnet::test
