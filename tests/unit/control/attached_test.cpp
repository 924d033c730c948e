// Devices that somebody else made, as ports of networks.
#include "tests/unit/control/world.h"

namespace cnet::test {

namespace {

class AttachedTest : public World {
protected:
    void SetUp() override {
        World::SetUp();
        make_network("web", "10.88.0.0/24");
        make_endpoint("web", "app", "/run/netns/a");
        lan = rtnl.add_device("lan0", {}, "veth");
    }

    void attach(const std::string& device) {
        auto attached = controller->attach_device("web", device);
        ASSERT_TRUE(attached) << attached.error().message();
    }

    void expect_refused(const std::string& device, ErrorKind kind, const std::string& words) {
        auto refused = controller->attach_device("web", device);
        ASSERT_FALSE(refused) << device;
        EXPECT_EQ(refused.error().kind(), kind) << refused.error().message();
        EXPECT_NE(refused.error().message().find(words), std::string::npos)
            << refused.error().message();
        expect_settled();
    }

    bool is_port(uint32_t ifindex) const {
        return tables.contents.port.contains(ifindex) &&
               hooks.attached.contains({CNET_HOOK_ENDPOINT, ifindex});
    }

    std::string device_state() const { return controller->network("web")->devices.at(0).state; }

    uint32_t lan = 0;
};

TEST_F(AttachedTest, BecomesAPortThatLearnsAndChecksNothing) {
    EXPECT_EQ(tables.contents.network.at(1).flags, 0u);
    attach("lan0");
    ASSERT_TRUE(is_port(lan));
    const cnet_port& port = tables.contents.port.at(lan);
    EXPECT_EQ(port.flags,
              static_cast<uint32_t>(CNET_PORT_LEARNING | CNET_PORT_MASQUERADE | CNET_PORT_DHCP));
    EXPECT_EQ(port.endpoint_id, 0u);
    EXPECT_EQ(port.host_ifindex, rtnl.find("cngw1")->info.ifindex);
    EXPECT_EQ(tables.contents.network.at(1).flood_ports, 3u);
    EXPECT_EQ(tables.contents.network.at(1).flags, static_cast<uint32_t>(CNET_NETWORK_OPEN));
    EXPECT_FALSE(rtnl.find("lan0")->info.promiscuous) << "a veth filters nothing";
    expect_settled();
    const auto view = controller->network("web");
    ASSERT_EQ(view->devices.size(), 1u);
    EXPECT_EQ(view->devices[0].ifindex, lan);
    EXPECT_EQ(view->devices[0].state, "up");

    ASSERT_TRUE(controller->detach_device("web", "lan0"));
    EXPECT_FALSE(is_port(lan));
    EXPECT_EQ(tables.contents.network.at(1).flood_ports, 2u);
    expect_settled();
}

TEST_F(AttachedTest, WhatCannotBeAPortIsRefused) {
    rtnl.add_device("br0", {}, "bridge");
    rtnl.add_device("nic1", {prefix("198.51.100.7/24")});
    rtnl.add_device("up1");
    ASSERT_TRUE(controller->add_uplink("up1"));
    ASSERT_TRUE(links_changed());
    expect_refused("lo", ErrorKind::kInvalid, "is the loopback device");
    expect_refused("cnet1", ErrorKind::kInvalid, "belongs to one of our networks");
    expect_refused("cnhp1", ErrorKind::kInvalid, "belongs to one of our networks");
    expect_refused("br0", ErrorKind::kInvalid, "is a bridge");
    expect_refused("nic1", ErrorKind::kConflict, "has the host's address 198.51.100.7/24");
    expect_refused("up1", ErrorKind::kConflict, "is an uplink");
    expect_refused("none", ErrorKind::kNotFound, "there is no device \"none\"");
    expect_refused("a/b", ErrorKind::kInvalid, "is no device name");
    ASSERT_TRUE(rtnl.set_mtu("lan0", 1400));
    expect_refused("lan0", ErrorKind::kInvalid, "has an MTU of 1400, network web one of 1500");
    EXPECT_EQ(controller->attach_device("none", "lan0").error().kind(), ErrorKind::kNotFound);
}

TEST_F(AttachedTest, BelongsToOneNetworkAndIsNoUplink) {
    make_network("db", "10.89.0.0/24");
    attach("lan0");
    expect_refused("lan0", ErrorKind::kConflict, "is attached to network web already");
    EXPECT_EQ(controller->detach_device("db", "lan0").error().kind(), ErrorKind::kNotFound);
    EXPECT_EQ(controller->add_uplink("lan0").error().kind(), ErrorKind::kConflict);
    ASSERT_TRUE(controller->delete_endpoint("app"));
    EXPECT_EQ(controller->delete_network("web").error().kind(), ErrorKind::kConflict);
    ASSERT_TRUE(rtnl.add_address("lan0", prefix("198.51.100.7/24")));
    ASSERT_TRUE(links_changed());
    EXPECT_FALSE(tables.contents.uplink.contains(lan)) << "an address makes it no uplink";
}

TEST_F(AttachedTest, ANicIsPromiscuousWhileItIsAttached) {
    rtnl.add_device("nic1");
    attach("nic1");
    EXPECT_TRUE(rtnl.find("nic1")->info.promiscuous);
    ASSERT_TRUE(rtnl.set_promiscuous("nic1", false));
    ASSERT_TRUE(links_changed());
    EXPECT_TRUE(rtnl.find("nic1")->info.promiscuous) << "somebody switched it off";
    restart();
    ASSERT_TRUE(controller->detach_device("web", "nic1"));
    EXPECT_FALSE(rtnl.find("nic1")->info.promiscuous);

    ASSERT_TRUE(rtnl.set_promiscuous("nic1", true));
    ASSERT_TRUE(links_changed());
    attach("nic1");
    ASSERT_TRUE(controller->detach_device("web", "nic1"));
    EXPECT_TRUE(rtnl.find("nic1")->info.promiscuous) << "it was so before";
}

TEST_F(AttachedTest, ADeviceThatComesBackIsFollowed) {
    attach("lan0");
    const cnet_fdb_key key{1, {2, 0, 0, 0, 0, 9}, {}};
    tables.learned[key] = {clock.monotonic_ns(), lan, CNET_PORT_LEARNING, 0, 0};
    ASSERT_TRUE(rtnl.delete_link("lan0"));
    hooks.attached.erase({CNET_HOOK_ENDPOINT, lan});
    ASSERT_TRUE(links_changed());
    EXPECT_FALSE(tables.contents.port.contains(lan));
    EXPECT_TRUE(tables.learned.empty());
    EXPECT_EQ(device_state(), "gone");
    restart();
    const uint32_t again = rtnl.add_device("lan0", {}, "veth");
    ASSERT_TRUE(links_changed());
    EXPECT_TRUE(is_port(again));
    EXPECT_EQ(device_state(), "up");
    expect_settled();
}

TEST_F(AttachedTest, ADeviceThatBecomesSomethingElseIsLeftAlone) {
    attach("lan0");
    ASSERT_TRUE(rtnl.delete_link("lan0"));
    hooks.attached.erase({CNET_HOOK_ENDPOINT, lan});
    const uint32_t bridge = rtnl.add_device("lan0", {}, "bridge");
    ASSERT_TRUE(links_changed());
    EXPECT_FALSE(is_port(bridge));
    EXPECT_EQ(device_state(), "unusable");
    expect_settled();
}

TEST_F(AttachedTest, MtuOfTheNetworkStaysBelowTheDevices) {
    attach("lan0");
    control::NetworkPatch patch;
    patch.mtu = 9000;
    EXPECT_EQ(controller->update_network("web", patch).error().kind(), ErrorKind::kInvalid);
    patch.mtu = 1400;
    EXPECT_TRUE(controller->update_network("web", patch));
    EXPECT_EQ(tables.contents.network.at(1).mtu, 1400u);
}

TEST_F(AttachedTest, StatedMacsGoWithTheDevice) {
    attach("lan0");
    const cnet_fdb_key key{1, {2, 0, 0, 0, 0, 9}, {}};
    auto added = controller->add_fdb("web", mac("02:00:00:00:00:09"), {"", "lan0"});
    ASSERT_TRUE(added) << added.error().message();
    EXPECT_EQ(added->device, "lan0");
    EXPECT_EQ(added->endpoint, std::nullopt);
    EXPECT_EQ(tables.contents.fdb.at(key).ifindex, lan);
    EXPECT_EQ(controller->add_fdb("web", mac("02:00:00:00:00:0a"), {"", "eth9"}).error().kind(),
              ErrorKind::kNotFound);
    EXPECT_EQ(controller->add_fdb("web", mac("02:00:00:00:00:0a"), {"app", "lan0"}).error().kind(),
              ErrorKind::kInvalid);
    restart();
    ASSERT_TRUE(controller->detach_device("web", "lan0"));
    EXPECT_FALSE(tables.contents.fdb.contains(key));
    restart();
    expect_settled();
}

TEST_F(AttachedTest, FlowsOfUnstatedAddressesLiveAsLongAsSomethingIsAttached) {
    attach("lan0");
    cnet_ct_key forward{};
    forward.src = ip("10.88.0.99").to_abi();
    forward.dst = ip("203.0.113.9").to_abi();
    forward.zone = 1;
    forward.l4_proto = 17;
    cnet_ct_entry entry{};
    entry.kind = CNET_CT_FORWARD;
    entry.type = CNET_CT_SNAT;
    entry.network_id = 1;
    entry.last_seen_ns = clock.monotonic_ns();
    tables.flows[forward] = entry;
    ASSERT_TRUE(controller->sweep());
    EXPECT_EQ(tables.flows.size(), 1u);
    cnet_ct_key stated = forward;
    stated.src = ip("10.88.0.2").to_abi(); // app's
    tables.flows[stated] = entry;
    ASSERT_TRUE(controller->detach_device("web", "lan0"));
    EXPECT_FALSE(tables.flows.contains(forward));
    EXPECT_TRUE(tables.flows.contains(stated));
}

// Killed at each call to the kernel in turn: afterwards everything is as before, or as asked for.
TEST_F(AttachedTest, CrashedAtAnyPoint) {
    rtnl.add_device("nic1");
    for (int calls = 0; calls < 60; calls++) {
        for (bool in : {true, false}) {
            life.calls_left = calls;
            auto done = in ? controller->attach_device("web", "nic1")
                           : controller->detach_device("web", "nic1");
            static_cast<void>(static_cast<bool>(done));
            restart();
            const bool attached = !controller->network("web")->devices.empty();
            const auto& info = rtnl.find("nic1")->info;
            EXPECT_EQ(is_port(info.ifindex), attached) << calls;
            EXPECT_EQ(info.promiscuous, attached) << calls;
            expect_settled();
        }
        if (controller->network("web")->devices.empty()) continue;
        ASSERT_TRUE(controller->detach_device("web", "nic1"));
    }
}

} // namespace

} // namespace cnet::test
