// Which flows and learned MACs the collector takes.
#include <netinet/in.h>

#include "tests/unit/control/world.h"

namespace cnet::test {

namespace {

using control::Collector;
using control::State;

class GcTest : public ::testing::Test {
protected:
    GcTest()
        : tables(life), hooks(life, tables), collector(tables, hooks, clock, control::Timeouts()) {
        control::Network web;
        web.id = 1;
        web.name = "web";
        web.ageing_s = 30;
        state.networks[1] = web;
        control::Endpoint app;
        app.id = 1;
        app.network_id = 1;
        app.addresses = {*IpPrefix::parse("10.88.0.2/24")};
        state.endpoints[1] = app;
        clock.advance_s(100000);
    }

    // A masqueraded flow of the endpoint.
    cnet_ct_key add_flow(uint16_t port, uint8_t proto, uint8_t flow_state,
                         const char* source = "10.88.0.2") {
        cnet_ct_key forward{};
        forward.src = IpAddress::parse(source)->to_abi();
        forward.dst = IpAddress::parse("198.51.100.1")->to_abi();
        forward.src_port_be = port;
        forward.zone = 1;
        forward.l4_proto = proto;
        cnet_ct_key reverse = forward;
        std::swap(reverse.src, reverse.dst);
        reverse.zone = CNET_ZONE_WORLD;
        cnet_ct_entry entry{};
        entry.last_seen_ns = clock.monotonic_ns();
        entry.other = reverse;
        entry.kind = CNET_CT_FORWARD;
        entry.type = CNET_CT_SNAT;
        entry.state = flow_state;
        entry.network_id = 1;
        tables.flows[forward] = entry;
        cnet_ct_entry back{};
        back.other = forward;
        back.kind = CNET_CT_REVERSE;
        tables.flows[reverse] = back;
        return forward;
    }

    Collector::Swept sweep() {
        for (;;) {
            control::AgeingTimes ageing;
            for (const auto& [id, network] : state.networks)
                ageing[id] = network.ageing_s;
            auto swept = collector.sweep(state, ageing);
            EXPECT_TRUE(swept);
            if (!swept || swept->done) return swept ? *swept : Collector::Swept();
        }
    }

