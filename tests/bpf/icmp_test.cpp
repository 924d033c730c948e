// ICMP errors: made by the gateway, and translated together with the packet they quote.
#include <algorithm>

#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

using IcmpErrors = HostTest;

Packet out_udp(uint8_t ttl = 64, Bytes payload = Bytes(8, 'x')) {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld, .ttl = ttl} /
           Udp{.src_port = 40000, .dst_port = 33434} / Raw{std::move(payload)};
}

// The first `length` bytes of a packet's IP part, as errors quote it.
Raw quote(const Packet& packet, size_t length = 68) {
    Bytes bytes = packet.bytes();
    bytes.erase(bytes.begin(), bytes.begin() + 14);
    if (bytes.size() > length) bytes.resize(length);
    return {bytes};
}

Packet error_to_ep1(const Packet& about, uint8_t type, uint8_t code, uint16_t mtu = 0) {
    return Ethernet{.src = kMacGw1, .dst = kMacEp1} /
           Ipv4{.src = kGw1, .dst = kEp1, .tos = 0xc0, .id = 0, .fragment = 0} /
           Icmp{.type = type, .code = code, .seq = mtu} / quote(about);
}

TEST_F(IcmpErrors, TtlRunsOutAtTheGateway) {
    for (uint8_t ttl : {uint8_t{1}, uint8_t{0}})
        expect(endpoint("ep1", out_udp(ttl)), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
               CNET_R_ICMP_ERROR_SENT, error_to_ep1(out_udp(ttl), 11, 0));
    EXPECT_EQ(flows(), 0u);
}

TEST_F(IcmpErrors, TtlOfAKnownFlowToo) {
    endpoint("ep1", out_udp());
    auto big = out_udp(1, Bytes(400, 'y'));
    expect(endpoint("ep1", big), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ICMP_ERROR_SENT,
           error_to_ep1(big, 11, 0));
}

TEST_F(IcmpErrors, ReplyWithoutTtlIsAnsweredFromTheDialledAddress) {
    endpoint("ep1", out_udp());
    Packet reply = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                   Ipv4{.src = kWorld, .dst = kHostAddr, .ttl = 1} /
                   Udp{.src_port = 33434, .dst_port = 40000} / Raw{"late"};
    Packet error = Ethernet{.src = kMacUp, .dst = kMacRouter} /
                   Ipv4{.src = kHostAddr, .dst = kWorld, .tos = 0xc0, .id = 0, .fragment = 0} /
                   Icmp{.type = 11, .code = 0} / quote(reply);
    expect(uplink(reply), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_ICMP_ERROR_SENT, error);
}

TEST_F(IcmpErrors, AnErrorIsNeverAnsweredByAnError) {
    Packet error = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                   Ipv4{.src = kEp1, .dst = kWorld, .ttl = 1} / Icmp{.type = 3, .code = 3} /
                   Raw{Bytes(28, 0)};
    expect_drop(endpoint("ep1", error), CNET_HOOK_ENDPOINT, CNET_R_TTL_EXPIRED);
}

TEST_F(IcmpErrors, TooBigTellsTheMtu) {
    shell("ip link set up0 mtu 1000");
    auto big = out_udp(64, Bytes(1200, 'z'));
    expect(endpoint("ep1", big), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ICMP_ERROR_SENT,
           error_to_ep1(big, 3, 4, 1000));
    auto port = **maps().port.lookup(ifindex("ep1"));
    port.gateway4_be = 0;
    ASSERT_TRUE(maps().port.update(ifindex("ep1"), port));
    expect_drop(endpoint("ep1", big), CNET_HOOK_ENDPOINT, CNET_R_TOO_BIG);
}

// Six at once, and the clock gives one back each second; more than that means that it has stood.
TEST_F(IcmpErrors, TooManyToOneAddressAreHeldBack) {
    size_t sent = 0, held_back = 0;
    for (int i = 0; i < 30; i++) {
        auto outcome = endpoint("ep1", out_udp(1));
        sent += outcome.counted[0].second == CNET_R_ICMP_ERROR_SENT;
        if (outcome.counted[0].second != CNET_R_ICMP_RATE) continue;
        held_back++;
        expect_drop(outcome, CNET_HOOK_ENDPOINT, CNET_R_ICMP_RATE);
    }
    EXPECT_GE(sent, 6u);
    EXPECT_GE(held_back, 1u);
    Packet sibling = Ethernet{.src = kMacEp2, .dst = kMacGw1} /
                     Ipv4{.src = kEp2, .dst = kWorld, .ttl = 1} / Udp{.src_port = 1, .dst_port = 2};
    EXPECT_EQ(endpoint("ep2", sibling).counted[0].second, CNET_R_ICMP_ERROR_SENT)
        << "another's own";
    shell("ip link set up0 mtu 1000");
    auto big = out_udp(64, Bytes(1200, 'z'));
    for (int i = 0; i < 30; i++)
        EXPECT_EQ(endpoint("ep1", big).counted[0].second, CNET_R_ICMP_ERROR_SENT)
            << "a path's MTU is always told";
}

