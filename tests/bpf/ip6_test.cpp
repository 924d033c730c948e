// IPv6 beyond layer 2: neighbour discovery, masquerade, published ports, and what is refused.
#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

using Ip6 = HostTest;

Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes all;
    for (const Bytes& part : parts)
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

Packet solicit(const char* from_mac, const char* from, const char* target) {
    return Ethernet{.src = from_mac, .dst = "33:33:ff:00:00:03"} /
           Ipv6{.src = from, .dst = "ff02::1:ff00:3", .hop_limit = 255} / Icmp6{.type = 135} /
           Raw{joined({ip_bytes(target), {1, 1}, mac_bytes(from_mac)})};
}

Packet advert(const char* mac, const char* ip, const char* to_mac, const char* to,
              uint32_t flags_word) {
    return Ethernet{.src = mac, .dst = to_mac} / Ipv6{.src = ip, .dst = to, .hop_limit = 255} /
           Icmp6{.type = 136, .word = flags_word} /
           Raw{joined({ip_bytes(ip), {2, 1}, mac_bytes(mac)})};
}

Packet out_tcp(uint16_t src_port = 40000, uint8_t flags = kSyn) {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv6{.src = kEp1v6, .dst = kWorld6} /
           Tcp{.src_port = src_port, .dst_port = 443, .flags = flags} / Raw{"hello"};
}

Packet out_udp(uint8_t hop_limit = 64, Bytes payload = Bytes(8, 'x')) {
    return Ethernet{.src = kMacEp1, .dst = kMacGw1} /
           Ipv6{.src = kEp1v6, .dst = kWorld6, .hop_limit = hop_limit} /
           Udp{.src_port = 40000, .dst_port = 33434} / Raw{std::move(payload)};
}

Packet in_tcp(uint16_t dst_port, uint8_t flags = kSyn | kAck) {
    return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv6{.src = kWorld6, .dst = kHostAddr6} /
           Tcp{.src_port = 443, .dst_port = dst_port, .flags = flags} / Raw{"answer"};
}

Packet translated(Packet packet, const char* source = kHostAddr6) {
    packet.get<Ipv6>().src = source;
    packet.get<Ipv6>().hop_limit--;
    return packet;
}

Packet delivered(Packet packet) {
    packet.get<Ethernet>() = {.src = kMacGw1, .dst = kMacEp1, .type = {}};
    packet.get<Ipv6>().dst = kEp1v6;
    packet.get<Ipv6>().hop_limit--;
    return packet;
}

Raw quote(const Packet& packet) {
    Bytes bytes = packet.bytes();
    bytes.erase(bytes.begin(), bytes.begin() + 14);
    if (bytes.size() > 1232) bytes.resize(1232);
    return {bytes};
}

Packet error_to_ep1(const Packet& about, uint8_t type, uint32_t word = 0) {
    return Ethernet{.src = kMacGw1, .dst = kMacEp1} / Ipv6{.src = kGw1v6, .dst = kEp1v6} /
           Icmp6{.type = type, .word = word} / quote(about);
}

TEST_F(Ip6, SolicitationForASiblingIsAnsweredInPlace) {
    expect(endpoint("ep1", solicit(kMacEp1, kEp1v6, kEp2v6)), Verdict::kRedirect,
           CNET_HOOK_ENDPOINT, CNET_R_ND_REPLY,
           advert(kMacEp2, kEp2v6, kMacEp1, kEp1v6, 0x60000000));
}

TEST_F(Ip6, TheGatewayIsARouter) {
    expect(endpoint("ep1", solicit(kMacEp1, kEp1v6, kGw1v6)), Verdict::kRedirect,
           CNET_HOOK_ENDPOINT, CNET_R_ND_REPLY,
           advert(kMacGw1, kGw1v6, kMacEp1, kEp1v6, 0xe0000000));
    expect(hostport(solicit(kMacGw1, kGw1v6, kEp1v6)), Verdict::kRedirect, CNET_HOOK_HOSTPORT,
           CNET_R_ND_REPLY, advert(kMacEp1, kEp1v6, kMacGw1, kGw1v6, 0x60000000));
}

