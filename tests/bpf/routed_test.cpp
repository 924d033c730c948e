// Routed networks: reachable as they are. Isolated ones: not at all. Allow-lists.
#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

using Routed = HostTest;

constexpr uint32_t kMasquerading = CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE;
constexpr uint32_t kRouted = CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_ROUTED;

Packet ep1_to_ep3(uint16_t src_port = 40000) {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kEp3} /
           Tcp{.src_port = src_port, .dst_port = 80};
}

Packet at_ep3(const char* source, uint16_t src_port) {
    return Ethernet{.src = kMacGw2, .dst = kMacEp3} / Ipv4{.src = source, .dst = kEp3, .ttl = 63} /
           Tcp{.src_port = src_port, .dst_port = 80};
}

TEST_F(Routed, AnotherNetworkReachesItMasqueraded) {
    set_port_flags("gw2", CNET_PORT_HOST | CNET_PORT_ROUTED);
    set_port_flags("ep3", kRouted);
    auto outcome = endpoint("ep1", ep1_to_ep3());
    auto port = be16_at(outcome.packet, 34);
    EXPECT_GE(port, 61000);
    expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ROUTED,
           at_ep3("10.2.0.1", port));
    Packet answer = Ethernet{.src = kMacEp3, .dst = kMacGw2} /
                    Ipv4{.src = kEp3, .dst = "10.2.0.1"} /
                    Tcp{.src_port = 80, .dst_port = port, .flags = kSyn | kAck};
    Packet back = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                  Ipv4{.src = kEp3, .dst = kEp1, .ttl = 63} /
                  Tcp{.src_port = 80, .dst_port = 40000, .flags = kSyn | kAck};
    expect(endpoint("ep3", answer), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ROUTED, back);
}

TEST_F(Routed, ButNotTheOtherWayRound) {
    set_port_flags("gw2", CNET_PORT_HOST | CNET_PORT_ROUTED);
    set_port_flags("ep3", kRouted);
    Packet dial = Ethernet{.src = kMacEp3, .dst = kMacGw2} / Ipv4{.src = kEp3, .dst = kEp1} /
                  Tcp{.src_port = 40000, .dst_port = 80};
    expect_drop(endpoint("ep3", dial), CNET_HOOK_ENDPOINT, CNET_R_OTHER_NETWORK);
}

TEST_F(Routed, WithoutMasqueradeNothingIsTranslated) {
    set_port_flags("gw2", CNET_PORT_HOST | CNET_PORT_ROUTED);
    set_port_flags("ep1", kRouted);
    expect(endpoint("ep1", ep1_to_ep3()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ROUTED,
           at_ep3(kEp1, 40000));
}

TEST_F(Routed, AnswersToTheWorldKeepTheirPortWhateverTheHostDoesWithIt) {
    set_port_flags("ep1", kRouted);
    publish(7, CNET_L4_TCP, 80, kEp2, 80); // the port of the same number on the host is taken
    Packet answer = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                    Tcp{.src_port = 80, .dst_port = 50000, .flags = kSyn | kAck};
    Packet leaves = answer;
    leaves.get<Ipv4>().ttl--;
    expect(endpoint("ep1", answer), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT, leaves);
}

// To whoever came in through the host's stack: no flow tells of it.
TEST_F(Routed, RefusalsOfWhatNoFlowKnowsLeaveAsTheyAre) {
    const Packet to_world =
        Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld};
    const Packet about = Ipv4{.src = kWorld, .dst = kEp1} / Udp{.src_port = 50000, .dst_port = 53};
    const Packet refusals[] = {
        to_world / Tcp{.src_port = 80, .dst_port = 50000, .flags = kRst | kAck},
        to_world / Icmp{.type = 0, .id = 7} / "an echo reply",
        to_world / Icmp{.type = 3, .code = 3} / Raw{about.bytes()},
    };
    const cnet_reason masqueraded[] = {CNET_R_NO_FLOW, CNET_R_NO_FLOW, CNET_R_L4_UNSUPPORTED};
    for (int i = 0; i < 3; i++) {
        set_port_flags("ep1", kMasquerading);
        expect_drop(endpoint("ep1", refusals[i]), CNET_HOOK_ENDPOINT, masqueraded[i]);
        set_port_flags("ep1", kRouted);
        Packet leaves = refusals[i];
        leaves.get<Ipv4>().ttl--;
        expect(endpoint("ep1", refusals[i]), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ROUTED,
               leaves);
    }
    EXPECT_EQ(flows(), 0u);
}

