// What is done to a veth's end inside a namespace.
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <netinet/if_ether.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <future>

#include "tests/unit/netlink/netns_fixture.h"

namespace cnet::netlink {
namespace {

using test::address;
using test::ok;
using test::prefix;

class EndpointInsideTest : public test::NetnsTest {
protected:
    void SetUp() override {
        NetnsTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    }
};

// The flags of an IPv6 address in the thread's namespace, as /proc/net/if_inet6 has them.
unsigned ip6_flags(const std::string& hex_address) {
    std::ifstream table("/proc/thread-self/net/if_inet6");
    std::string address, index, length, scope, device;
    unsigned flags = 0;
    while (table >> address >> index >> length >> scope >> std::hex >> flags >> device)
        if (address == hex_address) return flags;
    return IFA_F_TENTATIVE;
}

TEST_F(EndpointInsideTest, IsUsableAtOnce) {
    ASSERT_TRUE(ok(rtnl_->set_up("cnet1", true)));
    auto inside = NetnsGuard::enter(box_path());
    ASSERT_TRUE(ok(inside));
    ASSERT_TRUE(ok(box_->set_up("lo", false)));
    ASSERT_TRUE(
        ok(rtnl_->configure_endpoint({box_path(), "eth0", {prefix("fd00:9::5/64")}, {}, {}})));
    EXPECT_TRUE(box_->link("lo")->up);
    EXPECT_EQ(ip6_flags("fd000009000000000000000000000005") & IFA_F_TENTATIVE, 0u)
        << "no duplicate address detection";
}

TEST_F(EndpointInsideTest, IsConfiguredAndMayBeAgain) {
    ASSERT_TRUE(ok(rtnl_->set_up("cnet1", true)));
    const Rtnl::EndpointSetup setup{box_path(),
                                    "eth0",
                                    {prefix("10.9.0.5/24"), prefix("fd00:9::5/64")},
                                    {address("10.9.0.1"), address("fd00:9::1")},
                                    {}};
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(ok(rtnl_->configure_endpoint(setup)));
        EXPECT_TRUE(box_->link("eth0")->up);
        EXPECT_TRUE(box_->link("lo")->up);
        auto addresses = box_->addresses();
        ASSERT_TRUE(ok(addresses));
        const uint32_t ifindex = box_->link("eth0")->ifindex;
        for (const auto& wanted : setup.addresses) {
            const auto count = std::ranges::count_if(*addresses, [&](const AddressInfo& info) {
                return info.ifindex == ifindex && info.prefix == wanted;
            });
            EXPECT_EQ(count, 1) << wanted.to_string();
        }
    }
}

// Of any device in the thread's namespace: the error of one that is down would come first.
class ArpListener {
public:
    ArpListener() : socket_(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ARP))) {
        const timeval limit{10, 0};
        EXPECT_EQ(setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    }

    // The address that the next announcement is about.
    std::string next_announced() const {
        for (;;) {
            ether_arp arp{};
            if (recv(socket_.get(), &arp, sizeof(arp), 0) != sizeof(arp)) return "nothing";
            if (!std::ranges::equal(arp.arp_spa, arp.arp_tpa)) continue;
            return IpAddress::from_bytes(arp.arp_spa, sizeof(arp.arp_spa))->to_string();
        }
    }

private:
    UniqueFd socket_;
};

