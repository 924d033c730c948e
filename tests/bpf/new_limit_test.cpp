// How many connections to a published port may begin: what takes a token, and what does not.
#include <netinet/in.h>

#include <thread>

#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

class NewLimit : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        if (IsSkipped()) return;
        publish(7, CNET_L4_TCP, 8080, kEp1, 80, 1, 2, kEp1v6);
    }

    // None comes back while a test lasts.
    void limit(uint32_t burst, uint64_t full_at_ns = 0, uint32_t interval_ns = 4'000'000'000) {
        auto binding = **maps().binding.lookup(7);
        binding.new_interval_ns = interval_ns;
        binding.new_burst = burst;
        binding.new_full_at_ns = full_at_ns;
        ASSERT_TRUE(maps().binding.update(7, binding));
    }

    static Packet syn(uint16_t src_port, uint16_t dst_port = 8080, uint8_t flags = kSyn) {
        return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kWorld, .dst = kHostAddr} /
               Tcp{.src_port = src_port, .dst_port = dst_port, .flags = flags};
    }

    static Packet syn6(uint16_t src_port) {
        return Ethernet{.src = kMacRouter, .dst = kMacUp} /
               Ipv6{.src = kWorld6, .dst = kHostAddr6} /
               Tcp{.src_port = src_port, .dst_port = 8080, .flags = kSyn};
    }

    void expect_begins(const Packet& packet) {
        EXPECT_EQ(uplink(packet).counted[0].second, CNET_R_DNAT);
    }
    void expect_refused(const Packet& packet) {
        expect_drop(uplink(packet), CNET_HOOK_UPLINK, CNET_R_NEW_LIMIT);
    }
};

TEST_F(NewLimit, WhatStandsGoesOn) {
    limit(2);
    expect_begins(syn(50000));
    expect_begins(syn(50001));
    expect_refused(syn(50002));
    expect_begins(syn(50001, 8080, kAck));
    expect_begins(syn(50000)); // the SYN again
    EXPECT_EQ(flows(), 2u);
    limit(2, 0, 0);
    for (uint16_t port = 50002; port < 50010; port++)
        expect_begins(syn(port));
}

TEST_F(NewLimit, OneBucketForARangeAndBothFamilies) {
    limit(3);
    expect_begins(syn(50000));
    expect_begins(syn(50000, 8081));
    expect_begins(syn6(50000));
    expect_refused(syn6(50001));
    expect_refused(syn(50001, 8081));
}

TEST_F(NewLimit, DatagramsBeginFlowsToo) {
    publish(7, CNET_L4_UDP, 8080, kEp1, 80);
    limit(1);
    auto ask = [](uint16_t src_port) {
        return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kWorld, .dst = kHostAddr} /
               Udp{.src_port = src_port, .dst_port = 8080} / Raw{"question"};
    };
    expect_begins(ask(50000));
    expect_refused(ask(50001));
    expect_begins(ask(50000));
}

// Whoever keeps dialling by the same ports meets entries that are remembered for minutes.
TEST_F(NewLimit, TheTupleOfAConnectionThatIsOver) {
    limit(2);
    expect_begins(syn(50000));
    expect_begins(syn(50000, 8080, kRst));
    expect_begins(syn(50000));
    expect_begins(syn(50000, 8080, kRst));
    expect_refused(syn(50000));
    auto key = key4(CNET_ZONE_WORLD, IPPROTO_TCP, kWorld, 50000, kHostAddr, 8080);
    EXPECT_EQ((*maps().ct.lookup(key))->state, CNET_CT_CLOSED) << "and is so still";
    limit(1);
    expect_begins(syn(50000));
}

TEST_F(NewLimit, WhatBeginsNothingTakesNothing) {
    limit(1);
    expect_drop(uplink(syn(50000, 8080, kRst)), CNET_HOOK_UPLINK, CNET_R_NO_FLOW);
    auto binding = **maps().binding.lookup(7);
    binding.allow_list_id = 7;
    ASSERT_TRUE(maps().binding.update(7, binding));
    expect_drop(uplink(syn(50000)), CNET_HOOK_UPLINK, CNET_R_NOT_ALLOWED);
    binding.allow_list_id = 0;
    ASSERT_TRUE(maps().binding.update(7, binding));
    expect_begins(syn(50000));
}

TEST_F(NewLimit, EndpointsAreNotCounted) {
    limit(1, uint64_t{1} << 62);
    expect_refused(syn(50000));
    Packet sibling = Ethernet{.src = kMacEp2, .dst = kMacGw1} /
                     Ipv4{.src = kEp2, .dst = kHostAddr} / Tcp{.src_port = 50000, .dst_port = 8080};
    for (uint8_t flags : {kSyn, kRst, kSyn}) { // again by the same tuple, too
        sibling.get<Tcp>().flags = flags;
        EXPECT_EQ(endpoint("ep2", sibling).counted[0].second, CNET_R_HAIRPIN);
    }
}

TEST_F(NewLimit, ATokenComesBack) {
    limit(1, 0, 200'000'000);
    const int program = *data_path().program("cnet_uplink");
    unsigned refused = 0;
    for (uint16_t begun = 0; begun < 3;) {
        Bytes packet = syn(50000 + begun).bytes();
        if (run_once(program, ifindex("up0"), packet) == Verdict::kRedirect)
            begun++;
        else if (refused++; refused % 100 == 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ASSERT_LT(refused, 1'000'000u);
    }
    EXPECT_GT(refused, 0u);
    EXPECT_EQ(flows(), 3u);
}

// At the largest rate and burst: nothing runs over.
TEST_F(NewLimit, AsManyAsThereMayBe) {
    limit(1'000'000, 0, 1'000);
    expect_begins(syn(50000));
    limit(1'000'000, 0, 1'000'000'000);
    expect_begins(syn(50001));
    limit(1'000'000, uint64_t{1} << 62, 1'000'000'000);
    expect_refused(syn(50002));
}

TEST_F(NewLimit, TwoCpusTakeNoTokenTwice) {
    constexpr unsigned kBurst = 20;
    limit(kBurst);
    const int program = *data_path().program("cnet_uplink");
    auto dial = [&](uint16_t first) {
        for (uint16_t port = first; port < first + 500; port++) {
            Bytes packet = syn(port).bytes();
            run_once(program, ifindex("up0"), packet);
        }
    };
    std::thread one(dial, 50000), two(dial, 51000);
    one.join(), two.join();
    EXPECT_EQ(flows(), kBurst);
}

} // namespace
} // namespace cnet::test
