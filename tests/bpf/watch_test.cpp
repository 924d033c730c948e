// What the programs tell whoever watches them.
#include "maps/watch.h"

#include <arpa/inet.h>

#include "tests/bpf/host.h"
#include "userspace/base/ip.h"

namespace cnet::test {
namespace {

class WatchTest : public HostTest {
protected:
    static cnet_watcher wants(uint32_t kinds) {
        cnet_watcher wanted{};
        wanted.kinds = kinds;
        return wanted;
    }

    std::unique_ptr<maps::Watch> watch(const cnet_watcher& wanted) {
        auto begun = maps::Watch::begin(pins(), wanted);
        EXPECT_TRUE(begun) << begun.error().message();
        return begun ? std::move(*begun) : nullptr;
    }

    static std::vector<cnet_event> told(maps::Watch& watch) {
        std::vector<cnet_event> events;
        EXPECT_TRUE(watch.poll([&](const cnet_event& event, std::span<const uint8_t>) {
            events.push_back(event);
            return true;
        }));
        return events;
    }

    static Packet out(const char* src = kEp1, uint16_t port = 443, uint8_t flags = kSyn) {
        return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = src, .dst = kWorld} /
               Tcp{.src_port = 40000, .dst_port = port, .flags = flags} / Raw{"hello"};
    }
};

TEST_F(WatchTest, ADropIsToldToWhoWantsIt) {
    auto drops = watch(wants(CNET_EVENT_DROP)), flows = watch(wants(CNET_EVENT_FLOW_NEW));
    auto filtered = wants(CNET_EVENT_DROP);
    filtered.port_be = htons(80);
    auto port = watch(filtered);
    expect_drop(endpoint("ep1", out("10.1.0.77")), CNET_HOOK_ENDPOINT, CNET_R_SPOOFED_IP);
    auto events = told(*drops);
    ASSERT_EQ(events.size(), 1u) << "explaining it first told nobody";
    EXPECT_EQ(events[0].reason, CNET_R_SPOOFED_IP);
    EXPECT_EQ(events[0].ifindex, ifindex("ep1"));
    EXPECT_EQ(events[0].network_id, 1u);
    EXPECT_EQ(IpAddress::from_abi(events[0].tuple.src).to_string(), "10.1.0.77");
    EXPECT_EQ(ntohs(events[0].tuple.dst_port_be), 443);
    EXPECT_TRUE(told(*flows).empty());
    EXPECT_TRUE(told(*port).empty());
    endpoint("ep1", out("10.1.0.77", 80));
    EXPECT_EQ(told(*port).size(), 1u);
}

TEST_F(WatchTest, AFlowsBeginningAndEnd) {
    auto flows = watch(wants(CNET_EVENT_FLOW_NEW | CNET_EVENT_FLOW_END));
    endpoint("ep1", out());
    endpoint("ep1", out(kEp1, 443, kAck));
    auto events = told(*flows);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kinds, unsigned{CNET_EVENT_PACKET} | CNET_EVENT_FLOW_NEW);
    EXPECT_EQ(IpAddress::from_abi(events[0].reply.dst).to_string(), kHostAddr);
    endpoint("ep1", out(kEp1, 443, kRst));
    endpoint("ep1", out(kEp1, 443, kRst));
    events = told(*flows);
    ASSERT_EQ(events.size(), 1u) << "it ends once";
    EXPECT_EQ(events[0].kinds, unsigned{CNET_EVENT_PACKET} | CNET_EVENT_FLOW_END);
}

TEST_F(WatchTest, AnAssociationsEnd) {
    auto ends = watch(wants(CNET_EVENT_FLOW_END));
    for (SctpChunk chunk : {kInit, kShutdown, kAbort, kAbort, kShutdownComplete})
        endpoint("ep1", Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                            Ipv4{.src = kEp1, .dst = kWorld} /
                            Sctp{.src_port = 40000, .dst_port = 9900, .chunk = chunk});
    EXPECT_EQ(told(*ends).size(), 1u) << "it ends once";
}

