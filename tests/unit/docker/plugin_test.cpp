// The protocol: who may call, what is refused and how, and that calls may come again.
#include "tests/unit/control/own_netns.h"
#include "tests/unit/docker/docker_world.h"

namespace {

using namespace cnet;
using test::Json;

class Plugin : public test::DockerWorld {
protected:
    void SetUp() override {
        DockerWorld::SetUp();
        ASSERT_EQ(driver("CreateNetwork", network()), done());
        ASSERT_EQ(driver("CreateEndpoint", endpoint("e1", "172.30.0.2/24")),
                  Json({{"Interface", {{"MacAddress", "02:42:ac:1e:00:02"}}}}));
    }
};

TEST_F(Plugin, SaysWhatItIs) {
    EXPECT_EQ(call("Plugin.Activate", nullptr)["Implements"],
              Json({"NetworkDriver", "IpamDriver"}));
    EXPECT_EQ(post("Plugin.Activate", "").status, 200);
    EXPECT_EQ(Json::parse(post("NetworkDriver.GetCapabilities", "").body)["Scope"], "local");
    EXPECT_EQ(Json::parse(post("IpamDriver.GetCapabilities", "").body)["RequiresRequestReplay"],
              true);
    EXPECT_EQ(Json::parse(post("IpamDriver.GetDefaultAddressSpaces", "").body).size(), 2u);
}

TEST_F(Plugin, ARequestThatLostItsBodyIsRefused) {
    for (const char* name : {"NetworkDriver.DeleteEndpoint", "NetworkDriver.CreateNetwork",
                             "NetworkDriver.Leave", "NetworkDriver.DeleteNetwork"}) {
        const auto response = post(name, "");
        EXPECT_EQ(response.status, 200);
        EXPECT_TRUE(Json::parse(response.body)["Err"].get<std::string>().starts_with(
            "the request has no body"));
    }
    EXPECT_TRUE(Json::parse(post("IpamDriver.ReleasePool", "").body).contains("Error"));
    EXPECT_TRUE(controller->docker_endpoint("e1"));
}

TEST_F(Plugin, WhatIsNoCallIsRefused) {
    EXPECT_EQ(post("NetworkDriver.Nothing", "{}").status, 404);
    EXPECT_EQ(post("NetworkDriver.DeleteEndpoint", ids("e1").dump(), 1000).status, 403);
    for (const char* body : {"[]", "{", "7", "{}", R"({"EndpointID":7})", R"({"EndpointID":""})",
                             R"({"EndpointID":"../x"})"})
        EXPECT_TRUE(Json::parse(post("NetworkDriver.DeleteEndpoint", body).body).contains("Err"))
            << body;
    EXPECT_TRUE(controller->docker_endpoint("e1"));
    EXPECT_TRUE(driver("AllocateNetwork", Json::object()).contains("Err"));
    EXPECT_EQ(driver("DiscoverNew", Json::object()), done());
}

TEST_F(Plugin, WrongTypesAreNamed) {
    Json body = endpoint("e2", "172.30.0.3/24");
    body["Interface"]["Address"] = 7;
    EXPECT_EQ(driver("CreateEndpoint", body)["Err"], "Interface.Address must be a string");
    body["Interface"] = Json::array();
    EXPECT_EQ(driver("CreateEndpoint", body)["Err"], "Interface must be an object");
    Json bad = network();
    bad["NetworkID"] = "n2";
    bad["IPv4Data"] = Json::object();
    EXPECT_EQ(driver("CreateNetwork", bad)["Err"], "IPv4Data must be a list");
    bad["IPv4Data"] = {{{"Pool", "nonsense"}}};
    EXPECT_TRUE(
        driver("CreateNetwork", bad)["Err"].get<std::string>().starts_with("IPv4Data.Pool: "));
    EXPECT_FALSE(controller->docker_endpoint("e2"));
}

TEST_F(Plugin, JoinTellsTheDeviceAndTheWayOut) {
    const Json join = with(ids("e1"), "SandboxKey", "/run/netns/a");
    const Json answer = driver("Join", join);
    const std::string waiting = answer["InterfaceName"]["SrcName"];
    EXPECT_TRUE(rtnl.find(waiting));
    EXPECT_EQ(answer["InterfaceName"]["DstPrefix"], "eth");
    EXPECT_EQ(answer["Gateway"], "172.30.0.1");
    EXPECT_EQ(answer["GatewayIPv6"], "");
    EXPECT_FALSE(answer.contains("DisableGatewayService"));
    rtnl.move(waiting, "/run/netns/a", "eth0");
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(driver("Join", join), answer);
    EXPECT_TRUE(driver("Join", with(ids("e1"), "SandboxKey", "a")).contains("Err"));
    EXPECT_EQ(driver("EndpointOperInfo", ids("e1"))["Value"]["cnet.endpoint"], "docker-e1");
    EXPECT_EQ(driver("Leave", ids("e1")), done());
    EXPECT_EQ(driver("Leave", ids("e1")), done());
    EXPECT_EQ(driver("DeleteEndpoint", ids("e1")), done());
    EXPECT_EQ(driver("DeleteEndpoint", ids("e1")), done());
    EXPECT_TRUE(driver("Join", join).contains("Err"));
    EXPECT_EQ(driver("Leave", ids("e1")), done());
}

TEST_F(Plugin, AnInternalNetworkIsNobodysWayOut) {
    Json body = network(Json::object(), "172.31.0.0/24", "172.31.0.1/24");
    body["NetworkID"] = "n2";
    body["Options"]["com.docker.network.internal"] = true;
    ASSERT_EQ(driver("CreateNetwork", body), done());
    Json inside = endpoint("e2", "172.31.0.2/24");
    inside["NetworkID"] = "n2";
    ASSERT_TRUE(driver("CreateEndpoint", inside).contains("Interface"));
    const Json answer = driver("Join", with(ids("e2"), "SandboxKey", "/run/netns/a"));
    EXPECT_EQ(answer["Gateway"], "");
    EXPECT_EQ(answer["DisableGatewayService"], true);
}

TEST_F(Plugin, PortsAllOrNone) {
    if (!test::in_own_netns) GTEST_SKIP() << "needs a network namespace of its own";
    auto program = [&](const std::string& id, const std::vector<Json>& entries) {
        return driver("ProgramExternalConnectivity", with(ids(id), "Options", portmap(entries)));
    };
    const std::vector<Json> wishes = {port(6, 80, 8080, 8080), port(17, 53, 0, 0),
                                      port(6, 81, 8000, 8009)};
    EXPECT_EQ(program("e1", wishes), done());
    EXPECT_EQ(controller->ports("docker-e1")->size(), 3u);
    EXPECT_EQ(program("e1", wishes), done()); // again: the ports chosen stay
    EXPECT_EQ(controller->ports("docker-e1")->size(), 3u);
    ASSERT_TRUE(driver("CreateEndpoint", endpoint("e2", "172.30.0.3/24")).contains("Interface"));
    EXPECT_EQ(program("e2", {port(6, 80, 7000, 7000), port(6, 80, 8080, 8080)})["Err"],
              "Bind for 0.0.0.0:8080 failed: port is already allocated");
    EXPECT_TRUE(controller->ports("docker-e2")->empty());
    EXPECT_EQ(driver("RevokeExternalConnectivity", ids("e1")), done());
    EXPECT_EQ(driver("RevokeExternalConnectivity", ids("e1")), done());
    EXPECT_TRUE(controller->ports()->empty());
    EXPECT_EQ(program("e2", {port(6, 80, 8080, 8080)}), done());
}

TEST_F(Plugin, ANetworkThatIsThereWithOtherSubnetsIsAConflict) {
    EXPECT_EQ(driver("CreateNetwork", network()), done());
    EXPECT_TRUE(driver("CreateNetwork", network(Json::object(), "172.31.0.0/24", "172.31.0.1/24"))
                    .contains("Err"));
    // Docker removes a network that has no container, whatever it has not told.
    EXPECT_EQ(driver("DeleteNetwork", {{"NetworkID", "n1"}}), done());
    EXPECT_TRUE(controller->networks().empty());
}

TEST_F(Plugin, ANetworkThatSomebodyElseUsesStaysWhenDockerForgetsIt) {
    make_endpoint("docker-n1", "own", "/run/netns/b");
    EXPECT_EQ(driver("DeleteNetwork", {{"NetworkID", "n1"}}), done());
    EXPECT_FALSE(controller->docker_endpoint("e1"));
    EXPECT_FALSE(controller->network("docker-n1")->network.docker);
    EXPECT_EQ(controller->network("docker-n1")->endpoints, 1u);
}

TEST_F(Plugin, Ipam) {
    const Json pool = ipam("RequestPool", {{"Pool", "10.77.0.0/24"}, {"SubPool", "10.77.0.64/26"}});
    EXPECT_EQ(pool["Pool"], "10.77.0.0/24");
    const Json id = {{"PoolID", pool["PoolID"]}};
    const Json gateway = {{"RequestAddressType", "com.docker.network.gateway"}};
    EXPECT_EQ(ipam("RequestAddress", with(id, "Options", gateway))["Address"], "10.77.0.1/24");
    EXPECT_EQ(ipam("RequestAddress", id)["Address"], "10.77.0.64/24");
    EXPECT_EQ(ipam("RequestAddress", with(id, "Address", "10.77.0.9"))["Address"], "10.77.0.9/24");
    EXPECT_TRUE(ipam("RequestAddress", with(id, "Address", "10.77.0.9")).contains("Error"));
    EXPECT_EQ(ipam("ReleaseAddress", with(id, "Address", "10.77.0.9")), done());
    EXPECT_EQ(ipam("ReleaseAddress", with(id, "Address", "10.77.0.9")), done());
    EXPECT_TRUE(ipam("RequestPool", {{"Pool", "10.77.0.0/25"}}).contains("Error"));
    EXPECT_TRUE(ipam("RequestPool", {{"Options", {{"k", "v"}}}}).contains("Error"));
    EXPECT_TRUE(ipam("RequestPool", {{"V6", "yes"}}).contains("Error"));
    EXPECT_EQ(ipam("ReleasePool", id), done());
    EXPECT_EQ(ipam("ReleasePool", id), done());
}

} // namespace