TEST_F(Ip6, DuplicateAddressDetection) {
    auto taken = solicit(kMacEp1, "::", kEp2v6);
    auto answer = advert(kMacEp2, kEp2v6, kMacEp1, "ff02::1", 0x20000000);
    expect(endpoint("ep1", taken), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ND_REPLY, answer);
    auto own = solicit(kMacEp1, "::", kEp1v6);
    EXPECT_EQ(endpoint("ep1", own).counted.back().second, CNET_R_FLOODED);
}

TEST_F(Ip6, NeighbourMessagesBehindExtensionHeadersAreRefused) {
    Packet hidden = Ethernet{.src = kMacEp1, .dst = "33:33:00:00:00:01"} /
                    Ipv6{.src = kEp1v6, .dst = "ff02::1", .hop_limit = 255} / Extension{} /
                    Icmp6{.type = 136, .word = 0x20000000} / Raw{ip_bytes(kGw1v6)};
    expect_drop(endpoint("ep1", hidden), CNET_HOOK_ENDPOINT, CNET_R_SPOOFED_IP);
    Packet report = Ethernet{.src = kMacEp1, .dst = "33:33:00:00:00:16"} /
                    Ipv6{.src = "::", .dst = "ff02::16", .hop_limit = 1} /
                    Extension{.type = 0, .body = {5, 2, 0, 0, 1, 0}} / Icmp6{.type = 143} /
                    Raw{Bytes(20, 0)};
    EXPECT_EQ(endpoint("ep1", report).counted.back().second, CNET_R_FLOODED);
}

TEST_F(Ip6, TcpGoesOutAndComesBack) {
    expect(endpoint("ep1", out_tcp()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           translated(out_tcp()));
    expect(uplink(in_tcp(40000)), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY,
           delivered(in_tcp(40000)));
    endpoint("ep1", out_tcp(40000, kAck));
    auto entry = *maps().ct.lookup(key4(1, IPPROTO_TCP, kEp1v6, 40000, kWorld6, 443));
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->state, CNET_CT_ESTABLISHED);
    EXPECT_EQ(flows(), 1u);
}

TEST_F(Ip6, EchoGoesOutAndComesBack) {
    Packet request = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                     Ipv6{.src = kEp1v6, .dst = kWorld6} / Icmp6{.type = 128, .id = 77, .seq = 1} /
                     Raw{"ping"};
    expect(endpoint("ep1", request), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           translated(request));
    Packet reply = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                   Ipv6{.src = kWorld6, .dst = kHostAddr6} /
                   Icmp6{.type = 129, .id = 77, .seq = 1} / Raw{"ping"};
    expect(uplink(reply), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_SNAT_REPLY,
           delivered(reply));
}

TEST_F(Ip6, ExtensionHeadersAreWalked) {
    Packet packet = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv6{.src = kEp1v6, .dst = kWorld6} /
                    Extension{} / Extension{} / Udp{.src_port = 4000, .dst_port = 53} /
                    Raw{"question"};
    expect(endpoint("ep1", packet), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           translated(packet));
    Packet endless = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv6{.src = kEp1v6, .dst = kWorld6};
    for (int i = 0; i < 9; i++)
        endless = endless / Extension{};
    endless = endless / Udp{.src_port = 4000, .dst_port = 53};
    expect_drop(endpoint("ep1", endless), CNET_HOOK_ENDPOINT, CNET_R_SPOOFED_IP);
}

TEST_F(Ip6, PublishedPortAndItsAnswer) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80, 1, 1, kEp1v6);
    Packet dial = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                  Ipv6{.src = kWorld6, .dst = kHostAddr6} /
                  Tcp{.src_port = 50000, .dst_port = 8080};
    Packet arrives = delivered(dial);
    arrives.get<Tcp>().dst_port = 80;
    expect(uplink(dial), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT, arrives);
    Packet answer = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv6{.src = kEp1v6, .dst = kWorld6} /
                    Tcp{.src_port = 80, .dst_port = 50000, .flags = kSyn | kAck};
    Packet leaves = translated(answer);
    leaves.get<Tcp>().src_port = 8080;
    expect(endpoint("ep1", answer), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_DNAT_REPLY,
           leaves);
}

