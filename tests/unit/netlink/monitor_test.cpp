#include "userspace/netlink/monitor.h"

#include <poll.h>

#include <algorithm>
#include <cstdlib>

#include "tests/unit/netlink/netns_fixture.h"

namespace cnet::netlink {
namespace {

using test::ok;

class MonitorTest : public test::NetnsTest {
protected:
    void SetUp() override {
        NetnsTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        VethSpec spec;
        spec.name = "cnet1";
        spec.peer_name = "eth0";
        spec.peer_netns = box_path();
        ASSERT_TRUE(ok(rtnl_->create_veth(spec)));
        auto opened = Monitor::open();
        ASSERT_TRUE(ok(opened));
        monitor_.emplace(std::move(*opened));
    }

    // What is reported until `done` says that it is enough.
    template <typename Done> Events wait_for(Done done) {
        constexpr int kGenerousMs = 30'000;
        Events all;
        while (!done(all)) {
            pollfd ready{monitor_->fd(), POLLIN, 0};
            if (poll(&ready, 1, kGenerousMs) != 1) break;
            auto events = monitor_->drain();
            if (!events) {
                ADD_FAILURE() << events.error().message();
                break;
            }
            all.add(*std::move(events));
        }
        return all;
    }

    std::optional<Monitor> monitor_;
};

TEST_F(MonitorTest, QuietWhenNothingHappens) {
    auto events = monitor_->drain();
    ASSERT_TRUE(ok(events));
    EXPECT_FALSE(events->any());
}

TEST_F(MonitorTest, TellsLinksAddressesAndRoutesApart) {
    ASSERT_TRUE(ok(rtnl_->set_mtu("cnet1", 1300)));
    const auto link = rtnl_->link("cnet1");
    ASSERT_TRUE(ok(link));
    auto events = wait_for([](const Events& seen) { return !seen.links.empty(); });
    EXPECT_EQ(events.links[link->ifindex].now->mtu, 1300u);
    EXPECT_FALSE(!events.addresses.empty() || events.routes_changed || events.overrun);

    // On a device that is down an address makes no connected route.
    ASSERT_TRUE(ok(rtnl_->add_address("cnet1", *IpPrefix::parse("10.9.0.1/24"))));
    events = wait_for([](const Events& seen) { return !seen.addresses.empty(); });
    EXPECT_EQ(events.addresses, std::set<uint32_t>{link->ifindex});
    EXPECT_FALSE(!events.links.empty() || events.overrun);

    ASSERT_TRUE(ok(rtnl_->set_up("cnet1", true)));
    events = wait_for([](const Events& seen) { return seen.routes_changed; });
    EXPECT_TRUE(events.routes_changed);
}

// Each device as it is in the end, the same as if it were asked for.
TEST_F(MonitorTest, TellsWhatEachDeviceIsNow) {
    VethSpec spec;
    spec.name = "cnet2";
    spec.alias = "cnet-bpf endpoint two";
    spec.mac = *MacAddress::parse("02:00:00:00:00:02");
    spec.peer_name = "cnep2"; // here too
    ASSERT_TRUE(ok(rtnl_->create_veth(spec)));
    ASSERT_TRUE(ok(rtnl_->set_mtu("cnet2", 1400)));
    ASSERT_TRUE(ok(rtnl_->set_promiscuous("cnet2", true)));
    ASSERT_TRUE(ok(rtnl_->set_up("cnet2", true)));
    const auto link = rtnl_->link("cnet2");
    ASSERT_TRUE(ok(link));
    EXPECT_NE(link->peer_here, 0u);
    auto events = monitor_->drain();
    ASSERT_TRUE(ok(events));
    EXPECT_EQ(events->links[link->ifindex], (LinkNews{*link, false}));
    auto links = rtnl_->links();
    ASSERT_TRUE(ok(links));
    EXPECT_EQ(std::count(links->begin(), links->end(), *link), 1);

    ASSERT_TRUE(ok(rtnl_->delete_link("cnet2")));
    events = monitor_->drain();
    ASSERT_TRUE(ok(events));
    EXPECT_EQ(events->links[link->ifindex], (LinkNews{std::nullopt, true}));
    EXPECT_TRUE(events->links.contains(link->peer_here));
}

TEST_F(MonitorTest, WhatComesLaterCounts) {
    LinkInfo link;
    link.name = "a";
    Events all;
    all.links[7] = {link, false};
    Events later;
    later.links[7].was_gone = true;
    all.add(later);
    EXPECT_EQ(all.links[7], (LinkNews{std::nullopt, true}));
    Events last;
    last.links[7] = {link, false};
    all.add(last);
    EXPECT_EQ(all.links[7], (LinkNews{link, true})) << "it is another one";
}

// A port of a bridge is told of as such, and that it is none any more does not mean that it went.
TEST_F(MonitorTest, APortThatLeavesItsBridgeIsStillThere) {
    for (const char* command : {"ip link add br0 type bridge", "ip link set cnet1 master br0",
                                "ip link set cnet1 nomaster"})
        ASSERT_EQ(std::system(command), 0) << command;
    const auto link = rtnl_->link("cnet1");
    auto events = monitor_->drain();
    ASSERT_TRUE(ok(events));
    EXPECT_TRUE(events->bridging_changed);
    EXPECT_EQ(events->links[link->ifindex], (LinkNews{*link, false}));
}

TEST_F(MonitorTest, OverrunIsReportedOnce) {
    // More notifications than any receive buffer that a system hands out by default.
    for (unsigned i = 0; i < 2000; ++i)
        ASSERT_TRUE(ok(rtnl_->set_mtu("cnet1", 1300 + i % 2)));
    auto events = wait_for([](const Events& seen) { return seen.overrun; });
    EXPECT_TRUE(events.overrun);
    ASSERT_TRUE(ok(rtnl_->set_mtu("cnet1", 1400)));
    events = wait_for([](const Events& seen) { return !seen.links.empty(); });
    EXPECT_FALSE(events.links.empty());
    EXPECT_FALSE(events.overrun);
}

} // namespace
} // namespace cnet::netlink
