#include "userspace/netlink/kernel_rtnl.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/unit/netlink/netns_fixture.h"

namespace cnet::netlink {
namespace {

using test::address;
using test::ok;
using test::prefix;

class KernelRtnlTest : public test::NetnsTest {
protected:
    bool has_address(const std::string& device, const char* text) {
        auto link = rtnl_->link(device);
        auto all = rtnl_->addresses();
        return link && all && std::ranges::any_of(*all, [&](const AddressInfo& info) {
                   return info.ifindex == link->ifindex && info.prefix == prefix(text);
               });
    }
};

TEST_F(KernelRtnlTest, VethHasBothEndsAsAsked) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));

    auto host = rtnl_->link("cnet1");
    ASSERT_TRUE(ok(host));
    EXPECT_EQ(host->kind, "veth");
    EXPECT_EQ(host->alias, "cnet-bpf endpoint web");
    EXPECT_EQ(host->mac, *spec().mac);
    EXPECT_EQ(host->mtu, 1400u);
    EXPECT_FALSE(host->up);
    EXPECT_TRUE(host->has_ethernet);

    auto peer = box_->link("eth0");
    ASSERT_TRUE(ok(peer));
    EXPECT_EQ(peer->mac, *spec().peer_mac);
    EXPECT_EQ(peer->mtu, 1400u);
    EXPECT_FALSE(peer->up);
    EXPECT_FALSE(rtnl_->link("eth0"));
    EXPECT_FALSE(host->peer_here);
}

TEST_F(KernelRtnlTest, VethWithinOneNamespace) {
    auto pair = spec();
    pair.peer_name = "cnhp1";
    pair.peer_netns = "";
    pair.mac.reset();
    ASSERT_TRUE(ok(rtnl_->create_veth(pair)));
    auto host = rtnl_->link("cnet1");
    ASSERT_TRUE(ok(host));
    EXPECT_FALSE(host->mac.is_zero());
    EXPECT_TRUE(ok(rtnl_->link("cnhp1")));
    EXPECT_TRUE(host->peer_here);
}

TEST_F(KernelRtnlTest, TakenNamesAreSaidAndNothingIsLeft) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    auto again = rtnl_->create_veth(spec());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(again.error().message(), "device cnet1 exists already");

    auto other = spec();
    other.name = "cnet2";
    auto refused = rtnl_->create_veth(other);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(refused.error().message(), "device eth0 in " + box_path() + " exists already");
    EXPECT_FALSE(rtnl_->link("cnet2"));
}

TEST_F(KernelRtnlTest, VethIntoNoNamespace) {
    auto lost = spec();
    lost.peer_netns = directory_ / "absent";
    auto refused = rtnl_->create_veth(lost);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kNotFound);
    EXPECT_FALSE(rtnl_->link("cnet1"));
}

TEST_F(KernelRtnlTest, TooLongAliasLeavesNoPair) {
    auto wordy = spec();
    wordy.alias = std::string(300, 'x');
    EXPECT_FALSE(rtnl_->create_veth(wordy));
    EXPECT_FALSE(rtnl_->link("cnet1"));
    EXPECT_FALSE(box_->link("eth0"));
}

TEST_F(KernelRtnlTest, KernelsOwnWordsAreKept) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    auto refused = rtnl_->set_mtu("cnet1", 1'000'000);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kInvalid);
    EXPECT_EQ(refused.error().message(), "set the MTU of cnet1 to 1000000: Invalid argument (mtu "
                                         "greater than device maximum)");
}

TEST_F(KernelRtnlTest, DeletingOneEndDeletesBothAndAbsentIsSuccess) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    EXPECT_TRUE(ok(rtnl_->delete_link("cnet1")));
    auto peer = box_->link("eth0");
    ASSERT_FALSE(peer);
    EXPECT_EQ(peer.error().kind(), ErrorKind::kNotFound);
    EXPECT_TRUE(ok(rtnl_->delete_link("cnet1")));
}

