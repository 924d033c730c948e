// Bridges that are adopted because Docker made them.
#include "tests/unit/control/world.h"

namespace cnet::test {

namespace {

class AdoptedDockerTest : public World {
protected:
    void SetUp() override {
        World::SetUp();
        docker0 = add_bridge("docker0");
        add_bridge("br-1");
        ASSERT_TRUE(links_changed());
        ASSERT_TRUE(controller->adopt_docker());
    }

    uint32_t add_bridge(const std::string& name, const std::vector<IpPrefix>& addresses = {}) {
        const uint32_t ifindex = rtnl.add_device(name, addresses, "bridge");
        netlink::BridgeInfo info;
        info.ageing_s = 300;
        rtnl.bridging_of().bridges[ifindex] = info;
        return ifindex;
    }

    static control::AdoptedBridge bridge(const std::string& name, const std::string& left = "",
                                         const std::string& filtered = "") {
        return {name, 0, false, true, false, {{"id of " + name, "net of " + name, left, filtered}}};
    }

    void follow(const std::vector<control::AdoptedBridge>& bridges,
                const std::vector<control::DockerPort>& ports = {}) {
        const auto status = controller->follow_docker({bridges, ports});
        ASSERT_TRUE(status) << status.error().message();
        expect_settled();
    }

    // "" when it is not listed.
    std::string state_of(const std::string& name) const {
        for (const auto& view : controller->adopted())
            if (view.bridge == name)
                return view.state + (view.left.empty() ? "" : ": " + view.left);
        return "";
    }

    bool is_uplink(const std::string& name) const {
        const auto uplinks = controller->uplinks();
        return std::ranges::any_of(uplinks, [&](const auto& one) { return one.device == name; });
    }

    bool hooked(uint32_t ifindex) const {
        return hooks.attached.contains({CNET_HOOK_BRIDGE, ifindex});
    }

