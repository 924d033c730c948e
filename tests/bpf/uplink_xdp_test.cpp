// The XDP program of an uplink: it drops what the tc program would drop, for the same reason, and
// leaves all else to it as it came.
#include <bpf/bpf.h>

#include <arpa/inet.h>
#include <array>
#include <map>
#include <random>
#include <span>

#include "maps/reasons.h"
#include "maps/watch.h"
#include "tests/bpf/overlay.h"

namespace cnet::test {
namespace {

constexpr uint16_t kPort = 8080;
constexpr char kFriend[] = "203.0.113.40", kStranger[] = "198.51.100.66",
               kStranger6[] = "2001:db8:f::66";

constexpr cnet_reason kReasons[] = {CNET_R_VXLAN_STRANGER, CNET_R_VXLAN_BAD, CNET_R_VXLAN_VNI,
                                    CNET_R_VXLAN_FORGED,   CNET_R_NO_FLOW,   CNET_R_NOT_ALLOWED,
                                    CNET_R_NEW_LIMIT};

class UplinkXdp : public Overlay {
protected:
    struct Seen {
        uint32_t verdict = 0;
        Bytes packet;
        std::vector<HookReason> counted;
    };

    void SetUp() override {
        Overlay::SetUp();
        if (IsSkipped()) return;
        ASSERT_TRUE(maps().vtep.update(abi(kHostAddr6), cnet_vtep{}));
        ASSERT_TRUE(
            maps().fdb.update(own_mac(), cnet_fdb_entry{0, ifindex("up0"), 0, CNET_FDB_STATIC, 0}));
        allow(5, kFriend);
        publish(50, CNET_L4_TCP, kPort, kEp1, 80);
        publish(51, CNET_L4_UDP, kPort, kEp1, 80);
        limit(50, 5);
        limit(51, 5);
    }

    static cnet_fdb_key own_mac() {
        cnet_fdb_key key = fdb_key(kMacUp);
        key.network_id = CNET_ZONE_WORLD;
        return key;
    }

    void allow(uint32_t list, const char* client) {
        ASSERT_TRUE(
            maps().allow.update(cnet_allow_key{CNET_ALLOW_PREFIX_LEN(128), list, abi(client)}, 1u));
    }

    void limit(uint32_t id, uint32_t list, uint8_t flags = 0) {
        auto binding = **maps().binding.lookup(id);
        binding.allow_list_id = list;
        binding.flags = flags;
        ASSERT_TRUE(maps().binding.update(id, binding));
    }

    // Two at once, and by kEmpty none.
    static constexpr uint64_t kEmpty = uint64_t{1} << 62;
    void limit_new(uint32_t id, uint64_t full_at_ns) {
        auto binding = **maps().binding.lookup(id);
        binding.new_interval_ns = 1'000'000'000;
        binding.new_burst = 2;
        binding.new_full_at_ns = full_at_ns;
        ASSERT_TRUE(maps().binding.update(id, binding));
    }

    // Of kReasons, by hook.
    struct Counts {
        std::array<uint64_t, std::size(kReasons)> xdp{}, tc{};
        bool operator==(const Counts&) const = default;
    };

    Counts counts() {
        Counts counts;
        for (size_t i = 0; i < std::size(kReasons); i++) {
            counts.xdp[i] = maps().counters.total(CNET_HOOK_UPLINK_XDP, kReasons[i])->packets;
            counts.tc[i] = maps().counters.total(CNET_HOOK_UPLINK, kReasons[i])->packets;
        }
        return counts;
    }

    uint32_t run_early(const Bytes& in, Bytes& out) {
        xdp_md context{};
        context.data_end = static_cast<uint32_t>(in.size());
        context.ingress_ifindex = ifindex("up0");
        out.assign(in.size() + 64, 0);
        bpf_test_run_opts options{};
        options.sz = sizeof(options);
        options.data_in = in.data();
        options.data_size_in = static_cast<uint32_t>(in.size());
        options.data_out = out.data();
        options.data_size_out = static_cast<uint32_t>(out.size());
        options.ctx_in = &context;
        options.ctx_size_in = sizeof(context);
        options.repeat = 1;
        const int fd = *data_path().program("cnet_uplink_xdp");
        EXPECT_EQ(bpf_prog_test_run_opts(fd, &options), 0) << strerror(errno);
        out.resize(options.data_size_out);
        return options.retval;
    }

