// -o KEY=VALUE: what it does, and that nothing is ignored.
#include "tests/unit/docker/docker_world.h"

namespace {

using namespace cnet;
using test::Json;

class Options : public test::DockerWorld {
protected:
    control::Network made(const Json& generic) {
        EXPECT_EQ(driver("CreateNetwork", network(generic)), done());
        auto view = controller->docker_network("n1");
        EXPECT_TRUE(view);
        const control::Network found = view ? view->network : control::Network();
        EXPECT_EQ(driver("DeleteNetwork", {{"NetworkID", "n1"}}), done());
        return found;
    }
    std::string refused(const Json& generic) {
        const Json answer = driver("CreateNetwork", network(generic));
        EXPECT_FALSE(controller->docker_network("n1"));
        return answer.value("Err", "not refused");
    }
};

TEST_F(Options, DockersOwn) {
    const auto n = made({{"com.docker.network.driver.mtu", "1400"},
                         {"com.docker.network.bridge.enable_icc", "false"},
                         {"com.docker.network.bridge.enable_ip_masquerade", "false"},
                         {"com.docker.network.bridge.host_binding_ipv4", "127.0.0.1"},
                         {"com.docker.network.host_ipv4", "192.0.2.2"},
                         {"com.docker.network.container_iface_prefix", "net"}});
    EXPECT_EQ(n.mtu, 1400u);
    EXPECT_FALSE(n.icc);
    EXPECT_FALSE(n.masquerade);
    EXPECT_EQ(n.docker->bind, ip("127.0.0.1"));
    EXPECT_EQ(n.snat4, ip("192.0.2.2"));
    EXPECT_EQ(n.docker->iface_prefix, "net");
    EXPECT_EQ(n.name, "docker-n1");
    EXPECT_EQ(made({{"com.docker.network.bridge.gateway_mode_ipv4", "routed"}}).mode,
              control::Mode::kRoutedPublished);
}

TEST_F(Options, OurOwn) {
    const auto n = made({{"cnet.name", "web"},
                         {"cnet.mode", "nat"},
                         {"cnet.vni", "5000"},
                         {"cnet.allow-from", "10.0.0.0/8,2001:db8::/32"},
                         {"cnet.nat", "endpoint-independent"},
                         {"cnet.snat", "192.0.2.2"},
                         {"cnet.mtu", "1300"},
                         {"cnet.icc", "off"},
                         {"cnet.masquerade", "on"},
                         {"cnet.learning", "true"},
                         {"cnet.peer-learning", "0"},
                         {"cnet.ageing", "60"},
                         {"cnet.mac-limit", "5"},
                         {"cnet.flood-limit", "9"},
                         {"cnet.allow-spoofing", "1"}});
    EXPECT_EQ(n.name, "web");
    EXPECT_EQ(n.vni, 5000u);
    EXPECT_EQ(n.docker->allow_from, (std::vector{prefix("10.0.0.0/8"), prefix("2001:db8::/32")}));
    EXPECT_EQ(n.nat, control::Nat::kEndpointIndependent);
    EXPECT_EQ(n.mtu, 1300u);
    EXPECT_TRUE(!n.icc && n.masquerade && n.learning && !n.peer_learning && n.allow_spoofing);
    EXPECT_EQ(n.ageing_s, 60u);
    EXPECT_EQ(n.mac_limit, 5u);
    EXPECT_EQ(n.flood_limit, 9u);
}

TEST_F(Options, WhatIsNotKnownOrWrongIsRefusedByName) {
    EXPECT_EQ(refused({{"foo", "bar"}}), "option \"foo\" is not one that cnet knows");
    EXPECT_EQ(refused({{"com.docker.network.bridge.name", "br0"}}),
              "option \"com.docker.network.bridge.name\" is not one that cnet knows");
    EXPECT_EQ(refused({{"cnet.icc", "perhaps"}}),
              "option \"cnet.icc\": \"perhaps\" is neither true nor false");
    EXPECT_EQ(refused({{"cnet.mtu", "1400x"}}),
              "option \"cnet.mtu\": \"1400x\" is not a whole number in range");
    EXPECT_EQ(refused({{"cnet.icc", true}}), "option \"cnet.icc\" must be a string");
    for (const char* key : {"cnet.mode", "cnet.vni", "cnet.nat", "cnet.snat", "cnet.allow-from",
                            "com.docker.network.container_iface_prefix"})
        EXPECT_TRUE(refused({{key, "no/thing"}}).starts_with("option \"" + std::string(key)));
    EXPECT_NE(refused({{"cnet.vni", "auto"}}).find("needs a cluster"), std::string::npos);
    EXPECT_NE(refused({{"cnet.name", "not a name"}}).find("not a valid network name"),
              std::string::npos);
}

TEST_F(Options, ANetworkOfOursIsTakenAsItIs) {
    make_network("mine", "172.30.0.0/24");
    EXPECT_EQ(refused({{"cnet.network", "mine"}, {"cnet.icc", "off"}}),
              "option \"cnet.icc\" does not go with cnet.network: network mine is what it is");
    EXPECT_NE(refused({{"cnet.network", "other"}}).find("there is no network"), std::string::npos);
    const Json elsewhere = network({{"cnet.network", "mine"}}, "172.31.0.0/24", "172.31.0.1/24");
    EXPECT_EQ(driver("CreateNetwork", elsewhere)["Err"],
              "network mine has other subnets: give --subnet 172.30.0.0/24 --gateway 172.30.0.1, "
              "or --ipam-driver cnet");
    EXPECT_EQ(driver("CreateNetwork", network({{"cnet.network", "mine"}})), done());
    EXPECT_EQ(controller->docker_network("n1")->network.name, "mine");
    EXPECT_EQ(driver("DeleteNetwork", {{"NetworkID", "n1"}}), done());
    EXPECT_FALSE(controller->network("mine")->network.docker);
}

TEST_F(Options, OfAnEndpoint) {
    ASSERT_EQ(driver("CreateNetwork", network({{"cnet.allow-from", "10.0.0.0/8"}})), done());
    Json body = endpoint("e1", "172.30.0.2/24");
    body["Options"] = {{"cnet.foo", "1"}};
    EXPECT_EQ(driver("CreateEndpoint", body)["Err"],
              "option \"cnet.foo\" is not one that cnet knows");
    body["Options"] = {{"cnet.allow-from", "10.1.0.0/16"},
                       {"com.docker.network.endpoint.dnsservers", {"10.1.1.1"}}};
    EXPECT_TRUE(driver("CreateEndpoint", body).contains("Interface"));
    EXPECT_TRUE(driver("CreateEndpoint", endpoint("e2", "172.30.0.3/24")).contains("Interface"));
    const Json wish = portmap({port(6, 80, 0, 0)});
    EXPECT_EQ(driver("ProgramExternalConnectivity", with(ids("e1"), "Options", wish)), done());
    EXPECT_EQ(driver("ProgramExternalConnectivity", with(ids("e2"), "Options", wish)), done());
    EXPECT_EQ(controller->ports("docker-e1")->front().allow_from,
              std::vector{prefix("10.1.0.0/16")});
    EXPECT_EQ(controller->ports("docker-e2")->front().allow_from,
              std::vector{prefix("10.0.0.0/8")});
}

} // namespace
