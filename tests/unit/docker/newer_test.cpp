// What Docker 28 and 29 send that 20.10 does not, by their sources (api.go, driver.go, netlabel):
// nobody has recorded them here.
#include "tests/unit/docker/docker_world.h"

namespace {

using namespace cnet;
using test::Json;

class NewerDocker : public test::DockerWorld {
protected:
    static Json options_of_network(const Json& generic = Json::object()) {
        return {{"com.docker.network.enable_ipv4", true},
                {"com.docker.network.enable_ipv6", true},
                {"com.docker.network.generic", generic}};
    }
    static Json dual(const Json& generic = Json::object()) {
        Json body = network();
        body["Options"] = options_of_network(generic);
        body["IPv4Data"][0].update({{"AddressSpace", "LocalDefault"}, {"AuxAddresses", nullptr}});
        body["IPv6Data"] = {{{"AddressSpace", "LocalDefault"},
                             {"Pool", "fd00:30::/64"},
                             {"Gateway", "fd00:30::1/64"},
                             {"AuxAddresses", nullptr}}};
        return body;
    }
    // The container's, as Join has them and ProgramExternalConnectivity again.
    static Json options_of_sandbox() {
        Json options = portmap({port(6, 80, 8080, 8080)});
        options["com.docker.network.endpoint.exposedports"] = {{{"Proto", 6}, {"Port", 80}}};
        return options;
    }
};

TEST_F(NewerDocker, NeverAsksWhetherAGatewayIsNeeded) {
    // GwAllocCheck is for those who say that they know of it.
    const Json said = call("NetworkDriver.GetCapabilities", nullptr);
    EXPECT_FALSE(said.contains("GwAllocChecker"));
    EXPECT_EQ(said["ConnectivityScope"], "local");
}

TEST_F(NewerDocker, AContainersLife) {
    ASSERT_EQ(driver("CreateNetwork", dual()), done());
    Json wish = endpoint("e1", "172.30.0.2/24");
    wish["Interface"]["AddressIPv6"] = "fd00:30::2/64";
    wish["Interface"]["MacAddress"] = "5a:11:22:33:44:55"; // random, and Docker's
    wish["Options"] = options_of_sandbox();
    wish["Options"]["com.docker.network.endpoint.macaddress"] = "WhEiM0RV";
    wish["Options"]["com.docker.network.endpoint.sysctls"] = "net.ipv4.conf.IFNAME.log_martians=1";
    EXPECT_EQ(driver("CreateEndpoint", wish), Json({{"Interface", Json::object()}}));
    EXPECT_EQ(controller->docker_endpoint("e1")->mac.to_string(), "5a:11:22:33:44:55");
    // Before the container's process is there: its namespace is.
    Json join = with(ids("e1"), "SandboxKey", "/run/netns/a");
    join["Options"] = options_of_sandbox();
    const Json joined = driver("Join", join);
    EXPECT_EQ(joined["Gateway"], "172.30.0.1");
    EXPECT_EQ(joined["GatewayIPv6"], "fd00:30::1");
    // One family's gateway alone, the other being another endpoint's.
    Json program = with(ids("e1"), "Options", Json::object());
    program["Options"]["com.docker.network.driver.private.no_proxy_6to4"] = true;
    EXPECT_EQ(driver("ProgramExternalConnectivity", program), done());
    EXPECT_EQ(driver("RevokeExternalConnectivity", ids("e1")), done());
    EXPECT_EQ(driver("Leave", ids("e1")), done());
    EXPECT_EQ(driver("DeleteEndpoint", ids("e1")), done());
}

TEST_F(NewerDocker, ANetworkOfIPv6Alone) {
    Json body = dual();
    body["Options"]["com.docker.network.enable_ipv4"] = false;
    body["IPv4Data"] = nullptr;
    ASSERT_EQ(driver("CreateNetwork", body), done());
    Json wish = endpoint("e1", "");
    wish["Interface"]["AddressIPv6"] = "fd00:30::2/64";
    const Json answer = driver("CreateEndpoint", wish)["Interface"];
    EXPECT_TRUE(answer.contains("MacAddress"));
    EXPECT_FALSE(answer.contains("Address"));
}

TEST_F(NewerDocker, GatewayModes) {
    const std::string mode4 = "com.docker.network.bridge.gateway_mode_ipv4";
    const std::string mode6 = "com.docker.network.bridge.gateway_mode_ipv6";
    ASSERT_EQ(driver("CreateNetwork", dual({{mode4, "routed"}, {mode6, "routed"}})), done());
    EXPECT_EQ(controller->docker_network("n1")->network.mode, control::Mode::kRoutedPublished);
    ASSERT_EQ(driver("DeleteNetwork", {{"NetworkID", "n1"}}), done());
    using control::Mode;
    auto modes = [&](const Json& generic) {
        EXPECT_EQ(driver("CreateNetwork", dual(generic)), done());
        const control::Network made = controller->docker_network("n1")->network;
        EXPECT_EQ(driver("DeleteNetwork", {{"NetworkID", "n1"}}), done());
        return std::pair(made.mode, made.mode6);
    };
    EXPECT_EQ(modes({{mode4, "nat"}, {mode6, "routed"}}),
              std::pair(Mode::kNat, std::optional(Mode::kRoutedPublished)));
    EXPECT_EQ(modes({{mode6, "routed"}}),
              std::pair(Mode::kNat, std::optional(Mode::kRoutedPublished)));
    EXPECT_EQ(modes({{mode4, "nat-unprotected"}}),
              std::pair(Mode::kNatUnprotected, std::optional(Mode::kNat)));
    EXPECT_EQ(modes({{mode4, "isolated"}, {mode6, "isolated"}}),
              std::pair(Mode::kIsolated, std::optional<Mode>()));
    EXPECT_EQ(driver("CreateNetwork", dual({{mode4, "open"}}))["Err"],
              "option \"" + mode4 +
                  "\": \"open\" is neither nat, nat-unprotected, routed nor isolated");
    EXPECT_NE(driver("CreateNetwork", dual({{mode4, "nat"}, {mode6, "isolated"}}))["Err"]
                  .get<std::string>()
                  .find("internal alone"),
              std::string::npos);
    EXPECT_EQ(
        driver("CreateNetwork",
               dual({{"com.docker.network.bridge.trusted_host_interfaces", "eth1"}}))["Err"],
        "option \"com.docker.network.bridge.trusted_host_interfaces\": a network of cnet does "
        "not see by which device a packet came to the host: gateway_mode routed opens "
        "published ports to everybody");
}

TEST_F(NewerDocker, ADevicesNameIsNotOursToGive) {
    ASSERT_EQ(driver("CreateNetwork", dual()), done());
    Json wish = endpoint("e1", "172.30.0.2/24");
    wish["Options"]["com.docker.network.endpoint.ifname"] = "front0";
    EXPECT_EQ(driver("CreateEndpoint", wish)["Err"],
              "option \"com.docker.network.endpoint.ifname\" is not one that cnet knows");
}

TEST_F(NewerDocker, ItsIpamTellsTheEndpointsName) {
    const Json pool = ipam("RequestPool", {{"AddressSpace", "cnet"},
                                           {"Pool", "10.77.0.0/24"},
                                           {"SubPool", ""},
                                           {"Options", nullptr},
                                           {"V6", false}});
    Json request = {{"PoolID", pool["PoolID"]},
                    {"Address", ""},
                    {"Options", {{"com.docker.network.endpoint.name", "web"}}}};
    EXPECT_TRUE(ipam("RequestAddress", request).contains("Address"));
}

} // namespace
