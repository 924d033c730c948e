// Both families and every mode of a network: what the host's port, the maps and the insides of
// endpoints become, at creation and when it changes under them.
#include "tests/unit/control/world.h"

namespace cnet::test {

namespace {

using control::Mode;
using control::NetworkPatch;
using control::NetworkSpec;

class ModesTest : public World {
protected:
    void make_dual(const std::string& name, Mode mode = Mode::kNat) {
        NetworkSpec spec;
        spec.name = name;
        spec.subnets = {prefix("10.88.0.0/24"), prefix("fd00:88::/64")};
        spec.mode = mode;
        auto network = controller->create_network(spec);
        ASSERT_TRUE(network) << network.error().message();
        make_endpoint(name, "app", "/run/netns/a");
    }

    void set_mode(const std::string& name, Mode mode) {
        NetworkPatch patch;
        patch.mode = mode;
        auto network = controller->update_network(name, patch);
        ASSERT_TRUE(network) << network.error().message();
        EXPECT_EQ(network->network.mode, mode);
    }

    cnet_port port_of(const std::string& device) {
        return tables.contents.port.at(rtnl.find(device)->info.ifindex);
    }

    std::optional<std::string> ipv6(const std::string& device, const std::string& key) {
        return rtnl.sysctl_of("ipv6", device, key);
    }

