// Which networks may be.
#include <gtest/gtest.h>

#include "userspace/control/ipam.h"
#include "userspace/control/network_rules.h"

namespace cnet::control {

namespace {

IpPrefix prefix(const std::string& text) {
    return *IpPrefix::parse(text);
}
IpAddress ip(const std::string& text) {
    return *IpAddress::parse(text);
}

class Rules : public ::testing::Test {
protected:
    Rules() {
        spec.name = "new";
        Network web;
        web.id = 1;
        web.name = "web";
        web.subnets.push_back({prefix("10.88.0.0/24"), ip("10.88.0.1"), std::nullopt});
        state.networks[1] = web;
    }

    std::string plan() {
        auto subnets = plan_subnets(spec, state, host);
        if (!subnets) return subnets.error().message();
        std::string text;
        for (const Subnet& s : *subnets) {
            text += s.prefix.to_string() + " gw " + s.gateway.to_string();
            if (s.ip_range) text += " range " + s.ip_range->to_string();
            text += ";";
        }
        return text;
    }

    NetworkSpec spec;
    State state;
    std::vector<HostPrefix> host;
};

TEST_F(Rules, GatewaysAndRangesGoToTheirSubnets) {
    spec.subnets = {prefix("10.1.0.0/16"), prefix("fd00::/64")};
    spec.gateways = {ip("fd00::ffff")};
    spec.ip_ranges = {prefix("10.1.2.0/24")};
    EXPECT_EQ(plan(), "10.1.0.0/16 gw 10.1.0.1 range 10.1.2.0/24;fd00::/64 gw fd00::ffff;");
}

TEST_F(Rules, OverlapNamesBothNetworksAndSubnets) {
    spec.subnets = {prefix("10.88.0.128/25")};
    EXPECT_EQ(
        plan(),
        "subnet 10.88.0.128/25 of network new overlaps with subnet 10.88.0.0/24 of network web");
    EXPECT_EQ(plan_subnets(spec, state, host).error().kind(), ErrorKind::kConflict);
    spec.subnets = {prefix("10.0.0.0/8")};
    EXPECT_EQ(plan(),
              "subnet 10.0.0.0/8 of network new overlaps with subnet 10.88.0.0/24 of network web");
    spec.subnets = {prefix("10.2.0.0/16"), prefix("10.2.3.0/24")};
    EXPECT_EQ(plan(), "subnets 10.2.0.0/16 and 10.2.3.0/24 of one network overlap");
}

TEST_F(Rules, OverlapWithTheHost) {
    host.push_back({"eth0", prefix("192.0.2.0/24")});
    spec.subnets = {prefix("192.0.2.128/25")};
    EXPECT_EQ(plan(), "subnet 192.0.2.128/25 of network new overlaps with 192.0.2.0/24 on the "
                      "host's device eth0");
}

TEST_F(Rules, ADeviceMayHaveTheAddressOfTheSubnetItself) {
    host.push_back({"flannel.1", prefix("10.244.1.0/32")});
    spec.subnets = {prefix("10.244.1.0/24")};
    EXPECT_EQ(plan(), "10.244.1.0/24 gw 10.244.1.1;");
    spec.subnets = {prefix("10.244.0.0/16")};
    EXPECT_EQ(plan(), "subnet 10.244.0.0/16 of network new overlaps with 10.244.1.0/32 on the "
                      "host's device flannel.1");
}

TEST_F(Rules, ARouteIsNoObstacleToAPartOfIt) {
    host.push_back({"tun0", prefix("10.0.0.0/8"), HostPrefix::Kind::kRoute});
    host.push_back({"tun0", prefix("10.5.5.0/24"), HostPrefix::Kind::kRoute});
    spec.subnets = {prefix("10.4.0.0/16")};
    EXPECT_EQ(plan(), "10.4.0.0/16 gw 10.4.0.1;");
    spec.subnets = {prefix("10.5.0.0/16")};
    EXPECT_EQ(
        plan(),
        "subnet 10.5.0.0/16 of network new overlaps with 10.5.5.0/24 on the host's device tun0");
    host.push_back({"tun0", prefix("172.16.0.0/15"), HostPrefix::Kind::kRoute});
    spec.subnets.clear();
    EXPECT_EQ(plan(), "172.18.0.0/16 gw 172.18.0.1;")
        << "a default pool keeps clear of every route";
}

TEST_F(Rules, DefaultPoolsSkipWhatIsInUse) {
    EXPECT_EQ(plan(), "172.17.0.0/16 gw 172.17.0.1;");
    host.push_back({"docker0", prefix("172.17.0.0/16")});
    state.networks[1].subnets[0].prefix = prefix("172.18.5.0/24");
    EXPECT_EQ(plan(), "172.19.0.0/16 gw 172.19.0.1;");
    host.push_back({"eth0", prefix("172.0.0.0/8")});
    EXPECT_EQ(plan(), "192.168.0.0/20 gw 192.168.0.1;");
    host.push_back({"eth1", prefix("192.168.0.0/16")});
    EXPECT_EQ(plan_subnets(spec, state, host).error().kind(), ErrorKind::kExhausted);
}

TEST_F(Rules, WhatASubnetMayNotBe) {
    const std::pair<const char*, const char*> kBad[] = {
        {"10.1.0.5/24", "subnet 10.1.0.5/24 has host bits set: the network is 10.1.0.0/24"},
        {"10.1.0.0/31", "subnet 10.1.0.0/31 is too small for a gateway and an endpoint"},
        {"127.5.0.0/16", "subnet 127.5.0.0/16 lies in a range that is reserved for other uses"},
        {"239.0.0.0/24", "subnet 239.0.0.0/24 lies in a range that is reserved for other uses"},
        {"0.0.0.0/0", "subnet 0.0.0.0/0 lies in a range that is reserved for other uses"},
        {"fe80::/64", "subnet fe80::/64 lies in a range that is reserved for other uses"},
    };
    for (const auto& [subnet, message] : kBad) {
        spec.subnets = {prefix(subnet)};
        EXPECT_EQ(plan(), message);
    }
}

TEST_F(Rules, WhatAGatewayMayNotBe) {
    spec.subnets = {prefix("10.1.0.0/24")};
    spec.gateways = {ip("10.2.0.1")};
    EXPECT_EQ(plan(), "gateway 10.2.0.1 is outside of the network's subnets");
    spec.gateways = {ip("10.1.0.1"), ip("10.1.0.2")};
    EXPECT_EQ(plan(), "subnet 10.1.0.0/24 has more than one gateway");
    spec.gateways = {ip("10.1.0.255")};
    EXPECT_EQ(plan(), "gateway 10.1.0.255 is the network or broadcast address of 10.1.0.0/24");
    spec.gateways.clear();
    spec.ip_ranges = {prefix("10.3.0.0/25")};
    EXPECT_EQ(plan(), "ip range 10.3.0.0/25 is outside of the network's subnets");
}

TEST(RulesOfOptions, MtuAndSnat) {
    Network network;
    network.name = "n";
    network.subnets = {{prefix("10.1.0.0/24"), ip("10.1.0.1"), std::nullopt}};
    auto mtu = [&](uint32_t bytes) {
        network.mtu = bytes;
        return check_network(network);
    };
    EXPECT_TRUE(mtu(68));
    EXPECT_TRUE(mtu(65535));
    EXPECT_FALSE(mtu(67));
    EXPECT_FALSE(mtu(65536));
    network.subnets.push_back({prefix("fd00:1::/64"), ip("fd00:1::1"), std::nullopt});
    EXPECT_EQ(mtu(1279).error().message(), "mtu 1279 is out of range: 1280 to 65535 with IPv6");
    EXPECT_TRUE(mtu(1280));
    network.snat4 = ip("192.0.2.1");
    network.snat6 = ip("2001:db8::1");
    EXPECT_TRUE(check_network(network));
    std::swap(network.snat4, network.snat6);
    EXPECT_EQ(check_network(network).error().message(),
              "snat address 2001:db8::1 is not an IPv4 address that a host can have");
    network.snat4.reset();
    EXPECT_FALSE(check_network(network));
    network.snat6 = ip("::");
    EXPECT_FALSE(check_network(network));
}

TEST(RulesOfOptions, AnInternalNetworkIsNotRouted) {
    Network network;
    network.subnets.push_back({prefix("10.1.0.0/24"), ip("10.1.0.1"), std::nullopt});
    network.mode = Mode::kRouted;
    EXPECT_TRUE(check_network(network));
    network.internal = true;
    EXPECT_FALSE(check_network(network));
    network.mode = Mode::kIsolated;
    EXPECT_TRUE(check_network(network)) << "isolated says more than internal";
}

TEST(RulesOfOptions, GatewayMacIsFixedAndLocal) {
    const MacAddress mac = gateway_mac(1, "web");
    EXPECT_EQ(mac, gateway_mac(1, "web"));
    EXPECT_NE(mac, gateway_mac(2, "web"));
    EXPECT_NE(mac, gateway_mac(1, "db"));
    EXPECT_EQ(mac.bytes()[0] & 3, 2);
}

} // namespace

} // namespace cnet::control
