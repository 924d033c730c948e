#include "userspace/control/link_news.h"

#include "tests/unit/control/world.h"

namespace cnet::control {
namespace {

netlink::LinkInfo link(uint32_t ifindex, const std::string& name, uint32_t peer_here = 0) {
    netlink::LinkInfo info;
    info.ifindex = ifindex;
    info.name = name;
    info.kind = "veth";
    info.peer_here = peer_here;
    return info;
}

// Told of devices one by one, Observed has what a list of all would say.
class TakeNews : public test::World {
protected:
    void SetUp() override {
        World::SetUp();
        rtnl.add_netns("/run/netns/a");
        make("left", "right");
        rtnl.add_device("eth1", {prefix("198.51.100.1/24")});
        static_cast<void>(news.drain());
        ASSERT_TRUE(observe_links(observed, state, rtnl));
    }

    void make(const std::string& name, const std::string& peer) {
        netlink::VethSpec spec;
        spec.name = name;
        spec.peer_name = peer;
        ASSERT_TRUE(rtnl.create_veth(spec));
    }

    LinksTaken take() {
        auto taken = take_link_news(observed, news.drain().links, rtnl);
        EXPECT_TRUE(taken) << taken.error().message();
        return taken ? *taken : LinksTaken();
    }

    void expect_whole() {
        Observed whole;
        ASSERT_TRUE(observe_links(whole, state, rtnl));
        EXPECT_EQ(observed.links, whole.links);
        for (const auto& [ifindex, addresses] : observed.addresses)
            EXPECT_TRUE(whole.addresses.contains(ifindex)) << ifindex;
    }

    State state;
    Observed observed;
};

TEST_F(TakeNews, NothingToldIsNothingDone) {
    const LinksTaken taken = take();
    EXPECT_FALSE(taken.changed || taken.in_doubt);
    expect_whole();
}

TEST_F(TakeNews, Renamed) {
    const uint32_t ifindex = rtnl.find("eth1")->info.ifindex;
    rtnl.move("eth1", "", "wan");
    EXPECT_TRUE(take().changed);
    EXPECT_EQ(observed.find("eth1"), nullptr);
    ASSERT_NE(observed.find("wan"), nullptr);
    EXPECT_EQ(observed.find("wan")->ifindex, ifindex);
    expect_whole();
}

TEST_F(TakeNews, NamesExchanged) {
    rtnl.move("eth0", "", "other");
    rtnl.move("eth1", "", "eth0");
    rtnl.move("other", "", "eth1");
    const LinksTaken taken = take();
    EXPECT_TRUE(taken.changed);
    EXPECT_FALSE(taken.in_doubt);
    expect_whole();
}

TEST_F(TakeNews, Removed) {
    const uint32_t ifindex = rtnl.find("eth1")->info.ifindex;
    ASSERT_TRUE(rtnl.delete_link("eth1"));
    const LinksTaken taken = take();
    EXPECT_TRUE(taken.changed);
    EXPECT_EQ(taken.gone, std::set<uint32_t>{ifindex});
    EXPECT_FALSE(observed.addresses.contains(ifindex));
    expect_whole();
}

// The kernel tells of the end that moves, and nothing of the other.
TEST_F(TakeNews, MovedToAnotherNamespaceAndBack) {
    ASSERT_NE(observed.find("left")->peer_here, 0u);
    rtnl.move("right", "/run/netns/a", "eth0");
    LinksTaken taken = take();
    EXPECT_TRUE(taken.changed);
    EXPECT_FALSE(taken.in_doubt);
    EXPECT_EQ(observed.find("left")->peer_here, 0u);
    expect_whole();

    rtnl.move("eth0", "", "right", "/run/netns/a");
    taken = take();
    EXPECT_TRUE(taken.changed);
    EXPECT_FALSE(taken.in_doubt);
    EXPECT_NE(observed.find("left")->peer_here, 0u);
    expect_whole();
}

// As the kernel does: the first news of a new veth's end come before it has another end.
TEST_F(TakeNews, WhatIsKnownAlreadyIsNoChange) {
    make("one", "two");
    for (const char* name : {"one", "two"})
        observed.links[name] = *rtnl.link(name);
    auto told = news.drain().links;
    told[rtnl.find("two")->info.ifindex].now->peer_here = 0;
    auto taken = take_link_news(observed, told, rtnl);
    ASSERT_TRUE(taken);
    EXPECT_FALSE(taken->changed || taken->in_doubt);
    expect_whole();
    ASSERT_TRUE(rtnl.delete_link("one"));
    for (const char* name : {"one", "two"})
        observed.links.erase(name);
    EXPECT_FALSE(take().changed) << "deleted by ourselves";
}

// The kernel tells of a veth's two ends one after the other.
TEST_F(TakeNews, OneEndIsToldToBeGoneBeforeTheOther) {
    const uint32_t left = rtnl.find("left")->info.ifindex;
    const uint32_t right = rtnl.find("right")->info.ifindex;
    ASSERT_TRUE(rtnl.delete_link("left"));
    auto first = news.drain().links;
    auto second = decltype(first)();
    second.insert(first.extract(right));
    auto taken = take_link_news(observed, first, rtnl);
    ASSERT_TRUE(taken);
    EXPECT_TRUE(taken->changed);
    EXPECT_FALSE(taken->in_doubt);
    EXPECT_EQ(taken->gone, (std::set<uint32_t>{left, right}));
    expect_whole();
    taken = take_link_news(observed, second, rtnl);
    ASSERT_TRUE(taken);
    EXPECT_FALSE(taken->changed || taken->in_doubt);
    expect_whole();
}

TEST_F(TakeNews, TheOtherEndHasAnotherNameBeforeThatIsTold) {
    const uint32_t left = rtnl.find("left")->info.ifindex;
    rtnl.move("right", "/run/netns/a", "eth0");
    rtnl.move("left", "", "port");
    auto first = news.drain().links;
    first.erase(left);
    auto taken = take_link_news(observed, first, rtnl);
    ASSERT_TRUE(taken);
    EXPECT_TRUE(taken->changed);
    EXPECT_FALSE(taken->in_doubt);
    EXPECT_FALSE(taken->gone.contains(left));
    expect_whole();
}

TEST_F(TakeNews, ToldToBeThereButGoneByNow) {
    auto taken = take_link_news(observed, {{98, {link(98, "fresh", 97), false}}}, rtnl);
    ASSERT_TRUE(taken);
    EXPECT_FALSE(taken->changed || taken->in_doubt);
    EXPECT_EQ(taken->gone, std::set<uint32_t>{98});
    expect_whole();
}

TEST_F(TakeNews, WhatDoesNotFitIsInDoubt) {
    auto taken = take_link_news(observed, {{99, {link(99, "eth1"), false}}}, rtnl);
    ASSERT_TRUE(taken);
    EXPECT_TRUE(taken->in_doubt) << "another device has that name";
}

class Following : public test::World {
protected:
    void SetUp() override {
        World::SetUp();
        make_network("web", "10.88.0.0/24");
        app_ = make_endpoint("web", "app", "/run/netns/a");
        ASSERT_TRUE(links_changed());
        lists_ = lists();
    }

