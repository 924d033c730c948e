// From an endpoint to the world and back: masquerade, port choice, TTL, refusals.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

class Snat : public HostTest {
protected:
    // Of out_tcp() and in_tcp() by port 40000.
    cnet_ct_entry tcp_flow() {
        return maps().ct.lookup(key4(1, IPPROTO_TCP, kEp1, 40000, kWorld, 443))->value();
    }
};

Packet out_tcp(uint16_t src_port = 40000, uint8_t flags = kSyn) {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
           Tcp{.src_port = src_port, .dst_port = 443, .flags = flags} / Raw{"hello"};
}

Packet out_udp(uint16_t src_port = 40000) {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
           Udp{.src_port = src_port, .dst_port = 53} / Raw{"question"};
}

Packet in_tcp(uint16_t dst_port, uint8_t flags = kSyn | kAck) {
    return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kWorld, .dst = kHostAddr} /
           Tcp{.src_port = 443, .dst_port = dst_port, .flags = flags} / Raw{"answer"};
}

// What leaves: the host's address, a hop less; the Ethernet header is the kernel's to make.
Packet translated(Packet packet) {
    packet.get<Ipv4>().src = kHostAddr;
    packet.get<Ipv4>().ttl--;
    return packet;
}

Packet delivered(Packet packet, const char* mac = kMacEp1, const char* gateway = kMacGw1,
                 const char* ip = kEp1) {
    packet.get<Ethernet>() = {.src = gateway, .dst = mac, .type = {}};
    packet.get<Ipv4>().dst = ip;
    packet.get<Ipv4>().ttl--;
    return packet;
}

uint16_t source_port(const Outcome& outcome) {
    return be16_at(outcome.packet, 34);
}

