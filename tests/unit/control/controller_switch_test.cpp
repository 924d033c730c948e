// Commands about uplinks, floods, the forwarding database and counters, against a host in memory.
#include "tests/unit/control/world.h"

namespace cnet::test {

namespace {

using control::Attachment;

using ControllerSwitchTest = World;

TEST_F(ControllerSwitchTest, UplinksFollowTheHostAndTheUser) {
    const uint32_t eth1 = rtnl.add_device("eth1", {prefix("198.51.100.1/24")});
    rtnl.add_device("docker0", {prefix("172.30.0.1/16")}, "bridge");
    rtnl.add_device("br0", {prefix("203.0.113.1/24")}, "bridge");
    rtnl.add_device("idle0");
    ASSERT_TRUE(links_changed());
    std::vector<std::string> names;
    for (const auto& uplink : controller->uplinks())
        names.push_back(uplink.device);
    EXPECT_EQ(names, (std::vector<std::string>{"br0", "eth0", "eth1"}));

    ASSERT_TRUE(controller->delete_uplink("eth1"));
    EXPECT_FALSE(hooks.attached.contains(Attachment{CNET_HOOK_UPLINK, eth1}));
    EXPECT_FALSE(tables.contents.uplink.contains(eth1));
    EXPECT_EQ(controller->delete_uplink("eth1").error().kind(), ErrorKind::kNotFound);
    restart();
    EXPECT_EQ(controller->uplinks().size(), 2u) << "an uplink that was deleted stays deleted";
    auto added = controller->add_uplink("idle0");
    ASSERT_TRUE(added) << added.error().message();
    EXPECT_EQ(added->configured, "added");
    EXPECT_EQ(controller->add_uplink("nope").error().message(), "there is no device \"nope\"");
    EXPECT_EQ(controller->add_uplink("lo").error().kind(), ErrorKind::kInvalid);
    make_network("web", "10.88.0.0/24");
    EXPECT_EQ(controller->add_uplink("cngw1").error().kind(), ErrorKind::kInvalid);
    ASSERT_TRUE(controller->delete_uplink("idle0"));
    expect_settled();
}

TEST_F(ControllerSwitchTest, XdpIsAnUplinksOwnSetting) {
    const Attachment xdp{CNET_HOOK_UPLINK_XDP, eth0};
    EXPECT_FALSE(controller->uplinks()[0].xdp || hooks.attached.contains(xdp));
    auto set = controller->set_uplink_xdp("eth0", true);
    ASSERT_TRUE(set) << set.error().message();
    EXPECT_TRUE(set->xdp && set->xdp_running && hooks.attached.contains(xdp));
    cnet_fdb_key own{CNET_ZONE_WORLD, {}, {}};
    const auto bytes = rtnl.link("eth0")->mac.bytes();
    std::copy(bytes.begin(), bytes.end(), own.mac);
    EXPECT_EQ(tables.contents.fdb.at(own).ifindex, eth0);
    restart();
    EXPECT_TRUE(controller->uplinks()[0].xdp && hooks.attached.contains(xdp));

    ASSERT_TRUE(controller->set_uplink_xdp("eth0", false));
    EXPECT_FALSE(controller->uplinks()[0].xdp || hooks.attached.contains(xdp));
    EXPECT_FALSE(tables.contents.fdb.contains(own));
    ASSERT_TRUE(controller->set_uplink_xdp("eth0", true));
    EXPECT_TRUE(controller->fdb("")->empty()) << "it is no MAC of a network";
    ASSERT_TRUE(controller->delete_uplink("eth0"));
    EXPECT_FALSE(hooks.attached.contains(xdp));
    EXPECT_EQ(controller->set_uplink_xdp("eth0", true).error().kind(), ErrorKind::kNotFound);
    ASSERT_TRUE(controller->add_uplink("eth0"));
    EXPECT_FALSE(controller->uplinks()[0].xdp) << "the setting has gone with the uplink";
    expect_settled();
}

TEST_F(ControllerSwitchTest, XdpThatADriverRefuses) {
    hooks.attach_error = Error(ErrorKind::kInvalid, "no native XDP");
    EXPECT_EQ(controller->set_uplink_xdp("eth0", true).error().kind(), ErrorKind::kInvalid);
    hooks.attach_error.reset();
    EXPECT_FALSE(controller->uplinks()[0].xdp) << "a refused command changes nothing";
    rtnl.add_device("bond0", {prefix("198.51.100.1/24")}, "bond");
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(controller->set_uplink_xdp("bond0", true).error().kind(), ErrorKind::kInvalid);
    expect_settled();
}

TEST_F(ControllerSwitchTest, XdpWaitsForItsDevice) {
    rtnl.add_device("eth1", {prefix("198.51.100.1/24")});
    ASSERT_TRUE(links_changed());
    ASSERT_TRUE(controller->set_uplink_xdp("eth1", true));
    ASSERT_TRUE(rtnl.delete_link("eth1"));
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(controller->uplinks().size(), 1u);
    const uint32_t again = rtnl.add_device("eth1", {prefix("198.51.100.1/24")});
    ASSERT_TRUE(links_changed());
    EXPECT_TRUE(hooks.attached.contains(Attachment{CNET_HOOK_UPLINK_XDP, again}));
    ASSERT_TRUE(rtnl.delete_link("eth1"));
    ASSERT_TRUE(links_changed());
    ASSERT_TRUE(controller->set_uplink_xdp("eth1", false)) << "also of a device that is not here";
    EXPECT_EQ(controller->set_uplink_xdp("eth1", false).error().kind(), ErrorKind::kNotFound);
    expect_settled();
}

TEST_F(ControllerSwitchTest, StaticFdbEntries) {
    make_network("web", "10.88.0.0/24");
    const auto app = make_endpoint("web", "app", "/run/netns/a");
    // The MAC was learned before it was stated.
    const cnet_fdb_key key{1, {2, 0, 0, 0, 0, 9}, {}};
    tables.learned[key] = {clock.monotonic_ns(), app.ifindex, 0, 0, 0};
    auto added = controller->add_fdb("web", mac("02:00:00:00:00:09"), {"app", ""});
    ASSERT_TRUE(added) << added.error().message();
    EXPECT_EQ(tables.contents.fdb.at(key).ifindex, app.ifindex);
    EXPECT_TRUE(tables.learned.empty());
    auto shown = controller->fdb("web");
    ASSERT_TRUE(shown);
    EXPECT_EQ(shown->size(), 3u); // gateway, endpoint, stated
    EXPECT_EQ(controller->add_fdb("web", app.mac, {"app", ""}).error().kind(),
              ErrorKind::kConflict);
    EXPECT_EQ(controller->add_fdb("web", mac("01:00:00:00:00:09"), {"app", ""}).error().kind(),
              ErrorKind::kInvalid);
    ASSERT_TRUE(controller->delete_fdb("web", mac("02:00:00:00:00:09")));
    EXPECT_EQ(controller->delete_fdb("web", mac("02:00:00:00:00:09")).error().kind(),
              ErrorKind::kNotFound);
    EXPECT_EQ(controller->delete_fdb("web", app.mac).error().kind(), ErrorKind::kConflict);

    tables.learned[key] = {clock.monotonic_ns(), app.ifindex, 0, 0, 0};
    clock.advance_s(5);
    shown = controller->fdb("web");
    ASSERT_EQ(shown->size(), 3u);
    EXPECT_EQ((*shown)[0].type, "learned");
    EXPECT_EQ((*shown)[0].age_s, 5u);
    EXPECT_EQ((*shown)[0].endpoint, "app");
    EXPECT_EQ(*controller->flush_fdb("web"), 1u);
    EXPECT_EQ(*controller->flush_fdb("web"), 0u);
    expect_settled();
}

TEST_F(ControllerSwitchTest, LearnedMacsGoWithTheirPort) {
    make_network("web", "10.88.0.0/24");
    const auto app = make_endpoint("web", "app", "/run/netns/a");
    const auto two = make_endpoint("web", "two", "/run/netns/b");
    tables.learned[{1, {2, 0, 0, 0, 0, 8}, {}}] = {1, app.ifindex, 0, 0, 0};
    tables.learned[{1, {2, 0, 0, 0, 0, 9}, {}}] = {1, two.ifindex, 0, 0, 0};
    ASSERT_TRUE(controller->delete_endpoint("app"));
    ASSERT_EQ(tables.learned.size(), 1u);
    EXPECT_EQ(tables.learned.begin()->second.ifindex, two.ifindex);
}

TEST_F(ControllerSwitchTest, DropsAreNamed) {
    tables.counter_values[CNET_COUNTER_INDEX(CNET_HOOK_UPLINK, CNET_R_NOT_OURS)] = {3, 300};
    auto drops = controller->drops();
    ASSERT_TRUE(drops);
    ASSERT_EQ(drops->size(), 1u);
    EXPECT_EQ((*drops)[0].hook, "uplink");
    EXPECT_EQ((*drops)[0].reason, "not_ours");
    EXPECT_EQ((*drops)[0].reason_class, "punt");
    ASSERT_TRUE(controller->reset_drops());
    EXPECT_TRUE(controller->drops()->empty());
}

TEST_F(ControllerSwitchTest, AFloodLimitHasABucketForEachPort) {
    make_network("web", "10.88.0.0/24");
    make_network("other", "10.89.0.0/24");
    make_endpoint("web", "app", "/run/netns/a");
    make_endpoint("other", "aside", "/run/netns/b");
    EXPECT_TRUE(tables.contents.flood_rate.empty());
    control::NetworkPatch patch;
    patch.flood_limit = 50;
    ASSERT_TRUE(controller->update_network("web", patch));
    EXPECT_EQ(tables.contents.network.at(1).flood_interval_ns, 20'000'000u);
    namespaces.add("/run/netns/c");
    make_endpoint("web", "db", "/run/netns/c");
    std::set<uint32_t> ports;
    for (const auto& [key, bucket] : tables.contents.flood_rate) {
        EXPECT_EQ(key.network_id, 1u);
        ports.insert(key.ifindex);
    }
    EXPECT_EQ(ports,
              (std::set{rtnl.find("cnet1")->info.ifindex, rtnl.find("cnet3")->info.ifindex}));
    patch.flood_limit = 0;
    ASSERT_TRUE(controller->update_network("web", patch));
    EXPECT_TRUE(tables.contents.flood_rate.empty());
    patch.flood_limit = 1'000'001;
    auto refused = controller->update_network("web", patch);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kInvalid);
}

} // namespace

} // namespace cnet::test