    Seen xdp(const Bytes& in) {
        Seen seen;
        seen.counted = counted_by([&] { seen.verdict = run_early(in, seen.packet); });
        return seen;
    }

    // Dropped by both programs, for the same reason.
    void expect_both_drop(const Packet& packet, cnet_reason reason) {
        const Seen early = xdp(packet.bytes());
        EXPECT_EQ(early.verdict, uint32_t{XDP_DROP}) << maps::reason(reason).name;
        EXPECT_EQ(early.counted, (std::vector<HookReason>{{CNET_HOOK_UPLINK_XDP, reason}}));
        expect_drop(uplink(packet), CNET_HOOK_UPLINK, reason);
    }

    void expect_left(const Packet& packet, const char* why) {
        const Seen early = xdp(packet.bytes());
        EXPECT_EQ(early.verdict, uint32_t{XDP_PASS}) << why;
        EXPECT_TRUE(early.counted.empty()) << why;
        EXPECT_EQ(hex(early.packet), hex(packet.bytes())) << why;
    }

    static Packet dial(const char* from = kWorld, uint8_t flags = kSyn) {
        return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = from, .dst = kHostAddr} /
               Tcp{.src_port = 40000, .dst_port = kPort, .flags = flags} / Raw{"knock"};
    }

    static Packet ask(const char* from, uint16_t src_port, uint16_t dst_port = kPort) {
        return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = from, .dst = kHostAddr} /
               Udp{.src_port = src_port, .dst_port = dst_port} / Raw{"question"};
    }

    static Packet strange() {
        auto packet = from_peer(to_ep1());
        packet.get<Ipv4>().src = kStranger;
        return packet;
    }

    static Packet strange6() {
        auto packet = from_peer6(to_ep1());
        packet.get<Ipv6>().src = kStranger6;
        return packet;
    }

    // VXLAN and dials from everywhere, three of four with up to three bytes of their headers bent.
    Bytes hostile() {
        const char* const sources[] = {kPeer, kStranger, kWorld, kFriend};
        const char* const source = sources[random_() % 4];
        const auto port = static_cast<uint16_t>(random_() % 4 ? kPort : 4789);
        Packet made[] = {
            from_peer(to_ep1(), random_() % 2 ? kVni : kVni + 1, random_() % 4 ? 0x08 : 0x0c),
            from_peer6(to_ep1()),
            strange(),
            strange6(),
            dial(source, static_cast<uint8_t>(random_() % 32)),
            ask(source, random_() % 2 ? 4789 : 40000, port)};
        Bytes frame = made[random_() % std::size(made)].bytes();
        for (size_t bent = random_() % 4; bent > 0; bent--)
            frame[random_() % std::min<size_t>(frame.size(), 58)] = static_cast<uint8_t>(random_());
        if (random_() % 8 == 0) frame.resize(34 + random_() % (frame.size() - 33));
        // As a device would hand it to tc; newer kernels run no other.
        const auto type = be16_at(frame, 12);
        frame.resize(std::max<size_t>(frame.size(), type == 0x86dd ? 54 : 34));
        return frame;
    }

    std::mt19937_64 random_{7};
};

TEST_F(UplinkXdp, VxlanFromStrangers) {
    expect_both_drop(strange(), CNET_R_VXLAN_STRANGER);
    expect_both_drop(strange6(), CNET_R_VXLAN_STRANGER);
    auto elsewhere = from_peer(to_ep1());
    elsewhere.get<Ipv4>().dst = "198.51.100.2";
    expect_left(elsewhere, "what goes to others is theirs");
    ASSERT_TRUE(maps().vtep.update(abi("198.51.100.2"), cnet_vtep{}));
    expect_both_drop(elsewhere, CNET_R_VXLAN_STRANGER);
}

