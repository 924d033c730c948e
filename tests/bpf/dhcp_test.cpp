// What cnetd hears of DHCP: a copy in the ring of what servers say on ports where they may be, here
// ep2 and the host's, and of what a client says from an address that is not its first.
#include "maps/pin_path.h"
#include "maps/ring.h"
#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

constexpr char kLeased[] = "10.1.0.100";

class Dhcp : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        if (IsSkipped()) return;
        set_port_flags("ep2", CNET_PORT_LEARNING | CNET_PORT_DHCP);
        auto opened = maps::Ring::open(maps::map_pin(pins(), "cnet_dhcp"));
        ASSERT_TRUE(opened) << opened.error().message();
        ring_ = std::move(*opened);
    }

    std::vector<cnet_dhcp_seen> heard() {
        std::vector<cnet_dhcp_seen> all;
        auto status = ring_->read(1000, [&](std::span<const uint8_t> record) {
            cnet_dhcp_seen seen;
            ASSERT_EQ(record.size(), sizeof(seen));
            std::memcpy(&seen, record.data(), sizeof(seen));
            all.push_back(seen);
        });
        EXPECT_TRUE(status) << status.error().message();
        return all;
    }

private:
    std::unique_ptr<maps::Ring> ring_;
};

Bytes payload(size_t size = 300) {
    Bytes bytes(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = static_cast<uint8_t>(i);
    return bytes;
}

Packet from_server(const Bytes& data = payload(), uint16_t src_port = 67, uint16_t dst_port = 68) {
    return Ethernet{.src = kMacEp2, .dst = kMacEp1} / Ipv4{.src = kEp2, .dst = kLeased} /
           Udp{.src_port = src_port, .dst_port = dst_port} / Raw{data};
}

Packet from_client(const char* src = kLeased) {
    return Ethernet{.src = kMacEp1, .dst = kMacEp2} / Ipv4{.src = src, .dst = kEp2} /
           Udp{.src_port = 68, .dst_port = 67} / Raw{payload()};
}

TEST_F(Dhcp, AServersAnswerIsCopied) {
    expect(endpoint("ep2", from_server()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED,
           from_server());
    auto all = heard();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].network_id, 1u);
    EXPECT_EQ(all[0].ifindex, ifindex("ep2"));
    EXPECT_EQ(all[0].from_client, 0u);
    ASSERT_EQ(all[0].len, 300u);
    EXPECT_EQ(Bytes(all[0].payload, all[0].payload + 300), payload());

    endpoint("ep2", from_server(payload(1600)));
    all = heard();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].len, uint32_t{CNET_DHCP_MAX}) << "as much as is taken";
}

TEST_F(Dhcp, OfTheHostToo) {
    auto port = **maps().port.lookup(ifindex("hp1"));
    port.flags |= CNET_PORT_DHCP;
    ASSERT_TRUE(maps().port.update(ifindex("hp1"), port));
    auto answer = Ethernet{.src = kMacGw1, .dst = kMacEp1} / Ipv4{.src = kGw1, .dst = kLeased} /
                  Udp{.src_port = 67, .dst_port = 68} / Raw{payload()};
    expect(hostport(answer), Verdict::kRedirect, CNET_HOOK_HOSTPORT, CNET_R_SWITCHED, answer);
    EXPECT_EQ(heard().size(), 1u);
}

TEST_F(Dhcp, NothingElseIsCopied) {
    endpoint("ep2", from_server(payload(), 67, 67));
    endpoint("ep2", from_server(payload(), 66, 68));
    endpoint("ep2", from_server(payload(239)));
    auto fragment = from_server();
    fragment.get<Ipv4>().fragment = 0x2000;
    endpoint("ep2", fragment);
    endpoint("ep2", Ethernet{.src = kMacEp2, .dst = kMacEp1} / Ipv4{.src = kEp2, .dst = kLeased} /
                        Tcp{.src_port = 67, .dst_port = 68} / Raw{payload()});
    auto stolen = from_server();
    stolen.get<Ethernet>().src = kMacEp1;
    expect_drop(endpoint("ep2", stolen), CNET_HOOK_ENDPOINT, CNET_R_SPOOFED_MAC);
    // A managed endpoint is no server, whatever it says.
    auto forged = Ethernet{.src = kMacEp1, .dst = kMacEp2} / Ipv4{.src = kEp1, .dst = kEp2} /
                  Udp{.src_port = 67, .dst_port = 68} / Raw{payload()};
    expect(endpoint("ep1", forged), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED,
           forged);
    EXPECT_EQ(endpoint("ep1", from_client(kEp1)).counted[0].second, CNET_R_SWITCHED);
    expect_drop(endpoint("ep1", from_client()), CNET_HOOK_ENDPOINT, CNET_R_SPOOFED_IP);
    EXPECT_TRUE(heard().empty());
}

TEST_F(Dhcp, AClientIsHeardFromItsLeasedAddress) {
    const cnet_addr leased = IpAddress::parse(kLeased)->to_abi();
    const cnet_addr own = IpAddress::parse(kEp1)->to_abi();
    ASSERT_TRUE(maps().neigh.update(cnet_neigh_key{1, leased},
                                    **maps().neigh.lookup(cnet_neigh_key{1, own})));
    expect(endpoint("ep1", from_client()), Verdict::kRedirect, CNET_HOOK_ENDPOINT, CNET_R_SWITCHED,
           from_client());
    auto all = heard();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].from_client, 1u);
    EXPECT_EQ(all[0].ifindex, ifindex("ep1"));
}

TEST_F(Dhcp, AFullRingIsCountedAndClientsLeaveServersTheHalf) {
    const cnet_addr leased = IpAddress::parse(kLeased)->to_abi();
    const cnet_addr own = IpAddress::parse(kEp1)->to_abi();
    ASSERT_TRUE(maps().neigh.update(cnet_neigh_key{1, leased},
                                    **maps().neigh.lookup(cnet_neigh_key{1, own})));
    auto until_unseen = [&](const char* device, const Packet& packet) {
        for (size_t i = 0; i < 1000; i++) {
            const auto outcome = endpoint(device, packet);
            EXPECT_EQ(outcome.verdict, Verdict::kRedirect) << "the frame passes all the same";
            if (std::count(outcome.counted.begin(), outcome.counted.end(),
                           HookReason(CNET_HOOK_ENDPOINT, CNET_R_DHCP_UNSEEN)))
                return i;
        }
        return size_t{0};
    };
    const size_t clients = until_unseen("ep1", from_client());
    const size_t servers = until_unseen("ep2", from_server());
    EXPECT_GT(clients, 10u);
    EXPECT_GE(servers + 2, clients);
    EXPECT_EQ(heard().size(), clients + servers);
    EXPECT_EQ(until_unseen("ep1", from_client()), clients) << "and room again";

    auto port = **maps().port.lookup(ifindex("hp1"));
    port.flags |= CNET_PORT_DHCP;
    ASSERT_TRUE(maps().port.update(ifindex("hp1"), port));
    until_unseen("ep2", from_server());
    auto answer = Ethernet{.src = kMacGw1, .dst = kMacEp1} / Ipv4{.src = kGw1, .dst = kLeased} /
                  Udp{.src_port = 67, .dst_port = 68} / Raw{payload()};
    EXPECT_EQ(hostport(answer).counted.size(), 2u);
}

} // namespace
} // namespace cnet::test