TEST_F(Routed, TheHostForwardsIntoIt) {
    Packet forwarded = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                       Ipv4{.src = kWorld, .dst = kEp1, .ttl = 63} /
                       Tcp{.src_port = 50000, .dst_port = 80};
    expect_drop(hostport(forwarded), CNET_HOOK_HOSTPORT, CNET_R_DIRECT_ROUTING);
    set_port_flags("hp1", CNET_PORT_HOST | CNET_PORT_ROUTED);
    expect(hostport(forwarded), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED, forwarded);
}

// As Docker's gateway_mode "routed" has it: ICMP, and the ports that the endpoint publishes as its
// own.
class Guarded : public Routed {
protected:
    void SetUp() override {
        Routed::SetUp();
        if (IsSkipped()) return;
        set_port_flags("hp1",
                       CNET_PORT_HOST | CNET_PORT_ROUTED | CNET_PORT_GUARDED4 | CNET_PORT_GUARDED6);
        set_port_flags("gw2",
                       CNET_PORT_HOST | CNET_PORT_ROUTED | CNET_PORT_GUARDED4 | CNET_PORT_GUARDED6);
    }
    // Port `port` of `target`, and no slot.
    void publish_direct(const char* target, cnet_l4 l4, uint16_t port, uint32_t network) {
        publish(7, l4, port, target, port, network);
        const uint32_t slot = CNET_SLOT_INDEX(l4, port);
        maps().slot.set_range(slot, 1, CNET_BINDING_NONE);
        cnet_bind_key key{};
        key.addr = IpAddress::parse(target)->to_abi();
        key.slot = slot;
        ASSERT_TRUE(maps().bind_addr.update(key, 7));
    }
    static Packet into(const Layer& rest, const char* from = kWorld) {
        return Ethernet{.src = kMacGw1, .dst = kMacEp1} /
               Ipv4{.src = from, .dst = kEp1, .ttl = 63} / rest;
    }
};

TEST_F(Guarded, TheHostForwardsWhatIsPublished) {
    publish_direct(kEp1, CNET_L4_TCP, 80, 1);
    const Layer dial = Tcp{.src_port = 50000, .dst_port = 80};
    expect(hostport(into(dial)), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED,
           into(dial));
    const Packet echo = into(Icmp{.type = 8, .id = 7}) / "an echo";
    expect(hostport(echo), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED, echo);
    const Layer other = Tcp{.src_port = 50000, .dst_port = 81};
    expect_drop(hostport(into(other)), CNET_HOOK_HOSTPORT, CNET_R_DIRECT_ROUTING);
    expect_drop(hostport(into(Udp{.src_port = 50000, .dst_port = 80})), CNET_HOOK_HOSTPORT,
                CNET_R_DIRECT_ROUTING);
    // The host itself goes everywhere.
    expect(hostport(into(other, kGw1)), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED,
           into(other, kGw1));
}