TEST_F(Snat, TcpKeepsItsPortAndComesBack) {
    expect(endpoint("ep1", out_tcp()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           translated(out_tcp()));
    EXPECT_EQ(flows(), 1u);
    expect(uplink(in_tcp(40000)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY,
           delivered(in_tcp(40000)));
    endpoint("ep1", out_tcp(40000, kAck));
    auto entry = maps().ct.lookup(key4(1, IPPROTO_TCP, kEp1, 40000, kWorld, 443));
    ASSERT_TRUE(entry && *entry);
    EXPECT_EQ((*entry)->state, CNET_CT_ESTABLISHED);
    EXPECT_EQ((*entry)->fib_ifindex, ifindex("up0"));
    EXPECT_EQ((*entry)->fib_mtu, 1500u);
    EXPECT_EQ(maps().slot.nat_refs(CNET_SLOT_INDEX(CNET_L4_TCP, 40000)), 1u);
}

TEST_F(Snat, UdpWithAndWithoutChecksum) {
    expect(endpoint("ep1", out_udp()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           translated(out_udp()));
    auto bare = out_udp(40001);
    bare.get<Udp>().checksum = false;
    expect(endpoint("ep1", bare), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           translated(bare));
}

TEST_F(Snat, EchoKeepsItsIdentifierAndComesBack) {
    Packet request = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                     Icmp{.type = 8, .id = 77, .seq = 1} / Raw{"ping"};
    expect(endpoint("ep1", request), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           translated(request));
    Packet reply = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                   Ipv4{.src = kWorld, .dst = kHostAddr} / Icmp{.type = 0, .id = 77, .seq = 1} /
                   Raw{"ping"};
    expect(uplink(reply), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY,
           delivered(reply));
}

TEST_F(Snat, OtherQueriesGoOutAndComeBack) {
    uint16_t id = 77;
    for (uint8_t type :
         {uint8_t{13}, uint8_t{15}, uint8_t{17}}) { // timestamp, information, address mask
        Packet request = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                         Ipv4{.src = kEp1, .dst = kWorld} / Icmp{.type = type, .id = ++id} /
                         Raw{"0123456789ab"};
        expect(endpoint("ep1", request), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
               translated(request));
        Packet reply = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                       Ipv4{.src = kWorld, .dst = kHostAddr} /
                       Icmp{.type = static_cast<uint8_t>(type + 1), .id = id} / Raw{"0123456789ab"};
        expect(uplink(reply), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY,
               delivered(reply));
        Packet unasked = reply;
        unasked.get<Icmp>().id = 1;
        EXPECT_EQ(uplink(unasked).verdict, Verdict::kNext);
    }
}

TEST_F(Snat, ProtocolsWithoutPorts) {
    for (bool v6 : {false, true}) {
        auto layer = [&](const char* four, const char* six, const char* four_to, const char* six_to,
                         uint8_t ttl = 64) {
            return v6 ? Layer(Ipv6{.src = six, .dst = six_to, .hop_limit = ttl, .next_header = 47})
                      : Layer(Ipv4{.src = four, .dst = four_to, .ttl = ttl, .protocol = 47});
        };
        const Raw body("generic routing encapsulation");
        Packet out =
            Ethernet{.src = kMacEp1, .dst = kMacGw1} / layer(kEp1, kEp1v6, kWorld, kWorld6) / body;
        Packet left = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                      layer(kHostAddr, kHostAddr6, kWorld, kWorld6, 63) / body;
        expect(endpoint("ep1", out), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT, left);
        Packet reply = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                       layer(kWorld, kWorld6, kHostAddr, kHostAddr6) / body;
        Packet arrives = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                         layer(kWorld, kWorld6, kEp1, kEp1v6, 63) / body;
        expect(uplink(reply), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY, arrives);
        Packet second =
            Ethernet{.src = kMacEp2, .dst = kMacGw1} / layer(kEp2, kEp2v6, kWorld, kWorld6) / body;
        expect_drop(endpoint("ep2", second), CNET_HOOK_ENDPOINT, CNET_R_PORTS_EXHAUSTED);
    }
    check_flows();
}

TEST_F(Snat, SecondEndpointWithTheSamePortGetsAnother) {
    endpoint("ep1", out_tcp());
    Packet other = Ethernet{.src = kMacEp2, .dst = kMacGw1} / Ipv4{.src = kEp2, .dst = kWorld} /
                   Tcp{.src_port = 40000, .dst_port = 443} / Raw{"hello"};
    auto outcome = endpoint("ep2", other);
    uint16_t port = source_port(outcome);
    EXPECT_NE(port, 40000);
    EXPECT_GE(port, 1024);
    Packet expected = translated(other);
    expected.get<Tcp>().src_port = port;
    expect(outcome, Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT, expected);

    auto reply = in_tcp(port);
    auto to_ep2 = delivered(reply, kMacEp2, kMacGw1, kEp2);
    to_ep2.get<Tcp>().dst_port = 40000;
    expect(uplink(reply), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY, to_ep2);
}

TEST_F(Snat, PublishedAndListenedPortsAreNotTaken) {
    publish(5, CNET_L4_TCP, 40000, kEp2, 80);
    EXPECT_NE(source_port(endpoint("ep1", out_tcp(40000))), 40000);

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in any{
        .sin_family = AF_INET, .sin_port = htons(40001), .sin_addr = {}, .sin_zero = {}};
    ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof(any)), 0);
    ASSERT_EQ(listen(listener, 1), 0);
    EXPECT_NE(source_port(endpoint("ep1", out_tcp(40001))), 40001);
    close(listener);

    int bound = socket(AF_INET, SOCK_DGRAM, 0);
    any.sin_port = htons(40002);
    ASSERT_EQ(bind(bound, reinterpret_cast<sockaddr*>(&any), sizeof(any)), 0);
    EXPECT_NE(source_port(endpoint("ep1", out_udp(40002))), 40002);
    close(bound);
}

TEST_F(Snat, FixedSourceAddress) {
    auto port = **maps().port.lookup(ifindex("ep1"));
    port.snat4_be = htonl(0xc6336463); // 198.51.100.99
    ASSERT_TRUE(maps().port.update(ifindex("ep1"), port));
    auto expected = translated(out_tcp());
    expected.get<Ipv4>().src = "198.51.100.99";
    expect(endpoint("ep1", out_tcp()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           expected);
}

TEST_F(Snat, WithoutMasqueradeTheSourceStaysAndIsTracked) {
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE);
    auto expected = out_tcp();
    expected.get<Ipv4>().ttl--;
    expect(endpoint("ep1", out_tcp()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           expected);
    auto reply = in_tcp(40000);
    reply.get<Ipv4>().dst = kEp1;
    expect(uplink(reply), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY,
           delivered(reply));
}

TEST_F(Snat, TcpStates) {
    endpoint("ep1", out_tcp());
    EXPECT_EQ(tcp_flow().state, CNET_CT_NEW);
    uplink(in_tcp(40000));
    EXPECT_EQ(tcp_flow().state, CNET_CT_NEW) << "half open";
    endpoint("ep1", out_tcp(40000, kAck));
    EXPECT_EQ(tcp_flow().state, CNET_CT_ESTABLISHED);
    endpoint("ep1", out_tcp(40000, kFin | kAck));
    EXPECT_EQ(tcp_flow().state, CNET_CT_CLOSING);
    uplink(in_tcp(40000, kFin | kAck));
    EXPECT_EQ(tcp_flow().state, CNET_CT_TIME_WAIT);
    endpoint("ep1", out_tcp());
    EXPECT_EQ(tcp_flow().state, CNET_CT_NEW) << "the tuple begins again";
    uplink(in_tcp(40000, kRst));
    EXPECT_EQ(tcp_flow().state, CNET_CT_CLOSED);
    EXPECT_EQ(flows(), 1u);
}

TEST_F(Snat, TcpOpenedFromBothSides) {
    endpoint("ep1", out_tcp());
    uplink(in_tcp(40000, kSyn));
    endpoint("ep1", out_tcp(40000, kSyn | kAck));
    uplink(in_tcp(40000, kSyn | kAck));
    EXPECT_EQ(tcp_flow().state, CNET_CT_NEW);
    uplink(in_tcp(40000, kAck));
    EXPECT_EQ(tcp_flow().state, CNET_CT_ESTABLISHED);
}

// Whoever was there before us began it.
TEST_F(Snat, TcpThatRanBefore) {
    endpoint("ep1", out_tcp(40000, kAck));
    EXPECT_EQ(tcp_flow().state, CNET_CT_NEW);
    uplink(in_tcp(40000, kAck));
    EXPECT_EQ(tcp_flow().state, CNET_CT_ESTABLISHED);
}

TEST_F(Snat, TcpClosedWhileHalfOpen) {
    endpoint("ep1", out_tcp());
    uplink(in_tcp(40000));
    endpoint("ep1", out_tcp(40000, kFin | kAck));
    uplink(in_tcp(40000, kFin | kAck));
    EXPECT_EQ(tcp_flow().state, CNET_CT_TIME_WAIT);
}

// In the map, not in what the first packet was translated with.
TEST_F(Snat, TheFirstPacketMayBeTheLast) {
    endpoint("ep1", out_tcp(40000, kFin | kAck));
    EXPECT_EQ(tcp_flow().state, CNET_CT_CLOSING);
    EXPECT_EQ(tcp_flow().flags, CNET_CT_FIN_FORWARD);
}

TEST_F(Snat, NothingThatCannotBeginAFlowMakesOne) {
    expect_drop(endpoint("ep1", out_tcp(40000, kRst)), CNET_HOOK_ENDPOINT, CNET_R_NO_FLOW);
    Packet reply = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                   Icmp{.type = 0, .id = 9, .seq = 1};
    expect_drop(endpoint("ep1", reply), CNET_HOOK_ENDPOINT, CNET_R_NO_FLOW);
    Packet lite = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                  Ipv4{.src = kEp1, .dst = kWorld, .protocol = IPPROTO_UDPLITE} / Raw{"checksums"};
    expect_drop(endpoint("ep1", lite), CNET_HOOK_ENDPOINT, CNET_R_L4_UNSUPPORTED);
    Packet advert = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                    Icmp{.type = 9, .id = 9, .seq = 1};
    expect_drop(endpoint("ep1", advert), CNET_HOOK_ENDPOINT, CNET_R_L4_UNSUPPORTED);
    EXPECT_EQ(flows(), 0u);
}

TEST_F(Snat, WhereTheWayOutIsMissing) {
    auto to = [](const char* dst) {
        return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = dst} /
               Udp{.src_port = 1, .dst_port = 2};
    };
    expect_drop(endpoint("ep1", to("224.0.0.1")), CNET_HOOK_ENDPOINT, CNET_R_BROADCAST_L3);
    expect_drop(endpoint("ep1", to(kEp3)), CNET_HOOK_ENDPOINT, CNET_R_OTHER_NETWORK);
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_INTERNAL);
    expect_drop(endpoint("ep1", to(kWorld)), CNET_HOOK_ENDPOINT, CNET_R_INTERNAL);
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE);
    ASSERT_TRUE(maps().uplink.update(ifindex("up0"), cnet_uplink{}));
    expect_drop(endpoint("ep1", to(kWorld)), CNET_HOOK_ENDPOINT, CNET_R_NO_UPLINK_ADDR);
    ASSERT_TRUE(maps().uplink.erase(ifindex("up0")));
    expect_drop(endpoint("ep1", to(kWorld)), CNET_HOOK_ENDPOINT, CNET_R_NO_UPLINK);
}