    std::set<std::string> uplink_addresses() {
        std::set<std::string> addresses;
        const cnet_uplink& uplink = tables.contents.uplink.at(eth0);
        for (uint32_t i = 0; i < uplink.addr_count; i++)
            addresses.insert(IpAddress::from_abi(uplink.addrs[i].addr).to_string());
        return addresses;
    }
};

TEST_F(ModesTest, TheHostPortOfADualStackNetworkForwards) {
    make_dual("web");
    EXPECT_EQ(ipv6("cngw1", "forwarding"), "1");
    EXPECT_EQ(ipv6("cngw1", "disable_ipv6"), "0");
    EXPECT_EQ(ipv6("cngw1", "accept_ra"), "0");
    EXPECT_EQ(rtnl.find("cngw1")->addresses,
              (std::vector{prefix("10.88.0.1/24"), prefix("fd00:88::1/64")}));
    EXPECT_EQ(rtnl.gateways("/run/netns/a"), (std::vector{ip("10.88.0.1"), ip("fd00:88::1")}));
    make_network("old", "10.89.0.0/24");
    EXPECT_EQ(ipv6("cngw2", "forwarding"), "0");
    EXPECT_EQ(ipv6("cngw2", "disable_ipv6"), std::nullopt) << "as the distribution has it";
}

TEST_F(ModesTest, ForwardingThatSomebodySwitchedOffComesBack) {
    make_dual("web");
    make_network("old", "10.89.0.0/24");
    for (const char* family : {"ipv4", "ipv6"}) {
        ASSERT_TRUE(rtnl.set_sysctl(family, "cngw1", "forwarding", "0"));
        ASSERT_TRUE(controller->settings_changed());
        EXPECT_EQ(rtnl.sysctl_of(family, "cngw1", "forwarding"), "1");
    }
    EXPECT_EQ(ipv6("cngw2", "forwarding"), "0") << "there is nothing to forward";
    const unsigned changes = rtnl.changes();
    ASSERT_TRUE(controller->settings_changed());
    EXPECT_EQ(rtnl.changes(), changes);
    ASSERT_TRUE(rtnl.set_sysctl("ipv4", "cngw1", "forwarding", "0"));
    ASSERT_TRUE(controller->reconcile());
    EXPECT_EQ(rtnl.sysctl_of("ipv4", "cngw1", "forwarding"), "1");
}

// redirect_peer would go around the limit.
TEST_F(ModesTest, ALimitedEndpointIsReachedThroughItsQueue) {
    make_network("web", "10.88.0.0/24");
    control::EndpointSpec spec;
    spec.network = "web";
    spec.name = "a";
    spec.netns = "/run/netns/a";
    spec.ingress = {10'000'000, 400'000};
    spec.egress = {1'000'000, 20'000};
    ASSERT_TRUE(controller->create_endpoint(spec));
    EXPECT_EQ(rtnl.find("cnet1")->limit, spec.ingress);
    EXPECT_EQ(rtnl.find("eth0", spec.netns)->limit, spec.egress);
    EXPECT_EQ(port_of("cnet1").flags, CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE);
    EXPECT_EQ(controller->endpoint("a")->ingress, spec.ingress);

    spec.name = "b";
    spec.ifname = "eth1";
    for (const RateLimit& wrong :
         {RateLimit{10'000'000, 0}, RateLimit{0, 400'000}, RateLimit{7, 400'000},
          RateLimit{10'000'000, 12'000}, RateLimit{10'000'000, uint64_t{1} << 40}}) {
        spec.egress = wrong;
        EXPECT_EQ(controller->create_endpoint(spec).error().kind(), ErrorKind::kInvalid);
    }
    spec.egress = {};
    ASSERT_TRUE(controller->create_endpoint(spec));
    EXPECT_EQ(rtnl.find("eth1", spec.netns)->limit, RateLimit{});
}

TEST_F(ModesTest, MasqueradeAddressesOfBothFamilies) {
    NetworkSpec spec;
    spec.name = "web";
    spec.subnets = {prefix("10.88.0.0/24"), prefix("fd00:88::/64")};
    spec.snat = ip("192.0.2.9");
    spec.snat6 = ip("2001:db8::9");
    ASSERT_TRUE(controller->create_network(spec));
    make_endpoint("web", "app", "/run/netns/a");
    restart();
    EXPECT_EQ(port_of("cnet1").snat4_be, ip("192.0.2.9").to_abi().words_be[3]);
    EXPECT_EQ(IpAddress::from_abi(port_of("cnet1").snat6), ip("2001:db8::9"));
    NetworkPatch patch;
    patch.snat6.emplace(std::nullopt);
    ASSERT_TRUE(controller->update_network("web", patch));
    EXPECT_TRUE(IpAddress::from_abi(port_of("cnet1").snat6).is_unspecified());
    EXPECT_EQ(controller->network("web")->network.snat4, ip("192.0.2.9"));
}

TEST_F(ModesTest, RoutedIsSaidOnEveryPort) {
    make_dual("web", Mode::kRouted);
    EXPECT_EQ(port_of("cnet1").flags, CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_ROUTED);
    EXPECT_EQ(port_of("cngw1").flags, CNET_PORT_HOST | CNET_PORT_ROUTED | CNET_PORT_DHCP);
    EXPECT_EQ(port_of("cnhp1").flags, CNET_PORT_HOST | CNET_PORT_ROUTED | CNET_PORT_DHCP);
    set_mode("web", Mode::kRoutedPublished);
    EXPECT_EQ(port_of("cnhp1").flags, CNET_PORT_HOST | CNET_PORT_ROUTED | CNET_PORT_GUARDED4 |
                                          CNET_PORT_GUARDED6 | CNET_PORT_DHCP);
    set_mode("web", Mode::kNat);
    EXPECT_EQ(port_of("cnet1").flags,
              CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE);
    EXPECT_EQ(port_of("cngw1").flags, CNET_PORT_HOST | CNET_PORT_DHCP);
    expect_settled();
}

TEST_F(ModesTest, EachFamilyHasItsOwn) {
    make_dual("web", Mode::kNatUnprotected);
    const uint32_t checked = CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE;
    EXPECT_EQ(port_of("cnet1").flags,
              checked | CNET_PORT_MASQUERADE | CNET_PORT_DIRECT4 | CNET_PORT_DIRECT6);
    EXPECT_EQ(port_of("cnhp1").flags,
              CNET_PORT_HOST | CNET_PORT_DIRECT4 | CNET_PORT_DIRECT6 | CNET_PORT_DHCP);
    NetworkPatch patch;
    patch.mode = Mode::kNat;
    patch.mode6 = Mode::kRoutedPublished;
    ASSERT_TRUE(controller->update_network("web", patch));
    const uint32_t routed6 = CNET_PORT_KEEP6 | CNET_PORT_DIRECT6 | CNET_PORT_GUARDED6;
    EXPECT_EQ(port_of("cnet1").flags, checked | CNET_PORT_MASQUERADE | routed6);
    EXPECT_EQ(port_of("cnhp1").flags, CNET_PORT_HOST | routed6 | CNET_PORT_DHCP);
    patch.masquerade = false;
    ASSERT_TRUE(controller->update_network("web", patch));
    EXPECT_EQ(port_of("cnet1").flags, checked | CNET_PORT_KEEP4 | routed6);
    restart();
    EXPECT_EQ(controller->network("web")->network.mode6, Mode::kRoutedPublished);
    expect_settled();
    patch.mode6 = std::optional<Mode>();
    ASSERT_TRUE(controller->update_network("web", patch));
    EXPECT_EQ(port_of("cnet1").flags, checked) << "nothing is translated, as with nat of both";
}

// One number: the host's in IPv4, the endpoint's own in IPv6.
TEST_F(ModesTest, APortIsOfEachFamilyInItsOwnWay) {
    make_dual("web");
    NetworkPatch patch;
    patch.mode6 = Mode::kRoutedPublished;
    ASSERT_TRUE(controller->update_network("web", patch));
    const auto port = controller->publish("app", "8080:80");
    ASSERT_TRUE(port) << port.error().message();
    EXPECT_EQ(port->reservation, "socket");
    const auto& maps = tables.contents;
    EXPECT_EQ(maps.slot[CNET_SLOT_INDEX(CNET_L4_TCP, 8080)], port->id);
    const cnet_binding& binding = maps.binding.at(port->id);
    EXPECT_EQ(IpAddress::from_abi(binding.target4), ip("10.88.0.2"));
    EXPECT_TRUE(IpAddress::from_abi(binding.target6).is_unspecified());
    const cnet_bind_key own{ip("fd00:88::2").to_abi(), CNET_SLOT_INDEX(CNET_L4_TCP, 80)};
    EXPECT_EQ(maps.bind_addr.at(own), port->id);
    EXPECT_EQ(maps.bind_addr.size(), 1u);
    patch.mode6 = std::optional<Mode>();
    EXPECT_EQ(controller->update_network("web", patch).error().kind(), ErrorKind::kConflict)
        << "it would be published elsewhere";
    EXPECT_EQ(controller->publish("app", "[::]:9090:90")->reservation, "direct");
    EXPECT_EQ(controller->publish("app", "127.0.0.1:7070:70")->reservation, "socket");
    restart();
    expect_settled();
}

TEST_F(ModesTest, OneFamilyIsIsolated) {
    NetworkSpec spec;
    spec.name = "back";
    spec.subnets = {prefix("10.88.0.0/24"), prefix("fd00:88::/64")};
    spec.mode6 = Mode::kIsolated;
    EXPECT_EQ(controller->create_network(spec).error().kind(), ErrorKind::kInvalid);
    spec.internal = true;
    ASSERT_TRUE(controller->create_network(spec));
    make_endpoint("back", "app", "/run/netns/a");
    EXPECT_EQ(rtnl.find("cngw1")->addresses, std::vector{prefix("10.88.0.1/24")});
    EXPECT_EQ(ipv6("cngw1", "disable_ipv6"), "1");
    EXPECT_TRUE(IpAddress::from_abi(port_of("cnet1").gateway6).is_unspecified());
    EXPECT_FALSE(tables.contents.host_addr.contains(ip("fd00:88::1").to_abi()));
    spec.name = "odd";
    spec.subnets = {prefix("10.89.0.0/24"), prefix("fd00:89::/64")};
    for (const auto& [mode, mode6] :
         {std::pair(Mode::kRouted, Mode::kRoutedPublished), std::pair(Mode::kNat, Mode::kRouted),
          std::pair(Mode::kNatUnprotected, Mode::kNat)}) {
        spec.mode = mode;
        spec.mode6 = mode6;
        EXPECT_EQ(controller->create_network(spec).error().kind(), ErrorKind::kInvalid);
    }
    // What has one family has one mode.
    spec.internal = false;
    spec.subnets.pop_back();
    EXPECT_EQ(controller->create_network(spec)->network.mode6, std::nullopt);
}

TEST_F(ModesTest, AnIsolatedNetworkHasNoHost) {
    make_dual("web", Mode::kIsolated);
    EXPECT_TRUE(rtnl.find("cngw1")->addresses.empty());
    EXPECT_EQ(ipv6("cngw1", "disable_ipv6"), "1") << "no link-local address either";
    EXPECT_TRUE(rtnl.gateways("/run/netns/a").empty());
    const cnet_port port = port_of("cnet1");
    EXPECT_EQ(port.flags,
              CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_INTERNAL | CNET_PORT_ISOLATED);
    EXPECT_EQ(port.gateway4_be, 0u);
    EXPECT_TRUE(std::ranges::all_of(port.gateway_mac, [](auto byte) { return byte == 0; }));
    EXPECT_EQ(tables.contents.fdb.size(), 1u) << "the endpoint's, not the gateway's";
    EXPECT_EQ(tables.contents.network.at(1).flood_ports, 1u);
    EXPECT_EQ(tables.contents.neigh.size(), 2u);
    restart();
    EXPECT_EQ(controller->network("web")->network.mode, Mode::kIsolated);
    expect_settled();
}

TEST_F(ModesTest, ModesChangeUnderEndpoints) {
    make_dual("web");
    set_mode("web", Mode::kIsolated);
    EXPECT_TRUE(rtnl.find("cngw1")->addresses.empty());
    EXPECT_TRUE(rtnl.gateways("/run/netns/a").empty());
    expect_settled();
    set_mode("web", Mode::kRouted);
    EXPECT_EQ(rtnl.find("cngw1")->addresses.size(), 2u);
    EXPECT_EQ(ipv6("cngw1", "disable_ipv6"), "0");
    EXPECT_EQ(rtnl.gateways("/run/netns/a").size(), 2u);
    expect_settled();
}

TEST_F(ModesTest, TheMtuInsideFollows) {
    make_dual("web");
    NetworkPatch patch;
    patch.mtu = 9000;
    ASSERT_TRUE(controller->update_network("web", patch));
    EXPECT_EQ(rtnl.find("cnet1")->info.mtu, 9000u);
    EXPECT_EQ(rtnl.find("eth0", "/run/netns/a")->info.mtu, 9000u);
    expect_settled();

    rtnl.fail_next("update_endpoint", Error(ErrorKind::kSystem, "no"));
    patch.mtu = 1400;
    EXPECT_FALSE(controller->update_network("web", patch));
    EXPECT_EQ(rtnl.find("eth0", "/run/netns/a")->info.mtu, 9000u) << "all is as before";
    EXPECT_EQ(rtnl.find("cngw1")->info.mtu, 9000u);
    EXPECT_EQ(controller->network("web")->network.mtu, 9000u);
}

TEST_F(ModesTest, NewFlowsComeFromStableAddressesAlone) {
    for (const char* address : {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"})
        ASSERT_TRUE(rtnl.add_address("eth0", prefix(std::string(address) + "/64")));
    netlink::AddressInfo temporary, deprecated, tentative;
    temporary.secondary = true;
    deprecated.deprecated = true;
    tentative.tentative = true;
    rtnl.set_address_state(ip("2001:db8::2"), temporary);
    rtnl.set_address_state(ip("2001:db8::3"), deprecated);
    rtnl.set_address_state(ip("2001:db8::4"), tentative);
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(uplink_addresses(), (std::set<std::string>{"192.0.2.2", "2001:db8::1"}));
    EXPECT_TRUE(tables.contents.host_addr.contains(ip("2001:db8::2").to_abi())) << "still its own";
    EXPECT_TRUE(tables.contents.host_addr.contains(ip("2001:db8::3").to_abi()));
    EXPECT_FALSE(tables.contents.host_addr.contains(ip("2001:db8::4").to_abi())) << "not yet";
    rtnl.set_address_state(ip("2001:db8::4"), {});
    ASSERT_TRUE(links_changed());
    EXPECT_TRUE(uplink_addresses().contains("2001:db8::4"));
}

} // namespace

} // namespace cnet::test