TEST_F(Guarded, AnotherNetworkReachesWhatIsPublished) {
    set_port_flags("ep1", kRouted);
    expect_drop(endpoint("ep1", ep1_to_ep3()), CNET_HOOK_ENDPOINT, CNET_R_OTHER_NETWORK);
    publish_direct(kEp3, CNET_L4_TCP, 80, 2);
    expect(endpoint("ep1", ep1_to_ep3()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ROUTED,
           at_ep3(kEp1, 40000));
}

TEST_F(Guarded, OnlyToThoseWhoMay) {
    publish_direct(kEp1, CNET_L4_TCP, 80, 1);
    auto binding = **maps().binding.lookup(7);
    binding.allow_list_id = 7;
    ASSERT_TRUE(maps().binding.update(7, binding));
    const Packet dial = into(Tcp{.src_port = 50000, .dst_port = 80});
    expect_drop(hostport(dial), CNET_HOOK_HOSTPORT, CNET_R_DIRECT_ROUTING);
    cnet_allow_key key{};
    key.prefix_len = CNET_ALLOW_PREFIX_LEN(128);
    key.list_id = 7;
    key.addr = IpAddress::parse(kWorld)->to_abi();
    ASSERT_TRUE(maps().allow.update(key, 1));
    expect(hostport(dial), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED, dial);
}

// As Docker's gateway_mode "nat-unprotected" has it.
class Unprotected : public Routed {
protected:
    void open(uint32_t more = 0) {
        set_port_flags("hp1", CNET_PORT_HOST | CNET_PORT_DIRECT4 | more);
        set_port_flags("ep1", kMasquerading | CNET_PORT_DIRECT4 | more);
    }
    static Packet dial(const char* from = kWorld, uint8_t flags = kSyn) {
        return Ethernet{.src = kMacGw1, .dst = kMacEp1} /
               Ipv4{.src = from, .dst = kEp1, .ttl = 63} /
               Tcp{.src_port = 50000, .dst_port = 80, .flags = flags};
    }
    static Packet answer(uint8_t flags = kSyn | kAck) {
        return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
               Tcp{.src_port = 80, .dst_port = 50000, .flags = flags};
    }
    int state() {
        auto flow = *maps().ct.lookup(key4(1, IPPROTO_TCP, kEp1, 80, kWorld, 50000));
        return flow ? flow->state : -1;
    }
};

TEST_F(Unprotected, WhoeverIsOutsideComesInAndIsAnsweredAsItCame) {
    open();
    expect(hostport(dial()), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED, dial());
    Packet leaves = answer();
    leaves.get<Ipv4>().ttl--;
    expect(endpoint("ep1", answer()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT, leaves);
    // What it begins itself is masqueraded.
    Packet own = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                 Udp{.src_port = 4001, .dst_port = 53};
    auto outcome = endpoint("ep1", own);
    EXPECT_EQ(IpAddress::from_v4(be32_at(outcome.packet, 26)).to_string(), kHostAddr);
    const Packet v6 = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                      Ipv6{.src = kWorld6, .dst = kEp1v6, .hop_limit = 63} /
                      Tcp{.src_port = 50000, .dst_port = 80};
    expect_drop(hostport(v6), CNET_HOOK_HOSTPORT, CNET_R_DIRECT_ROUTING);
}

// Its flow stands as if ep1 had begun it; who asks, and who answers, is the other way round.
TEST_F(Unprotected, ItsStates) {
    open();
    for (int times = 0; times < 2; times++) {
        hostport(dial());
        endpoint("ep1", answer());
        EXPECT_EQ(state(), CNET_CT_NEW);
        endpoint("ep1", answer(kAck));
        EXPECT_EQ(state(), CNET_CT_NEW);
    }
    hostport(dial(kWorld, kAck));
    EXPECT_EQ(state(), CNET_CT_ESTABLISHED);
    hostport(dial(kWorld, kFin | kAck));
    EXPECT_EQ(state(), CNET_CT_CLOSING);
    endpoint("ep1", answer(kFin | kAck));
    EXPECT_EQ(state(), CNET_CT_TIME_WAIT);
    hostport(dial());
    EXPECT_EQ(state(), CNET_CT_NEW) << "the tuple begins again";
    hostport(dial(kWorld, kRst));
    EXPECT_EQ(state(), CNET_CT_CLOSED);
    EXPECT_EQ(flows(), 1u);
}

// What stood before has no flow, and its answers go as they did.
TEST_F(Unprotected, NothingBeginsInTheMiddle) {
    open();
    for (uint8_t flags : {kAck, kRst})
        expect(hostport(dial(kWorld, flags)), Verdict::kRedirect, CNET_HOOK_HOSTPORT,
               CNET_R_SWITCHED, dial(kWorld, flags));
    EXPECT_EQ(flows(), 0u);
}

TEST_F(Unprotected, AnotherNetworkIsNotOutside) {
    open();
    expect_drop(hostport(dial(kEp3)), CNET_HOOK_HOSTPORT, CNET_R_OTHER_NETWORK);
    set_port_flags("gw2", CNET_PORT_HOST | CNET_PORT_DIRECT4);
    expect_drop(endpoint("ep1", ep1_to_ep3()), CNET_HOOK_ENDPOINT, CNET_R_OTHER_NETWORK);
}

TEST_F(Unprotected, WhereNothingIsMasqueradedNoFlowIsNeeded) {
    open(CNET_PORT_KEEP4);
    expect(hostport(dial()), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED, dial());
    EXPECT_EQ(flows(), 0u);
    const Packet refusal = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                           Ipv4{.src = kEp1, .dst = kWorld} /
                           Tcp{.src_port = 80, .dst_port = 50000, .flags = kRst | kAck};
    Packet leaves = refusal;
    leaves.get<Ipv4>().ttl--;
    expect(endpoint("ep1", refusal), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ROUTED, leaves);
}

TEST_F(Routed, IsolatedNetworksHaveNoGateway) {
    set_port_flags("ep1", kMasquerading | CNET_PORT_INTERNAL | CNET_PORT_ISOLATED);
    Packet packet = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kGw1} /
                    Tcp{.src_port = 1, .dst_port = 22};
    expect_drop(endpoint("ep1", packet), CNET_HOOK_ENDPOINT, CNET_R_INTERNAL);
}

class AllowList : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        publish(7, CNET_L4_TCP, 8080, kEp1, 80, 1, 1, kEp1v6);
        auto binding = **maps().binding.lookup(7);
        binding.allow_list_id = 7;
        ASSERT_TRUE(maps().binding.update(7, binding));
    }

    void allow(const char* address, uint32_t prefix_len, uint32_t value) {
        cnet_allow_key key{};
        key.prefix_len = CNET_ALLOW_PREFIX_LEN(prefix_len);
        key.list_id = 7;
        key.addr = IpAddress::parse(address)->to_abi();
        ASSERT_TRUE(maps().allow.update(key, value));
    }

    Outcome dial(const char* from, uint16_t src_port = 50000) {
        return uplink(Ethernet{.src = kMacRouter, .dst = kMacUp} /
                      Ipv4{.src = from, .dst = kHostAddr} /
                      Tcp{.src_port = src_port, .dst_port = 8080});
    }
};

