// What an uplink must leave alone, in both directions, and the host's own flows that meet a
// mapping.
#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

using Uplink = HostTest;

Packet host_tcp(uint16_t src_port = 40000) {
    return Ethernet{.src = kMacUp, .dst = kMacRouter} / Ipv4{.src = kHostAddr, .dst = kWorld} /
           Tcp{.src_port = src_port, .dst_port = 443} / Raw{"host"};
}

Packet reply_tcp(uint16_t dst_port) {
    return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kWorld, .dst = kHostAddr} /
           Tcp{.src_port = 443, .dst_port = dst_port, .flags = kSyn | kAck} / Raw{"reply"};
}

Packet ep1_tcp() {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
           Tcp{.src_port = 40000, .dst_port = 443} / Raw{"endpoint"};
}

TEST_F(Uplink, TheHostsTrafficPassesUntouched) {
    expect(uplink(reply_tcp(22)), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_OURS, reply_tcp(22));
    expect(egress(host_tcp()), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_NOT_OURS,
           host_tcp());
    auto arp = Ethernet{.src = kMacRouter, .dst = kMacBroadcast} /
               Arp{.sender_mac = kMacRouter, .sender_ip = "198.51.100.254", .target_ip = kHostAddr};
    expect(uplink(arp), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_IP, arp);
    expect(egress(arp), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_NOT_IP, arp);
    auto ip6 = Ethernet{.src = kMacRouter, .dst = kMacUp} /
               Ipv6{.src = "fe80::1", .dst = "fe80::2"} / Raw{"six"};
    expect(uplink(ip6), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_OURS, ip6);
}

TEST_F(Uplink, FragmentsAndCutPacketsAreTheHosts) {
    auto fragment = reply_tcp(40000);
    fragment.get<Ipv4>().fragment = 0x2000;
    expect(uplink(fragment), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_UPLINK_FRAGMENT, fragment);
    expect(egress(fragment), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_UPLINK_FRAGMENT,
           fragment);
    auto cut = Ethernet{.src = kMacRouter, .dst = kMacUp} /
               Ipv4{.src = kWorld, .dst = kHostAddr, .protocol = 6} / Raw{"short"};
    expect(uplink(cut), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_UPLINK_UNPARSED, cut);
    expect(egress(cut), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_UPLINK_UNPARSED, cut);
}

TEST_F(Uplink, OtherHostsPacketsAreNotOurs) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    auto packet = reply_tcp(8080);
    packet.get<Ethernet>().dst = kMacStranger;
    expect(uplink(packet), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_OURS, packet);
}

TEST_F(Uplink, TheHostsTunnelGoesFirst) {
    auto tunnel = [](const char* src_mac, const char* dst_mac, const char* src, const char* dst) {
        return Ethernet{.src = src_mac, .dst = dst_mac} /
               Ipv4{.src = src, .dst = dst, .protocol = 50} / Raw{"encapsulated payload"};
    };
    Packet ours = tunnel(kMacUp, kMacRouter, kHostAddr, kWorld);
    Packet theirs = tunnel(kMacRouter, kMacUp, kWorld, kHostAddr);
    Packet endpoints = tunnel(kMacEp1, kMacGw1, kEp1, kWorld);
    expect(egress(ours), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_NOT_OURS, ours);
    expect(uplink(theirs), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_OURS, theirs);
    EXPECT_EQ(endpoint("ep1", endpoints).counted[0].second, CNET_R_SNAT);
    EXPECT_EQ(uplink(theirs).counted[0].second, CNET_R_SNAT_REPLY);
    for (int i = 0; i < 2; i++) {
        expect(egress(ours), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_HOST_PORT_XLAT, ours);
        expect(uplink(theirs), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_HOST_PORT_XLAT, theirs);
        expect_drop(endpoint("ep1", endpoints), CNET_HOOK_ENDPOINT, CNET_R_PORTS_EXHAUSTED);
    }
    EXPECT_EQ(flows(), 1u);
    check_flows();
}

TEST_F(Uplink, HostAndEndpointShareAPortTowardsDifferentPeers) {
    endpoint("ep1", ep1_tcp());
    auto other = reply_tcp(40000);
    other.get<Ipv4>().src = "203.0.113.10";
    expect(uplink(other), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NO_FLOW_HOST, other);
    auto host = host_tcp();
    host.get<Ipv4>().dst = "203.0.113.10";
    expect(egress(host), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_NOT_OURS, host);
}

TEST_F(Uplink, HostFlowThatMeetsAMappingGetsAPortOfItsOwn) {
    endpoint("ep1", ep1_tcp());
    auto first = egress(host_tcp());
    auto port = be16_at(first.packet, 34);
    EXPECT_NE(port, 40000);
    auto translated = host_tcp();
    translated.get<Tcp>().src_port = port;
    expect(first, Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_HOST_PORT_XLAT, translated);
    expect(egress(host_tcp()), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_HOST_PORT_XLAT,
           translated);

    expect(uplink(reply_tcp(port)), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_HOST_PORT_XLAT,
           reply_tcp(40000));
    EXPECT_EQ(uplink(reply_tcp(40000)).counted[0].second, CNET_R_SNAT_REPLY)
        << "the endpoint keeps its own";

    std::vector<cnet_gc_ct> endpoint_flow(1);
    endpoint_flow[0].key = key4(1, IPPROTO_TCP, kEp1, 40000, kWorld, 443);
    EXPECT_EQ(*data_path().collect(endpoint_flow), 1u);
    expect(egress(host_tcp()), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS, CNET_R_HOST_PORT_XLAT,
           translated);
}

TEST_F(Uplink, HostFlowRefusedWhenNothingIsFree) {
    endpoint("ep1", ep1_tcp());
    for (uint32_t port = 1024; port < 65536; port++)
        maps().slot.set_binding(CNET_SLOT_INDEX(CNET_L4_TCP, port), 9);
    expect_drop(egress(host_tcp()), CNET_HOOK_UPLINK_EGRESS, CNET_R_PORTS_EXHAUSTED);
}

TEST_F(Uplink, DevicesWithoutEthernetHeader) {
    endpoint("ep1", ep1_tcp());
    // A test run needs an Ethernet header's worth of bytes and takes them off for the kernel's
    // view, so what can be seen here is that the program reads IP at offset 0: an Ethernet frame is
    // no IPv4 packet to it.
    auto frame = reply_tcp(40000);
    expect(run("cnet_uplink_l3", "up0", frame), Verdict::kNext, CNET_HOOK_UPLINK,
           CNET_R_UPLINK_UNPARSED, frame);
    expect(run("cnet_uplink_egr_l3", "up0", frame), Verdict::kNext, CNET_HOOK_UPLINK_EGRESS,
           CNET_R_UPLINK_UNPARSED, frame);
}

} // namespace
} // namespace cnet::test