    Life life;
    FakeTables tables;
    FakeHooks hooks;
    FakeClock clock;
    State state;
    Collector collector;
};

// A port that began ten flows in all and one more while they were counted, of which two are left.
TEST_F(GcTest, CountsWhatEachPortHasBegun) {
    tables.quota_counts[7] = {100, 10, 0};
    const uint64_t now_ns = clock.monotonic_ns();
    for (uint16_t port = 1; port <= 4; port++) {
        const cnet_ct_entry& forward = tables.flows[add_flow(port, IPPROTO_UDP, CNET_CT_NEW)];
        cnet_ct_entry& reverse = tables.flows[forward.other];
        reverse.fib_ifindex = port == 4 ? 8 : 7;
        reverse.created_ns = port == 3 ? now_ns : now_ns - kSecondNs;
    }
    sweep();
    EXPECT_EQ(tables.quota_counts[7].gone, 8u);
    EXPECT_FALSE(tables.quota_counts.contains(8)) << "it has no quota";

    tables.quota_counts[7].begun = 11;
    clock.advance_s(1);
    sweep();
    EXPECT_EQ(tables.quota_counts[7].gone, 8u) << "the third is among the eleven and is there";
}

TEST_F(GcTest, EachStateHasItsTimeout) {
    const struct {
        uint8_t proto;
        uint8_t flow_state;
        uint64_t timeout_s;
    } kCases[] = {
        {IPPROTO_TCP, CNET_CT_NEW, 240},         {IPPROTO_TCP, CNET_CT_ESTABLISHED, 86400},
        {IPPROTO_TCP, CNET_CT_CLOSING, 240},     {IPPROTO_TCP, CNET_CT_TIME_WAIT, 240},
        {IPPROTO_TCP, CNET_CT_CLOSED, 10},       {IPPROTO_UDP, CNET_CT_NEW, 120},
        {IPPROTO_UDP, CNET_CT_ESTABLISHED, 300}, {IPPROTO_ICMP, CNET_CT_NEW, 60},
        {IPPROTO_ICMP, CNET_CT_ESTABLISHED, 60},
    };
    for (const auto& c : kCases) {
        add_flow(7, c.proto, c.flow_state);
        clock.advance_s(c.timeout_s);
        EXPECT_EQ(sweep().flows, 0u) << int(c.proto) << "/" << int(c.flow_state);
        EXPECT_EQ(tables.flows.size(), 2u);
        clock.advance_s(1);
        EXPECT_EQ(sweep().flows, 1u) << int(c.proto) << "/" << int(c.flow_state);
        EXPECT_TRUE(tables.flows.empty());
    }
}

// Of a thousand entries: what is over goes sooner the fuller the table is, what lives does not.
TEST_F(GcTest, AFillingTableHasLessPatience) {
    for (uint16_t port = 1; port <= 299; port++)
        add_flow(port, IPPROTO_TCP, CNET_CT_TIME_WAIT);
    const cnet_ct_key live = add_flow(300, IPPROTO_TCP, CNET_CT_ESTABLISHED);
    EXPECT_TRUE(sweep().is_filling) << "600 entries";
    clock.advance_s(175);
    EXPECT_EQ(sweep().flows, 0u) << "240 s * (875 - 600) / (875 - 500)";
    clock.advance_s(2);
    const auto swept = sweep();
    EXPECT_EQ(swept.flows, 299u);
    EXPECT_FALSE(swept.is_filling);
    EXPECT_TRUE(tables.flows.contains(live));
}

TEST_F(GcTest, AFullTableKeepsWhatMayLive) {
    const struct {
        uint8_t proto;
        uint8_t flow_state;
        uint64_t timeout_s;
    } kCases[] = {
        {IPPROTO_TCP, CNET_CT_TIME_WAIT, 1},    {IPPROTO_TCP, CNET_CT_NEW, 10},
        {IPPROTO_TCP, CNET_CT_CLOSING, 10},     {IPPROTO_UDP, CNET_CT_NEW, 10},
        {IPPROTO_UDP, CNET_CT_ESTABLISHED, 30}, {IPPROTO_ICMP, CNET_CT_NEW, 10},
        {IPPROTO_SCTP, CNET_CT_NEW, 10},        {IPPROTO_SCTP, CNET_CT_CLOSED, 10},
    };
    for (uint16_t port = 1000; port < 1450; port++)
        add_flow(port, IPPROTO_SCTP, CNET_CT_ESTABLISHED);
    for (const auto& c : kCases) {
        for (auto& [key, entry] : tables.flows)
            entry.last_seen_ns = clock.monotonic_ns();
        add_flow(7, c.proto, c.flow_state);
        sweep();
        clock.advance_s(c.timeout_s);
        EXPECT_EQ(sweep().flows, 0u) << int(c.proto) << "/" << int(c.flow_state);
        clock.advance_s(1);
        EXPECT_EQ(sweep().flows, 1u) << int(c.proto) << "/" << int(c.flow_state);
    }
}

// A port that has begun most of what it may: its own flows go sooner, nobody else's.
TEST_F(GcTest, AFullQuotaHurriesItsOwnFlows) {
    tables.quota_counts[7] = {10, 9, 0};
    tables.quota_counts[8] = {10, 1, 0};
    for (uint16_t port = 1; port <= 10; port++) {
        const uint8_t flow_state = port == 9 ? CNET_CT_ESTABLISHED : CNET_CT_TIME_WAIT;
        const cnet_ct_entry& forward = tables.flows[add_flow(port, IPPROTO_TCP, flow_state)];
        cnet_ct_entry& reverse = tables.flows[forward.other];
        reverse.fib_ifindex = port == 10 ? 8 : 7;
    }
    EXPECT_TRUE(sweep().is_filling);
    clock.advance_s(2);
    EXPECT_EQ(sweep().flows, 8u);
    EXPECT_EQ(tables.flows.size(), 4u) << "the established one, and the neighbour's";
    EXPECT_EQ(tables.quota_counts[7].gone, 0u) << "counted by the next sweep";
    EXPECT_TRUE(sweep().done);
    EXPECT_EQ(tables.quota_counts[7].gone, 8u);
    EXPECT_FALSE(sweep().is_filling);
}

TEST_F(GcTest, ManyGoInBatches) {
    for (uint16_t port = 1; port <= 1000; port++)
        add_flow(port, IPPROTO_UDP, CNET_CT_NEW);
    const cnet_ct_key live = add_flow(2000, IPPROTO_TCP, CNET_CT_ESTABLISHED);
    clock.advance_s(121);
    const auto swept = sweep();
    EXPECT_EQ(swept.flows, 1000u);
    EXPECT_EQ(swept.live_flows, 1u);
    EXPECT_TRUE(tables.flows.contains(live));
}

TEST_F(GcTest, FlowsThatNothingExplainsGo) {
    add_flow(1, IPPROTO_TCP, CNET_CT_ESTABLISHED, "10.88.0.77"); // no such endpoint
    const cnet_ct_key kept = add_flow(2, IPPROTO_TCP, CNET_CT_ESTABLISHED);
    const cnet_ct_key unbound = add_flow(3, IPPROTO_TCP, CNET_CT_ESTABLISHED);
    tables.flows[unbound].binding_id = 99; // no such binding
    EXPECT_EQ(sweep().flows, 2u);
    EXPECT_TRUE(tables.flows.contains(kept));
    add_flow(1, IPPROTO_TCP, CNET_CT_ESTABLISHED, "10.88.0.77");
    state.leases[1] = {1, *IpAddress::parse("10.88.0.77"), 60, 0};
    EXPECT_EQ(sweep().flows, 0u) << "a DHCP server gave it";
    state.leases.clear();
    state.networks[1].allow_spoofing = true;
    EXPECT_EQ(sweep().flows, 0u) << "endpoints may have addresses that we do not know";
    state.networks.clear();
    EXPECT_EQ(sweep().flows, 2u);
}

TEST_F(GcTest, AReverseWithoutItsFlowGoesInTheSecondSweep) {
    const cnet_ct_key forward = add_flow(1, IPPROTO_TCP, CNET_CT_ESTABLISHED);
    tables.flows.erase(forward);
    EXPECT_EQ(sweep().flows, 0u) << "its flow may just be coming";
    EXPECT_EQ(tables.flows.size(), 1u);
    EXPECT_EQ(sweep().flows, 1u);
    EXPECT_TRUE(tables.flows.empty());
}

// What port `port` of the endpoint is outside, since just now.
class MappingGcTest : public GcTest {
protected:
    MappingGcTest() { state.networks[1].nat = control::Nat::kEndpointIndependent; }