TEST_F(AllowList, TheLongestPrefixDecides) {
    expect_drop(dial(kWorld), CNET_HOOK_UPLINK, CNET_R_NOT_ALLOWED);
    allow("203.0.113.0", 96 + 24, 1);
    EXPECT_EQ(dial(kWorld).counted[0].second, CNET_R_DNAT);
    expect_drop(dial("203.0.114.9"), CNET_HOOK_UPLINK, CNET_R_NOT_ALLOWED);
    allow("203.0.113.128", 96 + 25, 0);
    expect_drop(dial("203.0.113.200"), CNET_HOOK_UPLINK, CNET_R_NOT_ALLOWED);
    EXPECT_EQ(dial(kWorld).counted[0].second, CNET_R_DNAT) << "a flow that stands is not asked";
}

TEST_F(AllowList, AppliesToEndpointsToo) {
    auto from_ep2 = [&] {
        return endpoint("ep2", Ethernet{.src = kMacEp2, .dst = kMacGw1} /
                                   Ipv4{.src = kEp2, .dst = kHostAddr} /
                                   Tcp{.src_port = 50000, .dst_port = 8080});
    };
    expect_drop(from_ep2(), CNET_HOOK_ENDPOINT, CNET_R_NOT_ALLOWED);
    allow(kEp2, 128, 1);
    EXPECT_EQ(from_ep2().counted[0].second, CNET_R_HAIRPIN);
}

} // namespace
} // namespace cnet::test
