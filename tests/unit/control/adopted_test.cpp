// Bridges that somebody else made.
#include "tests/unit/control/world.h"
#include "userspace/control/desired_maps.h"

namespace cnet::test {

namespace {

const MacAddress kBridgeMac = *MacAddress::parse("02:00:00:00:03:ff");
const MacAddress kFarMac = *MacAddress::parse("02:00:00:00:03:01");

class AdoptedTest : public World {
protected:
    void SetUp() override {
        World::SetUp();
        bridge = rtnl.add_device("lab0", {prefix("10.77.0.1/24")}, "bridge");
        netlink::BridgeInfo info;
        info.ageing_s = 300;
        info.forward_delay_s = 15;
        info.own = {kBridgeMac};
        rtnl.bridging_of().bridges[bridge] = info;
        one = add_port("one");
        two = add_port("two");
        rtnl.bridging_of().ports[one].far_mac = kFarMac;
        ASSERT_TRUE(links_changed());
    }

    uint32_t add_port(const std::string& name) {
        const uint32_t ifindex = rtnl.add_device(name, {}, "veth");
        rtnl.enslave(name, bridge);
        rtnl.bridging_of().ports[ifindex].forwarding = true;
        return ifindex;
    }

    void adopt() {
        auto adopted = controller->adopt_bridge({"lab0"});
        ASSERT_TRUE(adopted) << adopted.error().message();
    }

    void expect_refused(const std::string& name, ErrorKind kind, const std::string& words) {
        auto refused = controller->adopt_bridge({name});
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().kind(), kind) << refused.error().message();
        EXPECT_NE(refused.error().message().find(words), std::string::npos)
            << refused.error().message();
        EXPECT_TRUE(tables.contents.network.empty());
    }

    MacAddress far_mac_of(uint32_t ifindex) const {
        std::array<uint8_t, CNET_MAC_LEN> bytes{};
        std::copy_n(tables.contents.port.at(ifindex).mac, bytes.size(), bytes.begin());
        return MacAddress(bytes);
    }

    // -1: we have nothing to do with it.
    int64_t flags(uint32_t ifindex) const {
        const bool hooked = hooks.attached.contains({CNET_HOOK_BRIDGE_PORT, ifindex});
        auto port = tables.contents.port.find(ifindex);
        EXPECT_EQ(hooked, port != tables.contents.port.end());
        return hooked ? int64_t{port->second.flags} : -1;
    }

    std::string why_left(const std::string& device) const {
        const auto view = controller->adopted().at(0);
        for (const auto& port : view.ports)
            if (port.device == device) return port.left;
        return "no port";
    }

    // Those of eth0, an uplink, aside.
    bool nothing_of_ours() const {
        return tables.contents.network.empty() && tables.contents.port.empty() &&
               tables.contents.fdb.empty() && tables.contents.fdb_count.empty();
    }

    bool is_uplink(const std::string& device) const {
        for (const auto& uplink : controller->uplinks())
            if (uplink.device == device) return true;
        return false;
    }

