// The collector: deletes what is still as user space saw it, both halves, and gives ports back.
#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

using Collector = HostTest;

Packet out_udp(uint16_t src_port) {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
           Udp{.src_port = src_port, .dst_port = 53} / Raw{"question"};
}

TEST_F(Collector, DeletesBothHalvesAndFreesThePort) {
    endpoint("ep1", out_udp(40000));
    cnet_gc_ct candidate{};
    candidate.key = key4(1, IPPROTO_UDP, kEp1, 40000, kWorld, 53);
    candidate.last_seen_ns = (*maps().ct.lookup(candidate.key))->last_seen_ns;
    EXPECT_EQ(*data_path().collect(std::vector{candidate}), 1u);
    EXPECT_EQ(flows(), 0u);
    EXPECT_EQ(maps().slot.nat_refs(CNET_SLOT_INDEX(CNET_L4_UDP, 40000)), 0u);
    EXPECT_EQ(*data_path().collect(std::vector{candidate}), 0u)
        << "the second time there is nothing";
}

// What cnetd counted is stored, and what the programs count stays as it is.
TEST_F(Collector, StoresWhatWasCountedOfQuotas) {
    const uint32_t ep1 = ifindex("ep1");
    ASSERT_TRUE(maps().quota.update(ep1, {2, 0, 0}));
    endpoint("ep1", out_udp(40000));
    endpoint("ep1", out_udp(40001));
    expect_drop(endpoint("ep1", out_udp(40002)), CNET_HOOK_ENDPOINT, CNET_R_FLOW_QUOTA);
    const std::vector<cnet_gc_quota> counted = {{ep1, 1}, {ep1 + 1000, 1}};
    ASSERT_TRUE(data_path().collect(counted));
    auto quota = maps().quota.lookup(ep1);
    EXPECT_EQ((*quota)->begun, 2u);
    EXPECT_EQ((*quota)->gone, 1u);
    EXPECT_EQ(*maps().quota.count(), 1u) << "none is made";
    EXPECT_EQ(endpoint("ep1", out_udp(40003)).counted[0].second, CNET_R_SNAT);
    expect_drop(endpoint("ep1", out_udp(40004)), CNET_HOOK_ENDPOINT, CNET_R_FLOW_QUOTA);
}

TEST_F(Collector, LeavesAFlowThatWasSeenSince) {
    endpoint("ep1", out_udp(40000));
    cnet_gc_ct candidate{};
    candidate.key = key4(1, IPPROTO_UDP, kEp1, 40000, kWorld, 53);
    candidate.last_seen_ns = (*maps().ct.lookup(candidate.key))->last_seen_ns - 1;
    EXPECT_EQ(*data_path().collect(std::vector{candidate}), 0u);
    EXPECT_EQ(flows(), 1u);
}

TEST_F(Collector, DoesNotTearAReverseFromItsForward) {
    endpoint("ep1", out_udp(40000));
    cnet_gc_ct candidate{};
    candidate.key = key4(CNET_ZONE_WORLD, IPPROTO_UDP, kWorld, 53, kHostAddr, 40000);
    EXPECT_EQ(*data_path().collect(std::vector{candidate}), 0u);
    EXPECT_EQ(flows(), 1u);
}

TEST_F(Collector, TakesAFullBatch) {
    std::vector<cnet_gc_ct> candidates;
    for (uint16_t port = 30000; port < 30030; port++) {
        endpoint("ep1", out_udp(port));
        cnet_gc_ct candidate{};
        candidate.key = key4(1, IPPROTO_UDP, kEp1, port, kWorld, 53);
        candidates.push_back(candidate);
    }
    while (candidates.size() < CNET_GC_BATCH_MAX)
        candidates.push_back(candidates.back());
    EXPECT_EQ(*data_path().collect(candidates), 30u);
    EXPECT_EQ(flows(), 0u);
}

TEST_F(Collector, ForgetsLearnedMacsAndTheirCountButNeverStatedOnes) {
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_LEARNING);
    endpoint("ep1", Ethernet{.src = kMacStranger, .dst = kMacEp2} / Ipv4{.src = kEp1, .dst = kEp2} /
                        Raw{"x"});
    ASSERT_EQ(**maps().fdb_count.lookup(1), 1u);
    std::vector<cnet_gc_fdb> candidates(2);
    candidates[0].key = {1, {0x02, 0, 0, 0, 0x99, 0x99}, {}};
    candidates[1].key = {1, {0x02, 0, 0, 0, 0x01, 0x03}, {}};
    EXPECT_EQ(*data_path().collect(candidates), 1u);
    EXPECT_EQ(**maps().fdb_count.lookup(1), 0u);
    EXPECT_TRUE(*maps().fdb.lookup(candidates[1].key));
}

} // namespace
} // namespace cnet::test