TEST_F(UplinkXdp, VxlanInAPeersName) {
    expect_left(from_peer(to_ep1()), "a peer's");
    expect_left(from_peer6(to_ep1()), "a peer's");
    expect_both_drop(from_peer(to_ep1(), kVni + 1), CNET_R_VXLAN_VNI);
    expect_both_drop(from_peer(to_ep1(), kVni, 0x0c), CNET_R_VXLAN_BAD);
    auto summed = from_peer(to_ep1(), kVni + 1);
    summed.get<Udp>().checksum = true;
    expect_left(summed, "nobody has looked at its checksum");
    auto padded = from_peer(to_ep1(), kVni + 1).bytes();
    padded.resize(padded.size() + 8);
    EXPECT_EQ(xdp(padded).verdict, uint32_t{XDP_PASS}) << "its lengths do not agree";
}

TEST_F(UplinkXdp, ClientsThatAreNotAllowed) {
    expect_left(dial(kFriend), "allowed");
    expect_left(ask(kFriend, 40000), "allowed");
    expect_both_drop(dial(), CNET_R_NOT_ALLOWED);
    expect_both_drop(ask(kWorld, 40000), CNET_R_NOT_ALLOWED);
    expect_both_drop(dial(kWorld, kRst), CNET_R_NO_FLOW);
    expect_both_drop(ask(kPeer, 4789), CNET_R_VXLAN_FORGED);
    EXPECT_EQ(flows(), 0u);
    auto open = dial();
    open.get<Tcp>().dst_port = 8081;
    expect_left(open, "not published");
    limit(50, 0);
    expect_left(dial(), "a port without a list");
}

TEST_F(UplinkXdp, PublishedByAddress) {
    maps().slot.set_binding(CNET_SLOT_INDEX(CNET_L4_TCP, kPort), CNET_BINDING_BY_ADDR);
    cnet_bind_key key{abi(kHostAddr), CNET_SLOT_INDEX(CNET_L4_TCP, kPort)};
    expect_left(dial(), "published on no address");
    ASSERT_TRUE(maps().bind_addr.update(key, 50u));
    expect_both_drop(dial(), CNET_R_NOT_ALLOWED);
}

TEST_F(UplinkXdp, WhatHasBegunGoesOn) {
    limit(50, 0);
    EXPECT_EQ(uplink(dial()).counted[0].second, CNET_R_DNAT);
    limit(50, 5);
    expect_left(dial(kWorld, kAck), "of a flow");
    expect_both_drop(dial(kStranger), CNET_R_NOT_ALLOWED);
    auto reset = dial(kStranger, kRst);
    expect_both_drop(reset, CNET_R_NO_FLOW);
}

TEST_F(UplinkXdp, MoreConnectionsThanMayBegin) {
    limit(50, 0);
    limit_new(50, 0);
    expect_left(dial(), "there are tokens");
    EXPECT_EQ((*maps().binding.lookup(50))->new_full_at_ns, 0u) << "it takes none itself";
    EXPECT_EQ(uplink(dial()).counted[0].second, CNET_R_DNAT);
    EXPECT_GT((*maps().binding.lookup(50))->new_full_at_ns, 0u);
    limit_new(50, kEmpty);
    expect_both_drop(dial(kStranger), CNET_R_NEW_LIMIT);
    expect_left(dial(kWorld, kAck), "of a flow");
    auto expiring = dial(kStranger);
    expiring.get<Ipv4>().ttl = 1;
    expect_left(expiring, "an ICMP error answers it");
    expect_both_drop(dial(kStranger, kRst), CNET_R_NO_FLOW);
    limit(50, 5);
    expect_both_drop(dial(kStranger), CNET_R_NOT_ALLOWED);
    expect_both_drop(dial(kFriend), CNET_R_NEW_LIMIT);
}

TEST_F(UplinkXdp, InDoubtItIsLeft) {
    auto packet = dial();
    packet.get<Ethernet>().dst = kMacStranger;
    expect_left(packet, "to another MAC, in promiscuous mode");
    packet = dial();
    packet.get<Ipv4>().ttl = 1;
    expect_left(packet, "an ICMP error answers it");
    packet = dial();
    packet.get<Ipv4>().dst = "198.51.100.2";
    expect_left(packet, "to be forwarded by the host");
    packet = strange();
    packet.get<Ipv4>().fragment = 0x2000;
    expect_left(packet, "a fragment");
    expect_left(Ethernet{.src = kMacRouter, .dst = kMacUp} /
                    Ipv6{.src = kStranger6, .dst = kHostAddr6} / Extension{} /
                    Udp{.src_port = 50000, .dst_port = 4789} / Raw(in_vxlan(to_ep1())),
                "an extension header");
    expect_left(Ethernet{.src = kMacRouter, .dst = kMacBroadcast} /
                    Arp{.sender_mac = kMacRouter, .sender_ip = kStranger, .target_ip = kHostAddr},
                "no IP");
    limit(50, 5, CNET_BINDING_LOOPBACK);
    expect_left(dial(), "the host's own");
    Bytes tagged = strange().bytes();
    tagged.insert(tagged.begin() + 12, {0x81, 0x00, 0x00, 0x0a});
    EXPECT_EQ(xdp(tagged).verdict, uint32_t{XDP_PASS}) << "tagged";
    EXPECT_EQ(xdp(Bytes(20, 0x45)).verdict, uint32_t{XDP_PASS}) << "cut short";
}

