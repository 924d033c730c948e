#include "userspace/cni/network.h"

#include <gtest/gtest.h>

#include "tests/unit/cni/configs.h"

namespace cnet::cni {
namespace {

using test::config_of;

Lease lease_of(const Json& ips) {
    auto lease = parse_lease({{"ips", ips}});
    CNET_CHECK(lease);
    return *lease;
}

Json network(const Json& keys = Json::object()) {
    Json network = {{"name", "net"},
                    {"subnets", {"10.0.0.0/24"}},
                    {"gateways", {"10.0.0.1"}},
                    {"mtu", 1500},
                    {"mode", "nat"},
                    {"icc", true},
                    {"masquerade", true},
                    {"internal", false}};
    if (!keys.is_null()) network.update(keys);
    return network;
}

TEST(Network, IsMadeOfTheConfigurationAndTheLease) {
    const Config config =
        config_of({{"isGateway", true},
                   {"ipMasq", true},
                   {"mtu", 1400},
                   {"ipam", {{"type", "host-local"}, {"subnet", "10.0.0.0/24"}}}});
    const Lease lease = lease_of(
        {{{"address", "10.0.0.5/24"}, {"gateway", "10.0.0.9"}}, {{"address", "fd00::5/64"}}});
    EXPECT_EQ(network_request(config, lease).dump(),
              R"({"name":"net","mtu":1400,"mode":"nat","icc":true,)"
              R"("subnets":["10.0.0.0/24","fd00::/64"],"gateways":["10.0.0.9"],)"
              R"("masquerade":true})");
    // Of layer 2 there is neither; isGateway says nothing then, as with the bridge plugin.
    const Config bare = config_of({{"ipam", Json::object()}, {"isGateway", true}});
    EXPECT_EQ(network_request(bare, {}).dump(),
              R"({"name":"net","mode":"isolated","icc":true,"layer2":true,"allow_spoofing":true})");
}

TEST(Network, ModesFollowTheKeys) {
    auto mode = [](const Json& keys) {
        return network_request(config_of(keys), {})["mode"].get<std::string>();
    };
    const Json ipam = {{"type", "static"}};
    EXPECT_EQ(mode({}), "nat");
    EXPECT_EQ(mode({{"ipMasq", false}}), "routed");
    EXPECT_EQ(mode({{"isGateway", false}}), "isolated");
    EXPECT_EQ(mode({{"ipam", ipam}}), "isolated");
    EXPECT_EQ(mode({{"ipam", ipam}, {"isGateway", true}}), "routed");
    EXPECT_EQ(mode({{"ipam", ipam}, {"isDefaultGateway", true}, {"ipMasq", true}}), "nat");
}

TEST(Network, WhatIsThereIsTakenUnlessContradicted) {
    const Config silent = config_of({});
    EXPECT_TRUE(check_network(network(), silent, {}));
    EXPECT_TRUE(check_network(network({{"mode", "routed"}, {"mtu", 9000}}), silent, {}));
    EXPECT_TRUE(check_network(network({{"mode", "isolated"}}), silent, {}));
    EXPECT_TRUE(check_network(network({{"icc", false}}), silent, {}));
    auto contradicts = [](const Json& has, const Json& says) {
        auto checked = check_network(network(has), config_of(says), {});
        return !checked && checked.fault().code == Code::kConfig;
    };
    EXPECT_TRUE(contradicts({}, {{"ipMasq", false}}));
    EXPECT_TRUE(contradicts({{"masquerade", false}}, {{"ipMasq", true}}));
    EXPECT_TRUE(contradicts({{"mode", "isolated"}}, {{"isGateway", true}}));
    EXPECT_TRUE(contradicts({}, {{"isGateway", false}}));
    EXPECT_TRUE(contradicts({}, {{"mtu", 1400}}));
    EXPECT_TRUE(contradicts({}, {{"portIsolation", true}}));
    EXPECT_TRUE(contradicts({}, {{"ipam", {{"subnet", "10.0.1.0/24"}}}}));
    EXPECT_TRUE(contradicts({}, {{"ipam", {{"subnet", "10.0.0.0/24"}, {"gateway", "10.0.0.2"}}}}));
}

TEST(Network, OneWithoutSubnetsGivesNoAddresses) {
    const Json bare =
        network({{"subnets", Json::array()}, {"gateways", Json::array()}, {"mode", "isolated"}});
    EXPECT_TRUE(check_network(bare, config_of({{"ipam", Json::object()}}), {}));
    EXPECT_FALSE(check_network(bare, config_of({}), {}));
    const Config other = config_of({{"ipam", {{"type", "static"}}}});
    EXPECT_FALSE(check_network(bare, other, lease_of({{{"address", "10.0.0.5/24"}}})));
    // A container without an address is welcome where others have one.
    EXPECT_TRUE(check_network(network(), config_of({{"ipam", Json::object()}}), {}));
}

TEST(Network, LeasesMustFit) {
    const Config config = config_of({{"isGateway", true}, {"ipam", {{"type", "static"}}}});
    EXPECT_TRUE(check_network(network(), config, lease_of({{{"address", "10.0.0.5/24"}}})));
    EXPECT_FALSE(check_network(network(), config, lease_of({{{"address", "10.0.0.5/16"}}})));
    EXPECT_FALSE(check_network(network(), config, lease_of({{{"address", "10.1.0.5/24"}}})));
    const Json other = {{{"address", "10.0.0.5/24"}, {"gateway", "10.0.0.2"}}};
    EXPECT_FALSE(check_network(network(), config, lease_of(other)));
}

} // namespace
} // namespace cnet::cni