    uint32_t bridge = 0, one = 0, two = 0;
};

constexpr int64_t kServed = CNET_PORT_LEARNING, kStraight = CNET_PORT_LEARNING | CNET_PORT_PEER,
                  kLeft = CNET_PORT_LEARNING | CNET_PORT_BRIDGED;

TEST_F(AdoptedTest, PortsAndTheBridgeItselfAreHooked) {
    EXPECT_TRUE(is_uplink("lab0")) << "a bridge with an address may lead anywhere";
    adopt();
    EXPECT_FALSE(is_uplink("lab0"));
    EXPECT_EQ(flags(one), kStraight);
    EXPECT_EQ(flags(two), kServed) << "nobody knows where its far end is";
    EXPECT_TRUE(hooks.attached.contains({CNET_HOOK_BRIDGE, bridge}));
    EXPECT_EQ(tables.contents.port.at(bridge).flags, uint32_t{CNET_PORT_HOST | CNET_PORT_BRIDGED});
    EXPECT_EQ(far_mac_of(one), kFarMac);
    ASSERT_EQ(tables.contents.fdb.size(), 1u);
    EXPECT_EQ(tables.contents.fdb.begin()->second.ifindex, bridge);
    EXPECT_EQ(tables.contents.network.at(1).ageing_s, 300u);
    EXPECT_EQ(tables.contents.network.at(1).flood_ports, 0u);
    expect_settled();
    const auto view = controller->adopted().at(0);
    EXPECT_EQ(view.state, "adopted");
    EXPECT_EQ(view.ports.size(), 2u);
    EXPECT_TRUE(view.warnings.empty());

    ASSERT_TRUE(controller->release_bridge("lab0"));
    EXPECT_EQ(flags(one), -1);
    EXPECT_TRUE(hooks.attached.contains({CNET_HOOK_UPLINK, bridge}));
    EXPECT_FALSE(hooks.attached.contains({CNET_HOOK_BRIDGE, bridge}));
    EXPECT_TRUE(nothing_of_ours());
    EXPECT_FALSE(controller->release_bridge("lab0"));
    make_network("web", "10.88.0.0/24");
    EXPECT_EQ(controller->network("web")->network.id, 2u) << "ids are not used again";
}

TEST_F(AdoptedTest, WhatABridgeMindsIsLeftToIt) {
    adopt();
    auto& ports = rtnl.bridging_of().ports;
    const netlink::BridgePortInfo before = ports[two];
    const struct {
        std::string why;
        void (*set)(netlink::BridgePortInfo&);
    } cases[] = {
        {"it is isolated", [](auto& port) { port.isolated = true; }},
        {"it is locked", [](auto& port) { port.locked = true; }},
        {"it has learning off", [](auto& port) { port.learning = false; }},
        {"it has a backup port", [](auto& port) { port.has_backup = true; }},
        {"the bridge does not forward there", [](auto& port) { port.forwarding = false; }},
    };
    for (const auto& c : cases) {
        c.set(ports[two]);
        ASSERT_TRUE(links_changed());
        EXPECT_EQ(flags(two), kLeft) << c.why;
        EXPECT_EQ(why_left("two"), c.why);
        ports[two] = before;
        ASSERT_TRUE(links_changed());
        EXPECT_EQ(flags(two), kServed) << c.why;
    }
    ports[one].shaped = true;
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(flags(one), kServed);
    expect_settled();
}

TEST_F(AdoptedTest, ChangedPortsForgetWhatWasLearnedThere) {
    adopt();
    cnet_fdb_key key{};
    key.network_id = 1;
    cnet_fdb_entry entry{};
    entry.ifindex = two;
    tables.learned[key] = entry;
    rtnl.bridging_of().ports[two].isolated = true;
    ASSERT_TRUE(links_changed());
    EXPECT_TRUE(tables.learned.empty());
}

TEST_F(AdoptedTest, PortsComeAndGo) {
    adopt();
    const uint32_t three = add_port("three");
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(flags(three), kServed);
    rtnl.enslave("three", 0);
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(flags(three), -1);
    ASSERT_TRUE(rtnl.delete_link("lab0"));
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(flags(one), -1);
    EXPECT_TRUE(tables.contents.port.empty());
    EXPECT_EQ(controller->adopted().at(0).state, "gone");
    expect_settled();
}

TEST_F(AdoptedTest, ABridgeThatBecomesAnotherIsLeftAlone) {
    adopt();
    rtnl.bridging_of().bridges[bridge].vlan_filtering = true;
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(flags(one), -1);
    EXPECT_EQ(controller->adopted().at(0).state, "left");
    rtnl.bridging_of().bridges[bridge].vlan_filtering = false;
    rtnl.bridging_of().bridges[bridge].stp = true;
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(flags(one), kStraight);
    EXPECT_EQ(tables.contents.network.at(1).ageing_s, 15u) << "as fast as a changing tree forgets";
}

TEST_F(AdoptedTest, WhatCannotBeAdoptedIsRefused) {
    expect_refused("one", ErrorKind::kInvalid, "is no bridge");
    expect_refused("none", ErrorKind::kNotFound, "there is no bridge");
    expect_refused("a/b", ErrorKind::kInvalid, "is no device name");
    ASSERT_TRUE(controller->add_uplink("two"));
    expect_refused("lab0", ErrorKind::kConflict, "port two of bridge lab0 is an uplink");
    ASSERT_TRUE(controller->delete_uplink("two"));
    rtnl.bridging_of().bridges[bridge].vlan_filtering = true;
    expect_refused("lab0", ErrorKind::kConflict, "filters VLANs");
    rtnl.bridging_of().bridges[bridge].vlan_filtering = false;
    rtnl.bridging_of().bridges[bridge].ageing_s = 0;
    expect_refused("lab0", ErrorKind::kConflict, "ageing_time 0");
    rtnl.bridging_of().bridges[bridge].ageing_s = 300;
    adopt();
    EXPECT_FALSE(controller->add_uplink("lab0"));
    EXPECT_FALSE(controller->add_uplink("two"));
    control::NetworkSpec spec;
    spec.name = "lab0";
    EXPECT_FALSE(controller->create_network(spec));
}

TEST_F(AdoptedTest, Masquerades) {
    ASSERT_TRUE(controller->adopt_bridge({"lab0", true}));
    ASSERT_EQ(tables.left_to_kernel.size(), 1u) << "what runs already";
    EXPECT_EQ(tables.left_to_kernel.front().first, 1u);
    EXPECT_EQ(tables.left_to_kernel.front().second, std::vector{prefix("10.77.0.1/24")});
    EXPECT_EQ(flags(one), kStraight | CNET_PORT_MASQUERADE);
    EXPECT_EQ(tables.contents.port.at(bridge).flags,
              uint32_t{CNET_PORT_HOST | CNET_PORT_BRIDGED | CNET_PORT_MASQUERADE});
    EXPECT_EQ(tables.contents.port.at(one).gateway4_be, ip("10.77.0.1").to_abi().words_be[3]);
    EXPECT_EQ(tables.contents.network.at(1).flags,
              uint32_t{CNET_NETWORK_OPEN | CNET_NETWORK_ADOPTED});
    rtnl.bridging_of().ports[two].isolated = true;
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(flags(two), kLeft) << "its packets are translated when they leave";

    cnet_ct_key inside{}, outside{};
    inside.zone = 1;
    inside.src = ip("10.77.0.2").to_abi();
    outside.zone = CNET_ZONE_WORLD;
    cnet_ct_entry entry{};
    entry.kind = CNET_CT_FORWARD;
    entry.type = CNET_CT_SNAT;
    entry.network_id = 1;
    entry.last_seen_ns = clock.monotonic_ns();
    entry.other = outside;
    tables.flows[inside] = entry;
    ASSERT_TRUE(controller->sweep());
    EXPECT_EQ(tables.flows.size(), 1u);
    ASSERT_TRUE(controller->release_bridge("lab0"));
    EXPECT_TRUE(tables.flows.empty());
}

TEST_F(AdoptedTest, OptionsAreChangedLive) {
    adopt();
    rtnl.bridging_of().ports[two].isolated = true;
    rtnl.bridging_of().bridges[bridge].stated = {kFarMac};
    ASSERT_TRUE(links_changed());
    ASSERT_TRUE(controller->adopt_bridge({.bridge = "lab0", .icc = false}));
    EXPECT_EQ(flags(one), kStraight | CNET_PORT_ICC_OFF);
    EXPECT_EQ(flags(two), kLeft | CNET_PORT_ICC_OFF) << "nothing goes around it there";
    auto changed =
        controller->adopt_bridge({.bridge = "lab0", .masquerade = true, .internal = true});
    ASSERT_TRUE(changed);
    EXPECT_TRUE(changed->internal && changed->masquerade && !changed->icc);
    const uint32_t limits = CNET_PORT_ICC_OFF | CNET_PORT_INTERNAL;
    EXPECT_EQ(flags(one), int64_t{kStraight | limits}) << "nothing leaves to be masqueraded";
    EXPECT_EQ(tables.contents.port.at(bridge).flags, CNET_PORT_HOST | CNET_PORT_BRIDGED | limits);
    cnet_fdb_key key{};
    key.network_id = 1;
    control::copy_mac(key.mac, kFarMac);
    EXPECT_EQ(tables.contents.fdb.at(key).port_flags, uint32_t{CNET_PORT_BRIDGED})
        << "somebody's, and not the host's";
    restart();
    EXPECT_TRUE(controller->adopted().at(0).internal);
    ASSERT_TRUE(controller->adopt_bridge(
        {.bridge = "lab0", .masquerade = false, .icc = true, .internal = false}));
    EXPECT_EQ(flags(one), kStraight);
    EXPECT_FALSE(controller->adopt_bridge({"lab0"})) << "nothing to change";
    expect_settled();
}

TEST_F(AdoptedTest, WarnsOfWhatIsBypassed) {
    rtnl.bridging_of().netfilter = true;
    rtnl.bridging_of().rules = true;
    rtnl.bridging_of().ebtables = true;
    auto adopted = controller->adopt_bridge({"lab0"});
    ASSERT_TRUE(adopted);
    EXPECT_EQ(adopted->warnings.size(), 3u);
}

TEST_F(AdoptedTest, AWayOutStaysOne) {
    ASSERT_TRUE(controller->add_uplink("lab0"));
    auto refused = controller->adopt_bridge({.bridge = "lab0", .masquerade = true});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
    adopt();
    EXPECT_FALSE(controller->adopt_bridge({.bridge = "lab0", .icc = false}));
    EXPECT_TRUE(is_uplink("lab0"));
    EXPECT_EQ(flags(one), kStraight);
    EXPECT_TRUE(hooks.attached.contains({CNET_HOOK_UPLINK_EGRESS, bridge}));
    EXPECT_FALSE(hooks.attached.contains({CNET_HOOK_BRIDGE, bridge}));
    EXPECT_FALSE(controller->publish("lab0/10.77.0.2", "8080:80"));
    expect_settled();
    ASSERT_TRUE(controller->delete_uplink("lab0"));
    EXPECT_TRUE(hooks.attached.contains({CNET_HOOK_BRIDGE, bridge}));
    expect_settled();
}

TEST_F(AdoptedTest, PublishesAddressesBehindIt) {
    adopt();
    auto published = controller->publish("lab0/10.77.0.2", "18080:80");
    ASSERT_TRUE(published) << published.error().message();
    EXPECT_EQ(published->endpoint, "lab0/10.77.0.2");
    EXPECT_EQ(published->host_ip, "0.0.0.0");
    auto second = controller->publish("lab0/fd00::2", "18080:80");
    ASSERT_TRUE(second) << "the other family's: " << second.error().message();
    EXPECT_EQ(second->host_ip, "::");
    const cnet_binding& binding = tables.contents.binding.at(published->id);
    EXPECT_EQ(binding.network_id, 1u);
    EXPECT_EQ(IpAddress::from_abi(binding.target4), ip("10.77.0.2"));
    EXPECT_TRUE(IpAddress::from_abi(binding.target6).is_unspecified());
    EXPECT_EQ(flags(one), kStraight | CNET_PORT_PUBLISHED);
    EXPECT_EQ(tables.contents.network.at(1).flags,
              uint32_t{CNET_NETWORK_OPEN | CNET_NETWORK_ADOPTED});
    rtnl.bridging_of().ports[two].isolated = true;
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(flags(two), kLeft | CNET_PORT_PUBLISHED);
    rtnl.bridging_of().ports[two].locked = true;
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(flags(two), kLeft) << "the bridge takes nothing there";
    rtnl.bridging_of().ports[two].isolated = rtnl.bridging_of().ports[two].locked = false;
    ASSERT_TRUE(links_changed());
    auto taken = controller->publish("lab0/10.77.0.3", "18080:80");
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().message(), "Bind for 0.0.0.0:18080 failed: port is already allocated");
    for (const char* target : {"lab0/", "lab0/0.0.0.0", "lab0/224.0.0.1", "lab9/10.77.0.2"})
        EXPECT_FALSE(controller->publish(target, "18081:80")) << target;
    EXPECT_FALSE(controller->publish("lab0/10.77.0.2", "[::]:18081:80"))
        << "it has no such address";
    EXPECT_FALSE(controller->adopt_bridge({.bridge = "lab0", .internal = true}));
    EXPECT_TRUE(controller->update_port("lab0/10.77.0.2", "18080:80",
                                        {std::vector{prefix("10.0.0.0/8")}, {}, {}}));
    restart();
    EXPECT_EQ(controller->ports("lab0/fd00::2")->size(), 1u);
    EXPECT_EQ(controller->ports("lab0/10.77.0.2")->at(0).allow_from.size(), 1u);
    ASSERT_TRUE(controller->unpublish("lab0/fd00::2", "18080:80"));
    expect_settled();

    ASSERT_TRUE(rtnl.delete_link("lab0"));
    ASSERT_TRUE(links_changed());
    EXPECT_TRUE(tables.contents.binding.empty()) << "as long as the bridge is gone";
    ASSERT_TRUE(controller->release_bridge("lab0"));
    EXPECT_TRUE(controller->ports()->empty());
    EXPECT_TRUE(nothing_of_ours());
}

TEST_F(AdoptedTest, OutlivesTheDaemon) {
    adopt();
    const auto before = hooks.attached;
    restart();
    EXPECT_EQ(hooks.attached, before);
    EXPECT_EQ(controller->adopted().at(0).state, "adopted");
    expect_settled();
}

} // namespace

} // namespace cnet::test