    uint32_t docker0 = 0;
};

TEST_F(AdoptedDockerTest, WhatDockerHasIsAdopted) {
    EXPECT_EQ(controller->docker_adoption().state, "asking");
    follow({bridge("docker0"), bridge("br-1"), bridge("br-later")});
    EXPECT_EQ(controller->docker_adoption().state, "following");
    EXPECT_EQ(state_of("docker0"), "adopted");
    EXPECT_EQ(state_of("br-later"), "gone");
    EXPECT_TRUE(hooked(docker0));
    add_bridge("br-later");
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(state_of("br-later"), "adopted");
    const auto id = controller->adopted().at(0).id;
    follow({bridge("docker0"), bridge("br-1")});
    EXPECT_EQ(state_of("br-later"), "");
    EXPECT_EQ(controller->adopted().at(0).id, id);
    EXPECT_EQ(controller->adopted().at(1).docker_network, "net of docker0");
}

TEST_F(AdoptedDockerTest, NothingHappensTwice) {
    follow({bridge("docker0")});
    const unsigned before = tables.changes + hooks.changes;
    life.calls_left = 0; // nothing is written, nothing applied
    EXPECT_TRUE(controller->follow_docker({{bridge("docker0")}, {}}));
    life.calls_left.reset();
    EXPECT_EQ(tables.changes + hooks.changes, before);
    EXPECT_FALSE(controller->adopt_docker());
}

TEST_F(AdoptedDockerTest, ItIsRemembered) {
    follow({bridge("docker0"), bridge("br-1", "a reason")});
    restart();
    EXPECT_TRUE(controller->adopts_docker());
    EXPECT_EQ(controller->docker_adoption().state, "asking");
    EXPECT_EQ(state_of("docker0"), "adopted");
    EXPECT_EQ(state_of("br-1"), "left: a reason");
    controller->docker_away("no socket");
    EXPECT_EQ(controller->docker_adoption().state, "away");
    EXPECT_EQ(state_of("docker0"), "adopted");
    follow({});
    EXPECT_EQ(controller->docker_adoption().state, "following");
    EXPECT_FALSE(hooked(docker0));
}

TEST_F(AdoptedDockerTest, EachFamilyMeetsTheOutsideInItsOwnWay) {
    auto mixed = bridge("docker0");
    mixed.masquerade = true;
    mixed.outside4 = {control::Gateway::kUnprotected, ip("192.0.2.7")};
    mixed.outside6 = {control::Gateway::kRouted, ip("2001:db8::7")};
    follow({mixed});
    const uint32_t of_outside =
        CNET_PORT_KEEP4 | CNET_PORT_KEEP6 | CNET_PORT_DIRECT4 | CNET_PORT_DIRECT6;
    const cnet_port& own = tables.contents.port.at(docker0);
    EXPECT_EQ(own.flags & of_outside,
              uint32_t{CNET_PORT_DIRECT4 | CNET_PORT_KEEP6 | CNET_PORT_DIRECT6});
    EXPECT_TRUE(own.flags & CNET_PORT_MASQUERADE);
    EXPECT_EQ(own.snat4_be, ip("192.0.2.7").to_abi().words_be[3]);
    EXPECT_EQ(IpAddress::from_abi(own.snat6), ip("2001:db8::7"));
    restart();
    EXPECT_EQ(controller->adopted().at(0).outside6->gateway, control::Gateway::kRouted);
    mixed.outside4 = mixed.outside6 = {control::Gateway::kKept, {}};
    follow({mixed});
    EXPECT_EQ(tables.contents.port.at(docker0).flags & of_outside,
              uint32_t{CNET_PORT_KEEP4 | CNET_PORT_KEEP6});
    EXPECT_EQ(tables.contents.port.at(docker0).snat4_be, 0u);
    EXPECT_FALSE(controller->adopted().at(0).masquerade);
    mixed.outside4 = {control::Gateway::kKeptUnprotected, {}};
    follow({mixed});
    restart();
    EXPECT_EQ(controller->adopted().at(0).outside4->gateway, control::Gateway::kKeptUnprotected);
    EXPECT_EQ(tables.contents.port.at(docker0).flags & of_outside,
              uint32_t{CNET_PORT_KEEP4 | CNET_PORT_KEEP6 | CNET_PORT_DIRECT4});
}

TEST_F(AdoptedDockerTest, WhatWasAdoptedByNameStays) {
    ASSERT_TRUE(controller->adopt_bridge({"docker0", true}));
    follow({bridge("docker0"), bridge("br-1")});
    EXPECT_FALSE(controller->adopted().at(1).docker_network);
    EXPECT_TRUE(controller->adopted().at(1).masquerade);
    EXPECT_EQ(controller->release_bridge("br-1").error().kind(), ErrorKind::kConflict);
    ASSERT_TRUE(controller->release_docker());
    ASSERT_EQ(controller->adopted().size(), 1u);
    EXPECT_TRUE(hooked(docker0));
    EXPECT_EQ(controller->release_docker().error().kind(), ErrorKind::kNotFound);
    // News that were on their way.
    follow({bridge("br-1")});
    EXPECT_EQ(controller->adopted().size(), 1u);
}

TEST_F(AdoptedDockerTest, RulesMatterWhereTheyAreAsked) {
    follow({bridge("docker0", "", "a rule")});
    EXPECT_EQ(state_of("docker0"), "adopted");
    rtnl.bridging_of().netfilter = true;
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(state_of("docker0"), "left: a rule");
    EXPECT_FALSE(hooked(docker0));
    follow({bridge("docker0")});
    EXPECT_EQ(state_of("docker0"), "adopted");
    EXPECT_TRUE(controller->adopted().at(0).warnings.empty());
    rtnl.bridging_of().netfilter = false;
    for (bool netlink::Bridging::*rules :
         {&netlink::Bridging::rules, &netlink::Bridging::ebtables}) {
        rtnl.bridging_of().*rules = true;
        ASSERT_TRUE(links_changed());
        EXPECT_EQ(state_of("docker0").substr(0, 4), "left");
        EXPECT_FALSE(hooked(docker0));
        rtnl.bridging_of().*rules = false;
    }
}

TEST_F(AdoptedDockerTest, AnUplinkStaysOne) {
    add_bridge("lan0", {prefix("198.51.100.2/24")});
    ASSERT_TRUE(links_changed());
    control::AdoptedBridge given = bridge("lan0");
    given.docker->network = "bridge"; // Docker's own name for its default network
    for (int time = 0; time < 2; ++time) {
        follow({given});
        EXPECT_EQ(state_of("lan0"), "left: it is an uplink");
    }
    EXPECT_TRUE(is_uplink("lan0"));
}

TEST_F(AdoptedDockerTest, ABridgeThatANetworkNamesIsNone) {
    const uint32_t lab0 = add_bridge("lab0", {prefix("198.51.100.2/24")});
    rtnl.add_device("veth1", {}, "veth");
    rtnl.enslave("veth1", lab0);
    ASSERT_TRUE(links_changed());
    EXPECT_TRUE(is_uplink("lab0")) << "before Docker says whose it is";
    follow({bridge("lab0")});
    EXPECT_EQ(state_of("lab0"), "adopted");
    EXPECT_FALSE(is_uplink("lab0"));
    // One that was there before, and leads out.
    const uint32_t lan0 = add_bridge("lan0", {prefix("203.0.113.2/24")});
    rtnl.add_device("eth7");
    rtnl.enslave("eth7", lan0);
    ASSERT_TRUE(links_changed());
    follow({bridge("lab0"), bridge("lan0")});
    EXPECT_EQ(state_of("lan0"), "left: it is an uplink");
    ASSERT_TRUE(controller->delete_uplink("lan0"));
    follow({bridge("lab0"), bridge("lan0")});
    EXPECT_EQ(state_of("lan0"), "adopted");
    // Somebody says so.
    add_bridge("lab1", {prefix("192.0.2.2/24")});
    ASSERT_TRUE(links_changed());
    ASSERT_TRUE(controller->add_uplink("lab1"));
    follow({bridge("lab1")});
    EXPECT_EQ(state_of("lab1"), "left: it is an uplink");
}

TEST_F(AdoptedDockerTest, WhatIsPublishedFromThereGoesWithIt) {
    follow({bridge("docker0"), bridge("br-1")});
    ASSERT_TRUE(controller->publish("docker0/172.17.0.2", "18080:80"));
    follow({bridge("br-1")});
    EXPECT_TRUE(controller->ports()->empty());
    ASSERT_TRUE(controller->publish("br-1/172.17.0.2", "18080:80"));
    ASSERT_TRUE(controller->release_docker());
    EXPECT_TRUE(controller->ports()->empty());
    expect_settled();
}

TEST_F(AdoptedDockerTest, PortsAreThoseThatDockerHas) {
    const auto port = [](const std::string& address, uint16_t host_port) {
        return control::DockerPort{"docker0", ip(address), ip("0.0.0.0"), host_port, 80};
    };
    const auto published = [&] {
        std::set<std::string> all;
        const auto views = controller->ports();
        for (const auto& view : *views)
            all.insert(view.endpoint + " " + std::to_string(view.host_port));
        return all;
    };
    using Ports = std::set<std::string>;
    follow({bridge("docker0")}, {port("172.17.0.2", 18080), port("172.17.0.3", 18081)});
    ASSERT_TRUE(controller->publish("docker0/172.17.0.9", "18090:80"));
    EXPECT_EQ(published().size(), 3u);
    EXPECT_EQ(controller->ports()->at(0).reservation, "publisher");
    ASSERT_TRUE(controller->update_port("docker0/172.17.0.2", "80",
                                        {std::vector{prefix("192.0.2.0/24")}, 50, {}}));
    follow({bridge("docker0")}, {port("172.17.0.2", 18080), port("172.17.0.3", 18081)});
    EXPECT_EQ(controller->ports("docker0/172.17.0.2")->at(0).allow_from.size(), 1u);
    EXPECT_EQ(controller->ports("docker0/172.17.0.2")->at(0).new_limit.per_second, 50u);
    // The other way round: each container has come back at the other's address.
    follow({bridge("docker0")}, {port("172.17.0.3", 18080), port("172.17.0.2", 18081)});
    restart();
    EXPECT_EQ(published(), (Ports{"docker0/172.17.0.9 18090", "docker0/172.17.0.3 18080",
                                  "docker0/172.17.0.2 18081"}));
    // One that is ours already stays so, and the others are published.
    const auto taken = controller->follow_docker(
        {{bridge("docker0")}, {port("172.17.0.3", 18090), port("172.17.0.3", 18080)}});
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().message().find("already allocated"), std::string::npos);
    EXPECT_EQ(published(), (Ports{"docker0/172.17.0.9 18090", "docker0/172.17.0.3 18080"}));
    follow({bridge("docker0", "left")}, {port("172.17.0.3", 18080)});
    EXPECT_EQ(published(), Ports{"docker0/172.17.0.9 18090"});
}

TEST_F(AdoptedDockerTest, TheNameIsDockers) {
    EXPECT_EQ(controller->adopt_bridge({"docker"}).error().kind(), ErrorKind::kInvalid);
}

} // namespace

} // namespace cnet::test