TEST_F(Snat, FullTableRefusesNewFlowsAndKeepsOldOnes) {
    endpoint("ep1", out_udp(30000));
    int refused = 0;
    for (uint16_t port = 30001; port < 30100; port++) { // the map holds 64 entries
        auto outcome = endpoint("ep1", out_udp(port));
        refused += outcome.counted[0] == HookReason{CNET_HOOK_ENDPOINT, CNET_R_CT_FULL};
    }
    EXPECT_GT(refused, 0);
    EXPECT_EQ(endpoint("ep1", out_udp(30000)).counted[0].second, CNET_R_SNAT);
    flows();
}

// Who has a quota takes it up with flows that it begins, whatever comes of them; what runs goes on,
// what others begin to it does not count, and a neighbour has its own.
TEST_F(Snat, QuotaOfFlows) {
    ASSERT_TRUE(maps().quota.update(ifindex("ep1"), {3, 0, 0}));
    publish(7, CNET_L4_UDP, 8080, kEp1, 80);
    for (uint16_t port = 30000; port < 30003; port++)
        EXPECT_EQ(endpoint("ep1", out_udp(port)).counted[0].second, CNET_R_SNAT);
    expect_drop(endpoint("ep1", out_udp(30003)), CNET_HOOK_ENDPOINT, CNET_R_FLOW_QUOTA);
    EXPECT_EQ(flows(), 3u) << "no half of a refused flow stays";
    EXPECT_EQ(endpoint("ep1", out_udp(30000)).counted[0].second, CNET_R_SNAT);
    EXPECT_EQ(uplink(Ethernet{.src = kMacRouter, .dst = kMacUp} /
                     Ipv4{.src = kWorld, .dst = kHostAddr} / Udp{.src_port = 5, .dst_port = 8080})
                  .counted[0]
                  .second,
              CNET_R_DNAT);
    auto of_ep2 = Ethernet{.src = kMacEp2, .dst = kMacGw1} / Ipv4{.src = kEp2, .dst = kWorld} /
                  Udp{.src_port = 30000, .dst_port = 53};
    EXPECT_EQ(endpoint("ep2", of_ep2).counted[0].second, CNET_R_SNAT);
    EXPECT_EQ((*maps().quota.lookup(ifindex("ep1")))->begun, 3u);
    const auto forward = maps().ct.lookup(key4(1, IPPROTO_UDP, kEp1, 30000, kWorld, 53));
    EXPECT_EQ((*maps().ct.lookup((*forward)->other))->fib_ifindex, ifindex("ep1"));
}