    uint64_t lists() const { return controller->summary().reconcile.link_lists; }

    EndpointView app_;
    uint64_t lists_ = 0;
};

TEST_F(Following, OwnWorkIsNoReasonToListAllDevices) {
    make_endpoint("web", "beta", "/run/netns/b");
    ASSERT_TRUE(links_changed());
    ASSERT_TRUE(controller->delete_endpoint("beta"));
    ASSERT_TRUE(links_changed());
    namespaces.vanish("/run/netns/a");
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(controller->endpoint("app")->state, "netns-gone");
    EXPECT_EQ(lists(), lists_);
    expect_settled();
}

TEST_F(Following, AnIndexUsedAgainHasNothingAttached) {
    const uint32_t eth = eth0;
    ASSERT_TRUE(hooks.attached.contains({CNET_HOOK_UPLINK, eth}));
    hooks.attached.erase({CNET_HOOK_UPLINK, eth}); // as the kernel does
    hooks.attached.erase({CNET_HOOK_UPLINK_EGRESS, eth});
    netlink::Events events;
    events.links[eth] = {*rtnl.link("eth0"), true};
    events.addresses.insert(eth);
    ASSERT_TRUE(controller->links_changed(events));
    EXPECT_TRUE(hooks.attached.contains({CNET_HOOK_UPLINK, eth}));
    expect_settled();
}

TEST_F(Following, DoubtIsEndedByAList) {
    ASSERT_TRUE(rtnl.delete_link("cnet1"));
    hooks.attached.erase({CNET_HOOK_ENDPOINT, app_.ifindex});
    netlink::Events events;
    events.links[99] = {link(99, "eth0"), false}; // and nothing of what happened
    ASSERT_TRUE(controller->links_changed(events));
    EXPECT_EQ(lists(), lists_ + 1);
    EXPECT_EQ(controller->endpoint("app")->state, "up") << "found and made again";
    expect_settled();
}

// News do not come twice.
TEST_F(Following, NewsThatWereNotTakenAreMadeUpFor) {
    rtnl.add_device("eth1", {prefix("198.51.100.1/24")});
    rtnl.fail_next("addresses", Error(ErrorKind::kSystem, "no luck"));
    auto told = netlink::Events();
    told.links[rtnl.find("eth1")->info.ifindex].now = *rtnl.link("eth1");
    told.addresses.insert(rtnl.find("eth1")->info.ifindex);
    EXPECT_FALSE(controller->links_changed(told));
    ASSERT_TRUE(controller->links_changed({}));
    EXPECT_EQ(lists(), lists_ + 1);
    EXPECT_TRUE(hooks.attached.contains({CNET_HOOK_UPLINK, rtnl.find("eth1")->info.ifindex}));
    expect_settled();
}

} // namespace
} // namespace cnet::control
