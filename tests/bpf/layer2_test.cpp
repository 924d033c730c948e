// Switching inside a network: source checks, ARP, known and unknown unicast, learning.
#include "tests/bpf/host.h"

#include <chrono>

namespace cnet::test {
namespace {

using Layer2 = HostTest;

Packet ep1_to(const char* dst_mac, const char* dst_ip, const char* src_mac = kMacEp1,
              const char* src_ip = kEp1) {
    return Ethernet{.src = src_mac, .dst = dst_mac} / Ipv4{.src = src_ip, .dst = dst_ip} /
           Udp{.src_port = 4000, .dst_port = 53} / Raw{"payload"};
}

Packet arp_from_ep1(const char* target) {
    return Ethernet{.src = kMacEp1, .dst = kMacBroadcast} /
           Arp{.sender_mac = kMacEp1, .sender_ip = kEp1, .target_ip = target};
}

constexpr uint32_t kLearningPort = CNET_PORT_PEER | CNET_PORT_LEARNING | CNET_PORT_MASQUERADE;

TEST_F(Layer2, KnownUnicastIsRedirectedUnchanged) {
    auto packet = ep1_to(kMacEp2, kEp2);
    expect(endpoint("ep1", packet), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED,
           packet);
}

TEST_F(Layer2, UnknownUnicastAndBroadcastAreFlooded) {
    auto unknown = ep1_to(kMacStranger, kEp2);
    expect(endpoint("ep1", unknown), Verdict::kDrop, CNET_HOOK_ENDPOINT, CNET_R_FLOODED, unknown);
    auto broadcast = ep1_to(kMacBroadcast, "10.1.0.255");
    expect(endpoint("ep1", broadcast), Verdict::kDrop, CNET_HOOK_ENDPOINT, CNET_R_FLOODED,
           broadcast);
}

TEST_F(Layer2, FloodWithoutAnotherPortSaysSo) {
    cnet_network alone{};
    alone.flood_ports = 0;
    ASSERT_TRUE(maps().network.update(1, alone));
    expect_drop(endpoint("ep1", ep1_to(kMacBroadcast, "10.1.0.255")), CNET_HOOK_ENDPOINT,
                CNET_R_FLOOD_NOBODY);
}

TEST_F(Layer2, FloodToDeadDevicesCountsEachLostCopy) {
    cnet_flood_port gone{0x7ffffff0, CNET_PORT_PEER};
    for (uint32_t index : {0u, 1u, 2u})
        ASSERT_TRUE(maps().flood.update(cnet_flood_key{1, index}, gone));
    auto outcome = endpoint("ep1", ep1_to(kMacBroadcast, "10.1.0.255"));
    EXPECT_EQ(outcome.verdict, Verdict::kDrop);
    HookReason lost{CNET_HOOK_ENDPOINT, CNET_R_FLOOD_COPY_LOST},
        failed{CNET_HOOK_ENDPOINT, CNET_R_FLOOD_FAILED};
    EXPECT_EQ(std::count(outcome.counted.begin(), outcome.counted.end(), lost), 3);
    EXPECT_EQ(std::count(outcome.counted.begin(), outcome.counted.end(), failed), 1);
}

TEST_F(Layer2, FloodsAreLimitedAPort) {
    cnet_network network = **maps().network.lookup(1);
    network.flood_interval_ns = 250'000'000; // four a second
    ASSERT_TRUE(maps().network.update(1, network));
    auto broadcast = ep1_to(kMacBroadcast, "10.1.0.255");
    expect_drop(endpoint("ep1", broadcast), CNET_HOOK_ENDPOINT, CNET_R_FLOOD_LIMIT); // no bucket
    for (const char* device : {"ep1", "ep2"})
        ASSERT_TRUE(maps().flood_rate.update(cnet_flood_rate_key{1, ifindex(device), 0}, 0));
    for (int i = 0; i < 4; i++)
        expect(endpoint("ep1", broadcast), Verdict::kDrop, CNET_HOOK_ENDPOINT, CNET_R_FLOODED,
               broadcast);
    // Emptied for long, so that a slow machine does not refill it in between.
    ASSERT_TRUE(maps().flood_rate.update(cnet_flood_rate_key{1, ifindex("ep1"), 0}, ~0ull >> 1));
    expect_drop(endpoint("ep1", broadcast), CNET_HOOK_ENDPOINT, CNET_R_FLOOD_LIMIT);
    auto known = ep1_to(kMacEp2, kEp2);
    expect(endpoint("ep1", known), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, known);
    auto sibling = Ethernet{.src = kMacEp2, .dst = kMacBroadcast} /
                   Ipv4{.src = kEp2, .dst = "10.1.0.255"} / Raw{"x"};
    expect(endpoint("ep2", sibling), Verdict::kDrop, CNET_HOOK_ENDPOINT, CNET_R_FLOODED, sibling);
    auto host = Ethernet{.src = kMacGw1, .dst = kMacBroadcast} /
                Arp{.sender_mac = kMacGw1, .sender_ip = kGw1, .target_ip = "10.1.0.77"};
    expect(hostport(host), Verdict::kDrop, CNET_HOOK_HOSTPORT, CNET_R_FLOODED, host);
}

TEST_F(Layer2, AFloodsBucketHoldsASecondsWorth) {
    cnet_network network = **maps().network.lookup(1);
    network.flood_interval_ns = 100'000'000;
    ASSERT_TRUE(maps().network.update(1, network));
    ASSERT_TRUE(maps().flood_rate.update(cnet_flood_rate_key{1, ifindex("ep1"), 0}, 0));
    size_t flooded = 0, limited = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000 && limited < 5; i++) {
        const auto reason = endpoint("ep1", ep1_to(kMacBroadcast, "10.1.0.255")).counted[0].second;
        flooded += reason == CNET_R_FLOODED;
        limited += reason == CNET_R_FLOOD_LIMIT;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_EQ(limited, 5u);
    EXPECT_GE(flooded, 10u);
    EXPECT_LE(static_cast<double>(flooded), 10 + 10 * took.count() + 1);
}

TEST_F(Layer2, ReservedMulticastIsNeverForwarded) {
    auto bpdu = Ethernet{.src = kMacEp1, .dst = "01:80:c2:00:00:00", .type = 0x0026} / Raw{"bpdu"};
    expect_drop(endpoint("ep1", bpdu), CNET_HOOK_ENDPOINT, CNET_R_LINK_LOCAL_MCAST);
}

TEST_F(Layer2, SpoofedSourcesAreDropped) {
    expect_drop(endpoint("ep1", ep1_to(kMacEp2, kEp2, kMacStranger)), CNET_HOOK_ENDPOINT,
                CNET_R_SPOOFED_MAC);
    expect_drop(endpoint("ep1", ep1_to(kMacEp2, kEp2, kMacEp1, "10.1.0.77")), CNET_HOOK_ENDPOINT,
                CNET_R_SPOOFED_IP);
    expect_drop(endpoint("ep1", ep1_to(kMacEp2, kEp2, kMacEp1, kEp2)), CNET_HOOK_ENDPOINT,
                CNET_R_SPOOFED_IP);
    expect_drop(endpoint("ep1", ep1_to(kMacEp2, kEp2, "01:00:00:00:00:01")), CNET_HOOK_ENDPOINT,
                CNET_R_MULTICAST_SOURCE);
    auto arp = Ethernet{.src = kMacEp1, .dst = kMacBroadcast} /
               Arp{.sender_mac = kMacEp1, .sender_ip = kGw1, .target_ip = kEp2};
    expect_drop(endpoint("ep1", arp), CNET_HOOK_ENDPOINT, CNET_R_SPOOFED_IP);
    auto tagged =
        Ethernet{.src = kMacEp1, .dst = kMacEp2, .type = 0x88a8} / Raw{"\1\2\3\4 inner frame"};
    expect_drop(endpoint("ep1", tagged), CNET_HOOK_ENDPOINT, CNET_R_VLAN_UNCHECKED);
}

TEST_F(Layer2, SourcesBeforeAnAddressAreAllowed) {
    auto probe = Ethernet{.src = kMacEp1, .dst = kMacBroadcast} /
                 Arp{.sender_mac = kMacEp1, .sender_ip = "0.0.0.0", .target_ip = "10.1.0.99"};
    EXPECT_EQ(endpoint("ep1", probe).counted[0].second, CNET_R_FLOODED);
    auto dhcp = Ethernet{.src = kMacEp1, .dst = kMacBroadcast} /
                Ipv4{.src = "0.0.0.0", .dst = "255.255.255.255"} /
                Udp{.src_port = 68, .dst_port = 67} / Raw{"discover"};
    EXPECT_EQ(endpoint("ep1", dhcp).counted[0].second, CNET_R_FLOODED);
}

TEST_F(Layer2, Ipv6IsSwitchedFromItsOwnLinkLocalAlone) {
    auto own = Ethernet{.src = kMacEp1, .dst = kMacEp2} /
               Ipv6{.src = "fe80::ff:fe00:102", .dst = "fe80::1", .next_header = 58} /
               Raw{"\200\0\0\0 echo request of some length"};
    expect(endpoint("ep1", own), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, own);
    auto other = Ethernet{.src = kMacEp1, .dst = kMacEp2} /
                 Ipv6{.src = "fe80::bad", .dst = "fe80::1"} / Raw{"x"};
    expect_drop(endpoint("ep1", other), CNET_HOOK_ENDPOINT, CNET_R_SPOOFED_IP);
    // In the maps it means the endpoint's IPv4 address.
    Bytes mapped = (Ipv6{.src = "::", .dst = "fe80::1"} / Raw{"x"}).bytes();
    auto meaning = IpAddress::parse(kEp1)->bytes(); // ::ffff:10.1.0.2
    std::copy(meaning.begin(), meaning.end(), mapped.begin() + 8);
    auto disguised = Ethernet{.src = kMacEp1, .dst = kMacEp2, .type = 0x86dd} / Raw{mapped};
    expect_drop(endpoint("ep1", disguised), CNET_HOOK_ENDPOINT, CNET_R_SPOOFED_IP);
    Bytes advert(32, 0);
    advert[0] = 134;
    auto router = Ethernet{.src = kMacEp1, .dst = kMacEp2} /
                  Ipv6{.src = "fe80::ff:fe00:102", .dst = "ff02::1", .next_header = 58} /
                  Raw{advert};
    expect_drop(endpoint("ep1", router), CNET_HOOK_ENDPOINT, CNET_R_SPOOFED_IP);
}

TEST_F(Layer2, ArpIsAnsweredInPlace) {
    Packet reply = Ethernet{.src = kMacEp2, .dst = kMacEp1} / Arp{.operation = 2,
                                                                  .sender_mac = kMacEp2,
                                                                  .sender_ip = kEp2,
                                                                  .target_mac = kMacEp1,
                                                                  .target_ip = kEp1};
    expect(endpoint("ep1", arp_from_ep1(kEp2)), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_ARP_REPLY, reply);
    reply.get<Ethernet>().src = reply.get<Arp>().sender_mac = kMacGw1;
    reply.get<Arp>().sender_ip = kGw1;
    expect(endpoint("ep1", arp_from_ep1(kGw1)), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_ARP_REPLY, reply);
}

TEST_F(Layer2, ArpForTheAskersOwnAddressIsNotAnswered) {
    EXPECT_EQ(endpoint("ep1", arp_from_ep1(kEp1)).counted[0].second, CNET_R_FLOODED);
}

TEST_F(Layer2, ArpDoesNotCrossNetworks) {
    EXPECT_EQ(endpoint("ep1", arp_from_ep1(kEp3)).counted[0].second, CNET_R_FLOODED);
}

TEST_F(Layer2, HostAsksAndIsAnswered) {
    auto ask = Ethernet{.src = kMacGw1, .dst = kMacBroadcast} /
               Arp{.sender_mac = kMacGw1, .sender_ip = kGw1, .target_ip = kEp2};
    Packet reply = Ethernet{.src = kMacEp2, .dst = kMacGw1} / Arp{.operation = 2,
                                                                  .sender_mac = kMacEp2,
                                                                  .sender_ip = kEp2,
                                                                  .target_mac = kMacGw1,
                                                                  .target_ip = kGw1};
    expect(hostport(ask), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_ARP_REPLY, reply);
}

TEST_F(Layer2, HostPortDeliversTheHostsOwnPacketsAlone) {
    Packet own = Ethernet{.src = kMacGw1, .dst = kMacEp1} / Ipv4{.src = kGw1, .dst = kEp1} /
                 Udp{.src_port = 1, .dst_port = 2};
    expect(hostport(own), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED, own);
    own.get<Ipv4>().src = kHostAddr;
    expect(hostport(own), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED, own);
    own.get<Ipv4>().src = kWorld;
    expect_drop(hostport(own), CNET_HOOK_HOSTPORT, CNET_R_DIRECT_ROUTING);
    auto unknown = Ethernet{.src = kMacGw1, .dst = kMacStranger} /
                   Ipv4{.src = kGw1, .dst = "10.1.0.9"} / Raw{"?"};
    expect(hostport(unknown), Verdict::kDrop, CNET_HOOK_HOSTPORT, CNET_R_FLOODED, unknown);
}

TEST_F(Layer2, IccOffLeavesTheHostPortOnly) {
    const uint32_t flags = CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_ICC_OFF;
    set_port_flags("ep1", flags);
    expect_drop(endpoint("ep1", ep1_to(kMacEp2, kEp2)), CNET_HOOK_ENDPOINT, CNET_R_ICC_OFF);
    expect_drop(endpoint("ep1", ep1_to(kMacGw1, kEp2)), CNET_HOOK_ENDPOINT, CNET_R_ICC_OFF);
    EXPECT_EQ(endpoint("ep1", ep1_to(kMacGw1, kGw1)).counted[0].second, CNET_R_TO_HOST);
}

TEST_F(Layer2, FramesOfNoPortOrNoHeaderAreDropped) {
    expect_drop(run("cnet_endpoint", "up0", ep1_to(kMacEp2, kEp2)), CNET_HOOK_ENDPOINT,
                CNET_R_UNKNOWN_PORT);
    auto cut = Ethernet{.src = kMacEp1, .dst = kMacGw1, .type = 0x0800} / Raw{Bytes(24, 0)};
    set_port_flags("ep1", CNET_PORT_PEER);
    expect_drop(endpoint("ep1", cut), CNET_HOOK_ENDPOINT, CNET_R_MALFORMED);
}

TEST_F(Layer2, FrameToItsOwnPortIsDropped) {
    expect_drop(endpoint("ep1", ep1_to(kMacEp1, kEp1)), CNET_HOOK_ENDPOINT, CNET_R_SAME_PORT);
}

TEST_F(Layer2, LearnsMovesAndRefusesStatedAddresses) {
    set_port_flags("ep1", kLearningPort);
    set_port_flags("ep2", kLearningPort);
    cnet_fdb_key key{1, {0x02, 0, 0, 0, 0x99, 0x99}, {}};
    endpoint("ep1", ep1_to(kMacEp2, kEp2, kMacStranger));
    auto learned = maps().fdb.lookup(key);
    ASSERT_TRUE(learned && *learned);
    EXPECT_EQ((*learned)->ifindex, ifindex("ep1"));
    EXPECT_EQ(**maps().fdb_count.lookup(1), 1u);

    auto back = ep1_to(kMacStranger, kEp1, kMacEp2, kEp2);
    expect(endpoint("ep2", back), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, back);

    endpoint("ep2", ep1_to(kMacEp1, kEp1, kMacStranger));
    EXPECT_EQ((*maps().fdb.lookup(key))->ifindex, ifindex("ep2"));
    EXPECT_EQ(**maps().fdb_count.lookup(1), 1u) << "a move is not another MAC";

    expect_drop(endpoint("ep1", ep1_to(kMacEp1, kEp1, kMacEp2)), CNET_HOOK_ENDPOINT,
                CNET_R_SPOOFED_MAC);
}

TEST_F(Layer2, LearnedEntriesAge) {
    cnet_fdb_key key{1, {0x02, 0, 0, 0, 0x99, 0x99}, {}};
    ASSERT_TRUE(maps().fdb.update(key, cnet_fdb_entry{1, ifindex("ep2"), CNET_PORT_PEER, 0, 0}));
    cnet_network network = **maps().network.lookup(1);
    network.ageing_s = 1;
    ASSERT_TRUE(maps().network.update(1, network));
    EXPECT_EQ(endpoint("ep1", ep1_to(kMacStranger, kEp2)).counted[0].second, CNET_R_FLOODED);
    network.ageing_s = 0;
    ASSERT_TRUE(maps().network.update(1, network));
    EXPECT_EQ(endpoint("ep1", ep1_to(kMacStranger, kEp2)).counted[0].second, CNET_R_SWITCHED);
}

TEST_F(Layer2, LimitAndFullTableStopLearningNotForwarding) {
    set_port_flags("ep1", kLearningPort);
    auto from = [](const std::string& mac) {
        return Ethernet{.src = mac, .dst = kMacEp2} / Ipv4{.src = kEp1, .dst = kEp2} / Raw{"x"};
    };
    endpoint("ep1", from("02:00:00:00:99:01"));
    endpoint("ep1", from("02:00:00:00:99:02"));
    auto outcome = endpoint("ep1", from("02:00:00:00:99:03")); // mac_limit is 2
    EXPECT_EQ(outcome.verdict, Verdict::kRedirect);
    EXPECT_EQ(std::count(outcome.counted.begin(), outcome.counted.end(),
                         HookReason{CNET_HOOK_ENDPOINT, CNET_R_MAC_LIMIT}),
              1);
    EXPECT_EQ(**maps().fdb_count.lookup(1), 2u);

    cnet_network network = **maps().network.lookup(1);
    network.mac_limit = 0;
    ASSERT_TRUE(maps().network.update(1, network));
    bool full = false;
    for (int i = 0x10; i < 0x80 && !full; i++) { // the map holds 16
        char mac[18];
        std::snprintf(mac, sizeof(mac), "02:00:00:00:98:%02x", i);
        auto result = endpoint("ep1", from(mac));
        EXPECT_EQ(result.verdict, Verdict::kRedirect);
        full = std::count(result.counted.begin(), result.counted.end(),
                          HookReason{CNET_HOOK_ENDPOINT, CNET_R_FDB_FULL}) == 1;
    }
    EXPECT_TRUE(full);
    size_t learned = 0;
    ASSERT_TRUE(maps().fdb.for_each([&](const cnet_fdb_key& key, const cnet_fdb_entry& entry) {
        learned += key.network_id == 1 && !(entry.flags & CNET_FDB_STATIC);
    }));
    EXPECT_EQ(**maps().fdb_count.lookup(1), learned);
}

} // namespace
} // namespace cnet::test