TEST_F(Snat, PortsRunOut) {
    for (uint16_t port = 1; port <= 511; port++)
        maps().slot.set_binding(CNET_SLOT_INDEX(CNET_L4_UDP, port), 9);
    expect_drop(endpoint("ep1", out_udp(500)), CNET_HOOK_ENDPOINT, CNET_R_PORTS_EXHAUSTED);
    EXPECT_EQ(flows(), 0u);
}

TEST_F(Snat, SiblingThroughTheGatewayIsRouted) {
    Packet packet = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kEp2} /
                    Udp{.src_port = 1, .dst_port = 2};
    Packet expected = Ethernet{.src = kMacGw1, .dst = kMacEp2} /
                      Ipv4{.src = kEp1, .dst = kEp2, .ttl = 63} / Udp{.src_port = 1, .dst_port = 2};
    expect(endpoint("ep1", packet), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ROUTED,
           expected);
}

TEST_F(Snat, ToTheHostItself) {
    Packet packet = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kHostAddr} /
                    Tcp{.src_port = 1, .dst_port = 22};
    expect(endpoint("ep1", packet), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_TO_HOST, packet);
    EXPECT_EQ(flows(), 0u);
}

TEST_F(Snat, APacketThatClaimsMoreThanThereIsIsNotTranslated) {
    for (bool v6 : {false, true}) {
        Packet whole = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                       (v6 ? Layer(Ipv6{.src = kEp1v6, .dst = kWorld6})
                           : Layer(Ipv4{.src = kEp1, .dst = kWorld})) /
                       Udp{.src_port = 40000, .dst_port = 53} / Raw{"question"};
        Bytes cut = whole.bytes();
        Raw packet{Bytes(cut.begin() + 14, cut.end() - 1)};
        Ethernet ethernet{.src = kMacEp1, .dst = kMacGw1, .type = v6 ? 0x86dd : 0x0800};
        expect_drop(endpoint("ep1", ethernet / packet), CNET_HOOK_ENDPOINT, CNET_R_MALFORMED);
    }
}

} // namespace
} // namespace cnet::test