TEST_F(IcmpErrors, TooManyInAllAreHeldBack) {
    publish(7, CNET_L4_UDP, 53, kEp1, 53);
    auto late = [](uint32_t number) {
        return Ethernet{.src = kMacRouter, .dst = kMacUp} /
               Ipv4{.src = "192.0.2." + std::to_string(number % 250), .dst = kHostAddr, .ttl = 1} /
               Udp{.src_port = 9, .dst_port = 53} / Raw{"late"};
    };
    auto program = data_path().program("cnet_uplink");
    std::vector<Bytes> packets;
    for (uint32_t i = 0; i < 5000; i++)
        packets.push_back(late(i).bytes());
    // Faster than one a millisecond.
    auto counted = counted_by([&] {
        for (Bytes& packet : packets)
            run_once(*program, ifindex("up0"), packet);
    });
    EXPECT_GT(
        std::count(counted.begin(), counted.end(), HookReason{CNET_HOOK_UPLINK, CNET_R_ICMP_RATE}),
        0);
    EXPECT_GE(std::count(counted.begin(), counted.end(),
                         HookReason{CNET_HOOK_UPLINK, CNET_R_ICMP_ERROR_SENT}),
              50);
    EXPECT_EQ(flows(), 0u) << "what goes no further begins nothing";
    EXPECT_EQ(endpoint("ep1", out_udp(1)).counted[0].second, CNET_R_ICMP_ERROR_SENT)
        << "what comes from outside takes none from the endpoints";
}

TEST_F(IcmpErrors, NoRoute) {
    shell("ip route del default");
    expect(endpoint("ep1", out_udp()), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_ICMP_ERROR_SENT, error_to_ep1(out_udp(), 3, 0));
    Packet error = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                   Icmp{.type = 3, .code = 3} / Raw{Bytes(28, 0)};
    expect_drop(endpoint("ep1", error), CNET_HOOK_ENDPOINT, CNET_R_NO_ROUTE);
}

TEST_F(IcmpErrors, UnreachableFromTheWorldReachesTheEndpoint) {
    endpoint("ep1", out_udp());
    Packet left = Ethernet{.src = kMacUp, .dst = kMacRouter} /
                  Ipv4{.src = kHostAddr, .dst = kWorld, .ttl = 60} /
                  Udp{.src_port = 40000, .dst_port = 33434} / Raw{Bytes(8, 'x')};
    Packet came = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                  Ipv4{.src = kEp1, .dst = kWorld, .ttl = 60} /
                  Udp{.src_port = 40000, .dst_port = 33434} / Raw{Bytes(8, 'x')};
    Packet error = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                   Ipv4{.src = "198.51.100.254", .dst = kHostAddr} / Icmp{.type = 3, .code = 3} /
                   quote(left);
    Packet expected = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                      Ipv4{.src = "198.51.100.254", .dst = kEp1, .ttl = 63} /
                      Icmp{.type = 3, .code = 3} / quote(came);
    expect(uplink(error), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_ICMP_ERROR_NAT, expected);
}

TEST_F(IcmpErrors, AboutATunnelOfAnEndpoint) {
    auto tunnel = [](const char* src, uint8_t ttl) {
        return Ethernet{.src = kMacEp1, .dst = kMacGw1} /
               Ipv4{.src = src, .dst = kWorld, .ttl = ttl, .protocol = 47} /
               Raw{"generic routing encapsulation"};
    };
    endpoint("ep1", tunnel(kEp1, 64));
    auto about = [&](const Packet& quoted, const char* to, uint8_t ttl) {
        return Ipv4{.src = "203.0.113.1", .dst = to, .ttl = ttl} /
               Icmp{.type = 3, .code = 4, .seq = 1300} / quote(quoted, 28);
    };
    auto framed = [](const char* src, const char* dst, const Packet& inner) {
        Bytes bytes = inner.bytes();
        return Ethernet{.src = src, .dst = dst, .type = 0x0800} / Raw{bytes};
    };
    expect(uplink(framed(kMacRouter, kMacUp, about(tunnel(kHostAddr, 63), kHostAddr, 64))),
           Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_ICMP_ERROR_NAT,
           framed(kMacGw1, kMacEp1, about(tunnel(kEp1, 63), kEp1, 63)));
}