// The kernel drops what a veth is to send until it has noticed that the other end is up.
TEST_F(EndpointInsideTest, IsAnnouncedOnceFramesCanLeave) {
    const Rtnl::EndpointSetup setup{box_path(), "eth0", {prefix("10.9.0.5/24")}, {}, {}};
    ASSERT_TRUE(ok(rtnl_->configure_endpoint(setup)));
    const ArpListener outside;
    auto announced =
        std::async(std::launch::async, [&] { return rtnl_->announce_endpoint(setup); });
    EXPECT_EQ(announced.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
    ASSERT_TRUE(ok(rtnl_->set_up("cnet1", true)));
    EXPECT_TRUE(ok(announced.get()));
    EXPECT_EQ(outside.next_announced(), "10.9.0.5");
}

TEST_F(EndpointInsideTest, ADeviceThatIsDownIsNotAnnounced) {
    Rtnl::EndpointSetup setup{box_path(), "eth0", {}, {}, {}};
    setup.up = false;
    ASSERT_TRUE(ok(rtnl_->configure_endpoint(setup)));
    EXPECT_TRUE(ok(rtnl_->announce_endpoint(setup)));
}

// Whatever the namespace's default is.
TEST_F(EndpointInsideTest, MakesAddressesFromItsMac) {
    auto inside = NetnsGuard::enter(box_path());
    ASSERT_TRUE(ok(inside));
    const char* path = "/proc/sys/net/ipv6/conf/eth0/addr_gen_mode";
    constexpr const char* kNone = "1";
    std::ofstream(path) << kNone;
    ASSERT_TRUE(ok(rtnl_->configure_endpoint({box_path(), "eth0", {}, {}, {}})));
    std::string mode;
    std::ifstream(path) >> mode;
    EXPECT_EQ(mode, "0");
}

class InnerEndTest : public EndpointInsideTest {
protected:
    Rtnl::InnerEnd which() const { return {box_path(), "cnet1", *spec().peer_mac}; }
    std::string found() const {
        auto link = rtnl_->inner_end(which());
        if (link) return link->name;
        return link.error().kind() == ErrorKind::kNotFound ? "none" : link.error().message();
    }
};

TEST_F(InnerEndTest, IsFoundByWhateverNameItHas) {
    EXPECT_EQ(found(), "eth0");
    auto other = which();
    other.mac = *spec().mac;
    EXPECT_EQ(rtnl_->inner_end(other).error().kind(), ErrorKind::kNotFound);
    auto inside = NetnsGuard::enter(box_path());
    ASSERT_TRUE(ok(inside));
    ASSERT_EQ(std::system("ip link set eth0 name eth7"), 0);
    EXPECT_EQ(found(), "eth7");
    ASSERT_TRUE(ok(box_->delete_link("eth7")));
    EXPECT_EQ(found(), "none");
}

// A container that may make devices gives another one the same MAC.
TEST_F(InnerEndTest, IsNoOtherOfItsMac) {
    ASSERT_TRUE(ok(rtnl_->delete_link("cnet1")));
    VethSpec other = spec();
    other.name = "eth5";
    other.mac = spec().peer_mac;
    other.peer_name = "eth6";
    other.peer_mac.reset();
    ASSERT_TRUE(ok(box_->create_veth(other)));
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    ASSERT_LT(box_->link("eth5")->ifindex, box_->link("eth0")->ifindex);
    EXPECT_EQ(found(), "eth0");
    ASSERT_TRUE(ok(rtnl_->update_endpoint({which(), 1300, {}, {}})));
    EXPECT_EQ(box_->link("eth5")->mtu, 1400u);
    EXPECT_EQ(box_->link("eth0")->mtu, 1300u);
}

TEST_F(InnerEndTest, IsNoneOnceItIsElsewhere) {
    auto inside = NetnsGuard::enter(box_path());
    ASSERT_TRUE(ok(inside));
    ASSERT_EQ(std::system(("ip link set eth0 netns " + host_path()).c_str()), 0);
    EXPECT_EQ(found(), "none");
    EXPECT_TRUE(ok(rtnl_->update_endpoint({which(), 1300, {}, {}}))) << "there is nothing to do";
    EXPECT_EQ(rtnl_->link("eth0")->mtu, 1400u);
}

TEST_F(EndpointInsideTest, SecondDefaultRouteIsRefused) {
    Rtnl::EndpointSetup setup{
        box_path(), "eth0", {prefix("10.9.0.5/24")}, {address("10.9.0.1")}, {}};
    ASSERT_TRUE(ok(rtnl_->configure_endpoint(setup)));
    setup.default_gateways = {address("10.9.0.2")};
    auto refused = rtnl_->configure_endpoint(setup);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
}

TEST_F(EndpointInsideTest, WithoutNamespaceOrDevice) {
    Rtnl::EndpointSetup setup{directory_ / "absent", "eth0", {}, {}, {}};
    EXPECT_EQ(rtnl_->configure_endpoint(setup).error().kind(), ErrorKind::kNotFound);
    setup.netns = box_path();
    setup.ifname = "absent";
    EXPECT_EQ(rtnl_->configure_endpoint(setup).error().kind(), ErrorKind::kNotFound);
}

} // namespace
} // namespace cnet::netlink