TEST_F(KernelRtnlTest, UpDownAndMtu) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    ASSERT_TRUE(ok(rtnl_->set_up("cnet1", true)));
    EXPECT_TRUE(rtnl_->link("cnet1")->up);
    ASSERT_TRUE(ok(rtnl_->set_mtu("cnet1", 1300)));
    EXPECT_EQ(rtnl_->link("cnet1")->mtu, 1300u);
    EXPECT_TRUE(rtnl_->link("cnet1")->up);
    ASSERT_TRUE(ok(rtnl_->set_up("cnet1", false)));
    EXPECT_FALSE(rtnl_->link("cnet1")->up);
    EXPECT_EQ(rtnl_->set_up("absent", true).error().kind(), ErrorKind::kNotFound);
    EXPECT_EQ(rtnl_->link("absent").error().kind(), ErrorKind::kNotFound);
}

TEST_F(KernelRtnlTest, ByIndex) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    const auto named = rtnl_->link("cnet1");
    ASSERT_TRUE(ok(named));
    const auto indexed = rtnl_->link(named->ifindex);
    ASSERT_TRUE(ok(indexed));
    EXPECT_EQ(*indexed, *named);
    ASSERT_TRUE(ok(rtnl_->delete_link("cnet1")));
    EXPECT_EQ(rtnl_->link(named->ifindex).error().kind(), ErrorKind::kNotFound);
}

// A list that does not fit into one answer of the kernel's, and that changes between two.
TEST_F(KernelRtnlTest, LinksAreListedWhileOthersComeAndGo) {
    constexpr size_t kPairs = 60;
    const auto pair = [&](size_t number) {
        auto veth = spec();
        veth.name = "a" + std::to_string(number);
        veth.peer_name = "b" + std::to_string(number);
        veth.mac.reset();
        veth.peer_mac.reset();
        veth.peer_netns = "";
        return veth;
    };
    for (size_t number = 0; number < kPairs; ++number)
        ASSERT_TRUE(ok(rtnl_->create_veth(pair(number))));
    auto other = KernelRtnl::open();
    ASSERT_TRUE(ok(other));
    const std::jthread churn([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            EXPECT_TRUE(ok((*other)->create_veth(pair(kPairs))));
            EXPECT_TRUE(ok((*other)->delete_link(pair(kPairs).name)));
        }
    });
    for (int times = 0; times < 200; ++times) {
        auto links = rtnl_->links();
        ASSERT_TRUE(ok(links));
        EXPECT_GE(links->size(), 2 * kPairs + 1);
        EXPECT_LE(links->size(), 2 * kPairs + 3);
    }
}

TEST_F(KernelRtnlTest, AddressesComeAndGoTwice) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    for (const char* text : {"10.9.0.1/24", "fd00:9::1/64"}) {
        EXPECT_TRUE(ok(rtnl_->add_address("cnet1", prefix(text))));
        EXPECT_TRUE(ok(rtnl_->add_address("cnet1", prefix(text))));
        EXPECT_TRUE(has_address("cnet1", text));
        EXPECT_TRUE(ok(rtnl_->delete_address("cnet1", prefix(text))));
        EXPECT_FALSE(has_address("cnet1", text));
        EXPECT_TRUE(ok(rtnl_->delete_address("cnet1", prefix(text))));
    }
    EXPECT_TRUE(ok(rtnl_->delete_address("absent", prefix("10.9.0.1/24"))));
    EXPECT_EQ(rtnl_->add_address("absent", prefix("10.9.0.1/24")).error().kind(),
              ErrorKind::kNotFound);
}

TEST_F(KernelRtnlTest, AddressesTellScopeAndWhichIsSecondary) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    ASSERT_TRUE(ok(rtnl_->add_address("cnet1", prefix("10.9.0.1/24"))));
    ASSERT_TRUE(ok(rtnl_->add_address("cnet1", prefix("10.9.0.2/24"))));
    auto all = rtnl_->addresses();
    ASSERT_TRUE(ok(all));
    std::vector<std::string> seen;
    for (const auto& info : *all)
        if (info.prefix.is_v4())
            seen.push_back(info.prefix.to_string() + (info.global_scope ? " global" : "") +
                           (info.secondary ? " secondary" : ""));
    EXPECT_EQ(seen, (std::vector<std::string>{"127.0.0.1/8", "10.9.0.1/24 global",
                                              "10.9.0.2/24 global secondary"}));
}