TEST_F(Ip6, APortOfAnEndpointWithoutTheFamilyIsNotPublishedInIt) {
    publish(7, CNET_L4_TCP, 8080, kEp1, 80);
    Packet dial = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                  Ipv6{.src = kWorld6, .dst = kHostAddr6} /
                  Tcp{.src_port = 50000, .dst_port = 8080};
    expect(uplink(dial), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_NO_FLOW_HOST, dial);
}

TEST_F(Ip6, HopLimitRunsOut) {
    expect(endpoint("ep1", out_udp(1)), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_ICMP_ERROR_SENT, error_to_ep1(out_udp(1), 3));
    auto big = out_udp(1, Bytes(1301, 'y'));
    expect(endpoint("ep1", big), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ICMP_ERROR_SENT,
           error_to_ep1(big, 3));
    Packet error = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                   Ipv6{.src = kEp1v6, .dst = kWorld6, .hop_limit = 1} / Icmp6{.type = 1} /
                   Raw{Bytes(48, 0)};
    expect_drop(endpoint("ep1", error), CNET_HOOK_ENDPOINT, CNET_R_TTL_EXPIRED);
}

TEST_F(Ip6, TooBigAndNoRoute) {
    shell("ip link set up0 mtu 1300");
    auto big = out_udp(64, Bytes(1401, 'z'));
    expect(endpoint("ep1", big), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ICMP_ERROR_SENT,
           error_to_ep1(big, 2, 1300));
    shell("ip -6 route del default");
    expect(endpoint("ep1", out_tcp()), Verdict::kRedirect, CNET_HOOK_ENDPOINT,
           CNET_R_ICMP_ERROR_SENT, error_to_ep1(out_tcp(), 1));
}

TEST_F(Ip6, ErrorsAreTranslatedBothWays) {
    endpoint("ep1", out_udp());
    Packet left = translated(out_udp()), came = out_udp(63);
    Packet error = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                   Ipv6{.src = kRouter6, .dst = kHostAddr6} / Icmp6{.type = 2, .word = 1280} /
                   quote(left);
    Packet expected = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                      Ipv6{.src = kRouter6, .dst = kEp1v6, .hop_limit = 63} /
                      Icmp6{.type = 2, .word = 1280} / quote(came);
    expect(uplink(error), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_ICMP_ERROR_NAT, expected);

    publish(7, CNET_L4_UDP, 5353, kEp1, 53, 1, 1, kEp1v6);
    Packet question = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                      Ipv6{.src = kWorld6, .dst = kHostAddr6} /
                      Udp{.src_port = 6000, .dst_port = 5353} / Raw{Bytes(8, 'q')};
    uplink(question);
    Packet seen = delivered(question), original = question;
    seen.get<Udp>().dst_port = 53;
    original.get<Ipv6>().hop_limit = 63;
    Packet closed = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv6{.src = kEp1v6, .dst = kWorld6} /
                    Icmp6{.type = 1, .code = 4} / quote(seen);
    Packet outside = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                     Ipv6{.src = kHostAddr6, .dst = kWorld6, .hop_limit = 63} /
                     Icmp6{.type = 1, .code = 4} / quote(original);
    expect(endpoint("ep1", closed), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ICMP_ERROR_NAT,
           outside);
}

TEST_F(Ip6, AboutAnEchoOfOurs) {
    Packet request = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                     Ipv6{.src = kEp1v6, .dst = kWorld6} / Icmp6{.type = 128, .id = 5, .seq = 1} /
                     Raw{"ping"};
    endpoint("ep1", request);
    Packet came = request;
    came.get<Ipv6>().hop_limit--;
    Packet error = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                   Ipv6{.src = kRouter6, .dst = kHostAddr6} / Icmp6{.type = 3} /
                   quote(translated(request));
    Packet expected = Ethernet{.src = kMacGw1, .dst = kMacEp1} /
                      Ipv6{.src = kRouter6, .dst = kEp1v6, .hop_limit = 63} / Icmp6{.type = 3} /
                      quote(came);
    expect(uplink(error), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_ICMP_ERROR_NAT, expected);
}