TEST_F(WatchTest, FramesAsTheyGoOn) {
    auto whole = wants(CNET_EVENT_PACKET), cut = wants(CNET_EVENT_PACKET);
    whole.snap_bytes = 2 * CNET_SNAP_MAX;
    cut.snap_bytes = 20;
    auto packets = watch(whole), heads = watch(cut), events = watch(wants(CNET_EVENT_PACKET));
    const auto translated = endpoint("ep1", out());
    struct Told {
        cnet_event event;
        Bytes frame;
    };
    const auto one = [](maps::Watch& watch) {
        std::vector<Told> all;
        EXPECT_TRUE(watch.poll([&](const cnet_event& event, std::span<const uint8_t> frame) {
            all.push_back({event, {frame.begin(), frame.end()}});
            return true;
        }));
        EXPECT_EQ(all.size(), 1u);
        return all.empty() ? Told{} : all[0];
    };
    const Told all = one(*packets), head = one(*heads), none = one(*events);
    EXPECT_EQ(all.frame, translated.packet);
    EXPECT_EQ(all.event.frame_bytes, translated.packet.size());
    EXPECT_EQ(all.event.has_l2, 1);
    EXPECT_EQ(head.frame, Bytes(translated.packet.begin(), translated.packet.begin() + 20));
    EXPECT_EQ(head.event.frame_bytes, translated.packet.size());
    EXPECT_TRUE(none.frame.empty());
}

TEST_F(WatchTest, MoreThanItsShareIsLostAndCounted) {
    auto packets = watch(wants(CNET_EVENT_PACKET));
    auto fd = data_path().program("cnet_endpoint");
    ASSERT_TRUE(fd);
    for (unsigned i = 0; i < 2 * CNET_WATCH_BURST; i++) {
        Bytes bytes = out().bytes();
        run_once(*fd, ifindex("ep1"), bytes);
    }
    auto lost = packets->lost();
    ASSERT_TRUE(lost);
    EXPECT_EQ(told(*packets).size() + *lost, 2 * CNET_WATCH_BURST);
}

TEST_F(WatchTest, OnePacketInSoManyAndEveryDrop) {
    auto sampled = wants(CNET_EVENT_PACKET), with_drops = sampled;
    sampled.sample = with_drops.sample = 10;
    with_drops.kinds |= CNET_EVENT_DROP;
    auto packets = watch(sampled), drops = watch(with_drops);
    auto fd = data_path().program("cnet_endpoint");
    ASSERT_TRUE(fd);
    for (unsigned i = 0; i < 100; i++) {
        Bytes good = out().bytes(), bad = out("10.1.0.77").bytes();
        run_once(*fd, ifindex("ep1"), good);
        run_once(*fd, ifindex("ep1"), bad);
    }
    EXPECT_EQ(told(*packets).size(), 200u / 10);
    size_t dropped = 0, others = 0;
    for (const cnet_event& event : told(*drops))
        (event.kinds & CNET_EVENT_DROP ? dropped : others)++;
    EXPECT_EQ(dropped, 100u);
    EXPECT_EQ(others, 100u / 10);
    auto lost = packets->lost();
    ASSERT_TRUE(lost);
    EXPECT_EQ(*lost, 0u) << "what nobody wanted to hear";
}

TEST_F(WatchTest, PlacesAreLimitedAndGivenBack) {
    std::vector<std::unique_ptr<maps::Watch>> all;
    for (unsigned i = 0; i < CNET_WATCHERS; i++)
        all.push_back(watch(wants(CNET_EVENT_DROP)));
    auto refused = maps::Watch::begin(pins(), wants(CNET_EVENT_DROP));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kExhausted);
    all.pop_back();
    EXPECT_TRUE(watch(wants(CNET_EVENT_DROP)));
    all.clear();
    const Bytes kinds = contents_of_maps(pins())["cnet_watch"];
    EXPECT_EQ(kinds[0], 0) << "nobody wants anything any more";
}

} // namespace
} // namespace cnet::test
