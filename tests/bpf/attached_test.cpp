// A port with whoever knows what behind it: an attached device, here ep2.
#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

constexpr char kUnstated[] = "10.1.0.77";

class Attached : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        if (IsSkipped()) return;
        set_port_flags("ep2", CNET_PORT_LEARNING | CNET_PORT_MASQUERADE);
    }

    void open_network() {
        cnet_network network = **maps().network.lookup(1);
        network.flags = CNET_NETWORK_OPEN;
        network.mtu = 1500;
        ASSERT_TRUE(maps().network.update(1, network));
    }
};

Packet from_behind(const char* dst_mac, const char* dst_ip) {
    return Ethernet{.src = kMacStranger, .dst = dst_mac} / Ipv4{.src = kUnstated, .dst = dst_ip} /
           Udp{.src_port = 40000, .dst_port = 53} / Raw{"from behind the device"};
}

Packet to_behind(size_t size) {
    return Ethernet{.src = kMacEp1, .dst = kMacStranger} / Ipv4{.src = kEp1, .dst = kUnstated} /
           Udp{.src_port = 4000, .dst_port = 53} / Raw{Bytes(size - 28, 'x')};
}

Packet reply() {
    return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kWorld, .dst = kHostAddr} /
           Udp{.src_port = 53, .dst_port = 40000} / Raw{"the world's answer"};
}

TEST_F(Attached, AnySourceIsSwitchedAndLearned) {
    auto frame = from_behind(kMacEp1, kEp1);
    expect(endpoint("ep2", frame), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, frame);
    auto answer = to_behind(100);
    expect(endpoint("ep1", answer), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED,
           answer);
    auto tagged = Ethernet{.src = kMacStranger, .dst = kMacEp1, .type = 0x88a8} /
                  Raw{"\1\2\3\4 inner frame of some length"};
    expect(endpoint("ep2", tagged), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED,
           tagged);
}

TEST_F(Attached, WhoIsAskedHearsOfTheAsker) {
    auto arp = Ethernet{.src = kMacStranger, .dst = kMacBroadcast} /
               Arp{.sender_mac = kMacStranger, .sender_ip = kUnstated, .target_ip = kEp1};
    expect(endpoint("ep2", arp), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, arp);
    arp.get<Arp>().target_ip = kGw1;
    expect(endpoint("ep2", arp), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, arp);
    auto solicit = Ethernet{.src = kMacStranger, .dst = "33:33:ff:00:00:02"} /
                   Ipv6{.src = "fd00:1::77", .dst = "ff02::1:ff00:2", .hop_limit = 255} /
                   Icmp6{.type = 135} / Raw{ip_bytes(kEp1v6)};
    expect(endpoint("ep2", solicit), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED,
           solicit);
}

TEST_F(Attached, WhatTheDeviceCannotTakeIsDropped) {
    endpoint("ep2", from_behind(kMacEp1, kEp1));
    shell("ip link set ep2 mtu 1000");
    auto fits = to_behind(1004); // a VLAN tag's length more than the MTU, as on a bridge
    expect(endpoint("ep1", fits), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, fits);
    expect_drop(endpoint("ep1", to_behind(1005)), CNET_HOOK_ENDPOINT, CNET_R_PORT_MTU);

    cnet_flood_port port{ifindex("ep2"), CNET_PORT_LEARNING};
    ASSERT_TRUE(maps().flood.update(cnet_flood_key{1, 2}, port));
    auto broadcast = to_behind(1005);
    broadcast.get<Ethernet>().dst = kMacBroadcast;
    auto outcome = endpoint("ep1", broadcast);
    EXPECT_EQ(std::count(outcome.counted.begin(), outcome.counted.end(),
                         HookReason{CNET_HOOK_ENDPOINT, CNET_R_FLOOD_COPY_LOST}),
              1);
    EXPECT_EQ(std::count(outcome.counted.begin(), outcome.counted.end(),
                         HookReason{CNET_HOOK_ENDPOINT, CNET_R_FLOODED}),
              1);
}

TEST_F(Attached, RepliesToUnstatedAddressesLeaveByTheHostPort) {
    auto out = from_behind(kMacGw1, kWorld);
    EXPECT_EQ(endpoint("ep2", out).counted.at(0).second, CNET_R_SNAT);
    expect_drop(uplink(reply()), CNET_HOOK_UPLINK, CNET_R_NO_NEIGH);
    open_network();
    auto in = reply();
    in.get<Ipv4>().dst = kUnstated;
    in.get<Ipv4>().ttl--;
    expect(uplink(reply()), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY, in);
}

TEST_F(Attached, ErrorsAboutFlowsOfUnstatedAddressesToo) {
    open_network();
    endpoint("ep2", from_behind(kMacGw1, kWorld));
    auto error = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                 Ipv4{.src = "192.0.2.77", .dst = kHostAddr} / Icmp{.type = 3, .code = 3} /
                 Ipv4{.src = kHostAddr, .dst = kWorld, .ttl = 60} /
                 Udp{.src_port = 40000, .dst_port = 53} / Raw{"from behind the device"};
    auto outcome = uplink(error);
    EXPECT_EQ(outcome.verdict, Verdict::kRedirect);
    EXPECT_EQ(outcome.counted.at(0).second, CNET_R_ICMP_ERROR_NAT);
}

TEST_F(Attached, UnstatedAddressesAreReachedThroughTheGatewayToo) {
    auto out = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kUnstated} /
               Udp{.src_port = 4000, .dst_port = 53} / Raw{"by way of the gateway"};
    expect_drop(endpoint("ep1", out), CNET_HOOK_ENDPOINT, CNET_R_OTHER_NETWORK);
    open_network();
    auto routed = out;
    routed.get<Ipv4>().ttl--;
    expect(endpoint("ep1", out), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ROUTED, routed);
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_ICC_OFF);
    expect_drop(endpoint("ep1", out), CNET_HOOK_ENDPOINT, CNET_R_ICC_OFF);
}

} // namespace
} // namespace cnet::test