TEST_F(Ip6, WhichSourceAddress) {
    cnet_uplink uplink = **maps().uplink.lookup(ifindex("up0"));
    auto add = [&](const char* text) {
        uplink.addrs[uplink.addr_count++] = {IpAddress::parse(text)->to_abi(), 64};
        ASSERT_TRUE(maps().uplink.update(ifindex("up0"), uplink));
    };
    add("fd99::1");
    add("2001:db8:9::1"); // shares 112 bits with the destination
    expect(endpoint("ep1", out_tcp(1025)), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           translated(out_tcp(1025), "2001:db8:9::1"));
    auto port = **maps().port.lookup(ifindex("ep1"));
    port.snat6 = IpAddress::parse("2001:db8:f::99")->to_abi();
    ASSERT_TRUE(maps().port.update(ifindex("ep1"), port));
    expect(endpoint("ep1", out_tcp(1026)), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SNAT,
           translated(out_tcp(1026), "2001:db8:f::99"));
}

TEST_F(Ip6, WhereItMayNotGo) {
    auto to = [](const char* dst) {
        return Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv6{.src = kEp1v6, .dst = dst} /
               Udp{.src_port = 1, .dst_port = 2};
    };
    EXPECT_EQ(endpoint("ep1", to("fe80::1")).counted[0].second, CNET_R_TO_HOST);
    EXPECT_EQ(endpoint("ep1", to(kHostAddr6)).counted[0].second, CNET_R_TO_HOST);
    for (const char* never : {"::", "::1", "ff02::1", "ff0e::1"})
        expect_drop(endpoint("ep1", to(never)), CNET_HOOK_ENDPOINT, CNET_R_BROADCAST_L3);
    Bytes mapped = to(kWorld6).bytes();
    mapped.erase(mapped.begin(), mapped.begin() + 14);
    for (size_t i = 0; i < 16; i++) // ::ffff:10.1.0.3
        mapped[24 + i] = Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 0, 3}[i];
    expect_drop(
        endpoint("ep1", Ethernet{.src = kMacEp1, .dst = kMacGw1, .type = 0x86dd} / Raw{mapped}),
        CNET_HOOK_ENDPOINT, CNET_R_MALFORMED);
    expect_drop(endpoint("ep1", to(kEp3v6)), CNET_HOOK_ENDPOINT, CNET_R_OTHER_NETWORK);
    Packet icmp4 = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                   Ipv6{.src = kEp1v6, .dst = kWorld6, .next_header = 1} / Raw{Bytes(8, 0)};
    expect_drop(endpoint("ep1", icmp4), CNET_HOOK_ENDPOINT, CNET_R_MALFORMED);
    EXPECT_EQ(flows(), 0u);
}

TEST_F(Ip6, SiblingThroughTheGatewayIsRouted) {
    Packet packet = Ethernet{.src = kMacEp1, .dst = kMacGw1} / Ipv6{.src = kEp1v6, .dst = kEp2v6} /
                    Udp{.src_port = 1, .dst_port = 2};
    Packet expected = Ethernet{.src = kMacGw1, .dst = kMacEp2} /
                      Ipv6{.src = kEp1v6, .dst = kEp2v6, .hop_limit = 63} /
                      Udp{.src_port = 1, .dst_port = 2};
    expect(endpoint("ep1", packet), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_ROUTED,
           expected);
}

TEST_F(Ip6, HostFlowOnTheSameTupleGetsAPortOfItsOwn) {
    endpoint("ep1", out_tcp());
    Packet own = Ethernet{.src = kMacUp, .dst = kMacRouter} /
                 Ipv6{.src = kHostAddr6, .dst = kWorld6} / Tcp{.src_port = 40000, .dst_port = 443};
    auto outcome = egress(own);
    EXPECT_EQ(outcome.counted.back().second, CNET_R_HOST_PORT_XLAT);
    auto port = be16_at(outcome.packet, 54);
    EXPECT_NE(port, 40000);
    Packet answer = in_tcp(port), back = in_tcp(40000);
    expect(uplink(answer), Verdict::kNext, CNET_HOOK_UPLINK, CNET_R_HOST_PORT_XLAT, back);
}

} // namespace
} // namespace cnet::test