TEST_F(KernelRtnlTest, RoutesAreTheMainTablesUnicastOnes) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    ASSERT_TRUE(ok(rtnl_->set_up("cnet1", true)));
    ASSERT_TRUE(ok(rtnl_->add_address("cnet1", prefix("10.9.0.1/24"))));
    auto all = rtnl_->routes();
    ASSERT_TRUE(ok(all));
    std::vector<std::string> seen;
    for (const auto& route : *all) {
        if (!route.destination.is_v4()) continue;
        seen.push_back(route.destination.to_string());
        EXPECT_EQ(route.ifindex, rtnl_->link("cnet1")->ifindex);
    }
    // Neither the local table's 10.9.0.1/32 nor the broadcast addresses.
    EXPECT_EQ(seen, std::vector<std::string>{"10.9.0.0/24"});
}

TEST_F(KernelRtnlTest, WaysToOtherHostsSubnets) {
    VxlanSpec device;
    device.name = "cnvt1";
    device.vni = 7;
    device.mac = *MacAddress::parse("0a:58:0a:f4:01:00");
    device.port = 8472;
    ASSERT_TRUE(ok(rtnl_->create_vxlan(device)));
    EXPECT_EQ(rtnl_->link("cnvt1")->mac, *device.mac);
    ASSERT_TRUE(ok(rtnl_->set_up("cnvt1", true)));
    const HostRoute two{prefix("10.244.2.0/24"), *MacAddress::parse("0a:58:0a:f4:02:00"),
                        address("192.0.2.2")};
    HostRoute three{prefix("10.244.3.0/24"), *MacAddress::parse("0a:58:0a:f4:03:00"),
                    address("192.0.2.3")};
    for (const HostRoute& route : {two, three, two}) // again is success
        ASSERT_TRUE(ok(rtnl_->add_host_route("cnvt1", route)));
    three.vtep = address("192.0.2.33");
    ASSERT_TRUE(ok(rtnl_->add_host_route("cnvt1", three)));
    auto routes = rtnl_->host_routes("cnvt1");
    ASSERT_TRUE(ok(routes));
    std::ranges::sort(*routes);
    EXPECT_EQ(*routes, (std::vector{two, three}));
    for (int times = 0; times < 2; times++) // absent is success
        ASSERT_TRUE(ok(rtnl_->delete_host_route("cnvt1", two)));
    EXPECT_EQ(*rtnl_->host_routes("cnvt1"), std::vector{three});

    // Somebody else's way there is neither listed nor replaced.
    ASSERT_EQ(std::system("ip route add 10.244.2.0/24 dev cnvt1"), 0);
    EXPECT_EQ(rtnl_->host_routes("cnvt1")->size(), 1u);
    auto refused = rtnl_->add_host_route("cnvt1", two);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(refused.error().message(), "the host has another route to 10.244.2.0/24");
}

TEST_F(KernelRtnlTest, LinksAreThoseOfTheNamespaceItWasOpenedIn) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    auto elsewhere = NetnsGuard::enter(box_path());
    ASSERT_TRUE(ok(elsewhere));
    auto links = rtnl_->links();
    ASSERT_TRUE(ok(links));
    std::vector<std::string> names;
    for (const auto& link : *links)
        names.push_back(link.name);
    EXPECT_EQ(names, (std::vector<std::string>{"lo", "cnet1"}));
    EXPECT_TRUE(links->front().loopback);
    EXPECT_EQ(links->front().kind, "");
}

TEST_F(KernelRtnlTest, SysctlOfTheNamespaceItWasOpenedIn) {
    ASSERT_TRUE(ok(rtnl_->create_veth(spec())));
    {
        auto elsewhere = NetnsGuard::enter(box_path());
        ASSERT_TRUE(ok(elsewhere));
        ASSERT_TRUE(ok(rtnl_->set_sysctl("ipv4", "cnet1", "forwarding", "1")));
    }
    std::string value;
    std::ifstream("/proc/sys/net/ipv4/conf/cnet1/forwarding") >> value;
    EXPECT_EQ(value, "1");
    EXPECT_EQ(rtnl_->set_sysctl("ipv4", "absent", "forwarding", "1").error().kind(),
              ErrorKind::kNotFound);
    EXPECT_EQ(rtnl_->set_sysctl("ipv4", "../all", "forwarding", "1").error().kind(),
              ErrorKind::kInvalid);
    EXPECT_EQ(rtnl_->set_sysctl("ipv4", "cnet1", "forwarding", "many").error().kind(),
              ErrorKind::kInvalid);
}

} // namespace
} // namespace cnet::netlink
