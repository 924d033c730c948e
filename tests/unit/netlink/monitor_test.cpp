#include "userspace/netlink/monitor.h"

#include <poll.h>

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
            all.links_changed |= events->links_changed;
            all.addresses_changed |= events->addresses_changed;
            all.routes_changed |= events->routes_changed;
            all.overrun |= events->overrun;
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
    auto events = wait_for([](const Events& seen) { return seen.links_changed; });
    EXPECT_TRUE(events.links_changed);
    EXPECT_FALSE(events.addresses_changed || events.routes_changed || events.overrun);

    // On a device that is down an address makes no connected route.
    ASSERT_TRUE(ok(rtnl_->add_address("cnet1", *IpPrefix::parse("10.9.0.1/24"))));
    events = wait_for([](const Events& seen) { return seen.addresses_changed; });
    EXPECT_TRUE(events.addresses_changed);
    EXPECT_FALSE(events.links_changed || events.overrun);

    ASSERT_TRUE(ok(rtnl_->set_up("cnet1", true)));
    events = wait_for([](const Events& seen) { return seen.routes_changed; });
    EXPECT_TRUE(events.routes_changed);
}

TEST_F(MonitorTest, OverrunIsReportedOnce) {
    // More notifications than any receive buffer that a system hands out by default.
    for (unsigned i = 0; i < 2000; ++i)
        ASSERT_TRUE(ok(rtnl_->set_mtu("cnet1", 1300 + i % 2)));
    auto events = wait_for([](const Events& seen) { return seen.overrun; });
    EXPECT_TRUE(events.overrun);
    ASSERT_TRUE(ok(rtnl_->set_mtu("cnet1", 1400)));
    events = wait_for([](const Events& seen) { return seen.links_changed; });
    EXPECT_TRUE(events.links_changed);
    EXPECT_FALSE(events.overrun);
}

} // namespace
} // namespace cnet::netlink