TEST_F(IcmpErrors, AboutAnEchoOfOurs) {
    Packet request = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                     Icmp{.type = 8, .id = 5, .seq = 1} / Raw{"ping"};
    endpoint("ep1", request);
    Packet left = Ethernet{.src = kMacUp, .dst = kMacRouter} /
                  Ipv4{.src = kHostAddr, .dst = kWorld, .ttl = 1} /
                  Icmp{.type = 8, .id = 5, .seq = 1} / Raw{"ping"};
    Packet came = left;
    came.get<Ipv4>().src = kEp1;
    Packet error = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                   Ipv4{.src = "198.51.100.254", .dst = kHostAddr} / Icmp{.type = 11, .code = 0} /
                   quote(left);
    Packet expected = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                      Ipv4{.src = "198.51.100.254", .dst = kEp1, .ttl = 63} /
                      Icmp{.type = 11, .code = 0} / quote(came);
    expect(uplink(error), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_ICMP_ERROR_NAT, expected);
}

TEST_F(IcmpErrors, FromAPublishedPortGoesOutWithTheHostsAddress) {
    publish(7, CNET_L4_UDP, 5353, kEp1, 53);
    Packet question = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                      Ipv4{.src = kWorld, .dst = kHostAddr} /
                      Udp{.src_port = 6000, .dst_port = 5353} / Raw{Bytes(8, 'q')};
    uplink(question);
    Packet seen = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                  Ipv4{.src = kWorld, .dst = kEp1, .ttl = 63} /
                  Udp{.src_port = 6000, .dst_port = 53} / Raw{Bytes(8, 'q')};
    Packet original = seen;
    original.get<Ipv4>().dst = kHostAddr;
    original.get<Udp>().dst_port = 5353;
    Packet error = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                   Icmp{.type = 3, .code = 3} / quote(seen);
    Packet expected = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                      Ipv4{.src = kHostAddr, .dst = kWorld, .ttl = 63} /
                      Icmp{.type = 3, .code = 3} / quote(original);
    expect(endpoint("ep1", error), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ICMP_ERROR_NAT,
           expected);
}

TEST_F(IcmpErrors, ForASiblingAboutAFlowThroughTheGatewayStaysASiblings) {
    set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE |
                              CNET_PORT_PUBLISHED);
    endpoint("ep1", out_udp());
    // As if the world's answer had come from ep2.
    Packet answer = Ethernet{.src = kMacGw1, .dst = kMacEp1} / Ipv4{.src = kWorld, .dst = kEp1} /
                    Udp{.src_port = 33434, .dst_port = 40000} / Raw{"answer"};
    Packet error = Ethernet{.src = kMacEp1, .dst = kMacEp2} / Ipv4{.src = kEp1, .dst = kWorld} /
                   Icmp{.type = 3, .code = 3} / quote(answer);
    expect(endpoint("ep1", error), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED, error);
}

TEST_F(IcmpErrors, AboutTheHostsOwnPacketsAreLeftAlone) {
    Packet left = Ethernet{.src = kMacUp, .dst = kMacRouter} /
                  Ipv4{.src = kHostAddr, .dst = kWorld} / Udp{.src_port = 123, .dst_port = 123} /
                  Raw{Bytes(8, 'n')};
    Packet error = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                   Ipv4{.src = kWorld, .dst = kHostAddr} / Icmp{.type = 3, .code = 3} / quote(left);
    expect(uplink(error), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NOT_OURS, error);
}

TEST_F(IcmpErrors, AnErrorThatQuotesSomebodyElsesPacketIsNotTranslated) {
    Packet out = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv4{.src = kEp1, .dst = kWorld} /
                 Udp{.src_port = 40000, .dst_port = 53};
    endpoint("ep1", out);
    Bytes quoted =
        (Packet{Ipv4{.src = kHostAddr, .dst = kWorld}} / Udp{.src_port = 40000, .dst_port = 53})
            .bytes();
    for (const char* to : {kHostAddr, kEp1}) {
        Packet error = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                       Ipv4{.src = "198.51.100.254", .dst = to} / Icmp{.type = 3, .code = 1} /
                       Raw{quoted};
        EXPECT_EQ(uplink(error).counted[0].second,
                  to == kHostAddr ? CNET_R_ICMP_ERROR_NAT : CNET_R_NOT_OURS);
    }
}

} // namespace
} // namespace cnet::test