TEST_F(UplinkXdp, OfAnUplinkAlone) {
    ASSERT_TRUE(
        maps().fdb.update(own_mac(), cnet_fdb_entry{0, ifindex("ep1"), 0, CNET_FDB_STATIC, 0}));
    expect_left(dial(), "another device's MAC");
    ASSERT_TRUE(maps().fdb.erase(own_mac()));
    expect_left(dial(), "no uplink any more");
}

// What the one drops the other would have dropped, whatever the frame.
TEST_F(UplinkXdp, NeverAnotherVerdictThanTcs) {
    const char* text = std::getenv("CNET_HOSTILE_FRAMES");
    const uint64_t frames = text ? std::strtoull(text, nullptr, 0) : 20'000;
    const int tc = *data_path().program("cnet_uplink");
    std::map<cnet_reason, uint64_t> dropped;
    limit_new(51, kEmpty);
    for (uint64_t done = 0; done < frames; done++) {
        const Bytes frame = hostile();
        const Counts before = counts();
        Bytes out;
        const uint32_t early = run_early(frame, out);
        const Counts between = counts();
        ASSERT_EQ(hex(out), hex(frame));
        out = frame; // of those it leaves, some begin flows
        const Verdict late = run_once(tc, ifindex("up0"), out);
        const Counts after = counts();
        if (early != XDP_DROP) {
            ASSERT_EQ(before, between) << hex(frame);
            continue;
        }
        ASSERT_EQ(late, Verdict::kDrop) << "frame " << done << "\n" << hex(frame);
        for (size_t i = 0; i < std::size(kReasons); i++) {
            const uint64_t by_xdp = between.xdp[i] - before.xdp[i];
            ASSERT_EQ(by_xdp, after.tc[i] - between.tc[i])
                << maps::reason(kReasons[i]).name << ", frame " << done << "\n"
                << hex(frame);
            dropped[kReasons[i]] += by_xdp;
        }
    }
    for (cnet_reason reason : kReasons)
        EXPECT_GT(dropped[reason], frames / 1000) << maps::reason(reason).name;
}

TEST_F(UplinkXdp, ADropIsTold) {
    cnet_watcher wanted{};
    wanted.kinds = CNET_EVENT_DROP;
    wanted.snap_bytes = CNET_SNAP_MAX;
    auto watch = maps::Watch::begin(pins(), wanted);
    ASSERT_TRUE(watch) << watch.error().message();
    xdp(dial().bytes());
    xdp(dial(kFriend).bytes());
    std::vector<cnet_event> events;
    Bytes told;
    ASSERT_TRUE((*watch)->poll([&](const cnet_event& event, std::span<const uint8_t> frame) {
        events.push_back(event);
        told.assign(frame.begin(), frame.end());
        return true;
    }));
    ASSERT_EQ(events.size(), 1u) << "what goes on is told of by the other program";
    EXPECT_EQ(events[0].hook, CNET_HOOK_UPLINK_XDP);
    EXPECT_EQ(events[0].reason, CNET_R_NOT_ALLOWED);
    EXPECT_EQ(events[0].ifindex, ifindex("up0"));
    EXPECT_EQ(IpAddress::from_abi(events[0].tuple.src).to_string(), kWorld);
    EXPECT_EQ(ntohs(events[0].tuple.dst_port_be), kPort);
    EXPECT_EQ(hex(told), hex(dial().bytes()));
}

} // namespace
} // namespace cnet::test