    cnet_ct_key add_mapping(uint16_t port) {
        cnet_ct_key forward{};
        forward.src = IpAddress::parse("10.88.0.2")->to_abi();
        forward.dst = IpAddress::parse("192.0.2.1")->to_abi();
        forward.src_port_be = port;
        forward.zone = 1;
        forward.l4_proto = IPPROTO_UDP;
        forward.mapping = 1;
        cnet_ct_key reverse = forward;
        reverse.src = IpAddress::parse("0.0.0.0")->to_abi();
        std::swap(reverse.src_port_be, reverse.dst_port_be);
        reverse.zone = CNET_ZONE_WORLD;
        cnet_ct_entry entry{};
        entry.last_seen_ns = clock.monotonic_ns();
        entry.other = reverse;
        entry.kind = CNET_CT_FORWARD;
        entry.type = CNET_CT_MAPPING;
        entry.network_id = 1;
        tables.flows[forward] = entry;
        entry.other = forward;
        entry.kind = CNET_CT_REVERSE;
        tables.flows[reverse] = entry;
        return forward;
    }
};

TEST_F(MappingGcTest, LivesAsLongAsAFlowOfItsPort) {
    const cnet_ct_key mapping = add_mapping(7);
    const cnet_ct_key other = add_mapping(8);
    const cnet_ct_key flow = add_flow(7, IPPROTO_UDP, CNET_CT_ESTABLISHED);
    clock.advance_s(121);
    EXPECT_EQ(sweep().flows, 1u);
    EXPECT_TRUE(tables.flows.contains(mapping));
    EXPECT_FALSE(tables.flows.contains(other));
    tables.flows[flow].last_seen_ns = clock.monotonic_ns();
    clock.advance_s(300);
    EXPECT_EQ(sweep().flows, 0u);
    clock.advance_s(1);
    EXPECT_EQ(sweep().flows, 2u) << "the flow, and with it the mapping";
    EXPECT_TRUE(tables.flows.empty());
}

TEST_F(MappingGcTest, WhoKnocksDoesNotKeepIt) {
    add_mapping(7);
    const cnet_ct_key flow = add_flow(7, IPPROTO_UDP, CNET_CT_NEW);
    auto& entry = tables.flows[flow];
    entry.type = CNET_CT_DNAT;
    std::swap(entry.other.src, entry.other.dst); // answered from the endpoint
    entry.other.zone = 1;
    clock.advance_s(120);
    entry.last_seen_ns = clock.monotonic_ns();
    clock.advance_s(1);
    EXPECT_EQ(sweep().flows, 1u);
    add_mapping(7);
    entry.state = CNET_CT_ESTABLISHED; // now the endpoint has answered
    clock.advance_s(121);
    EXPECT_EQ(sweep().flows, 0u);
}

TEST_F(MappingGcTest, APortThatIsPublishedByNowGoes) {
    const cnet_ct_key mapping = add_mapping(htons(7000));
    control::PublishedPort published;
    published.id = 1;
    published.endpoint_id = 1;
    published.host_port = 6999;
    published.count = 2;
    published.l4 = CNET_L4_UDP;
    state.ports[1] = published;
    EXPECT_EQ(sweep().flows, 1u);
    EXPECT_FALSE(tables.flows.contains(mapping));
}

TEST_F(GcTest, FragmentsThatCameToNothingGo) {
    sweep();
    EXPECT_EQ(tables.fragments_dropped_before_ns, clock.monotonic_ns() - 30'000'000'000u);
}

TEST_F(GcTest, LearnedMacsAge) {
    const cnet_fdb_key key{1, {2, 0, 0, 0, 0, 1}, {}};
    const cnet_fdb_key orphan{7, {2, 0, 0, 0, 0, 1}, {}};
    tables.learned[key] = {clock.monotonic_ns(), 3, 0, 0, 0};
    tables.learned[orphan] = {clock.monotonic_ns(), 3, 0, 0, 0};
    EXPECT_EQ(sweep().macs, 1u) << "of a network that is gone";
    clock.advance_s(30);
    EXPECT_EQ(sweep().macs, 0u);
    clock.advance_s(1);
    EXPECT_EQ(sweep().macs, 1u);
    tables.learned[key] = {1, 3, 0, 0, 0};
    state.networks[1].ageing_s = 0;
    EXPECT_EQ(sweep().macs, 0u) << "0: never";
}

} // namespace

} // namespace cnet::test
