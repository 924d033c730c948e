// Commands against a host in memory: what they make of devices, maps and programs, what they
// refuse, and that a refusal changes nothing.
#include "tests/unit/control/world.h"

namespace cnet::test {

namespace {

using control::Attachment;
using control::NetworkPatch;
using control::NetworkSpec;

class ControllerTest : public World {
protected:
    cnet_port port_of(const std::string& device) {
        return tables.contents.port.at(rtnl.find(device)->info.ifindex);
    }
};

TEST_F(ControllerTest, FreshHostHasItsUplinkAndAddresses) {
    ASSERT_EQ(controller->uplinks().size(), 1u);
    EXPECT_EQ(controller->uplinks()[0].device, "eth0");
    EXPECT_EQ(controller->uplinks()[0].configured, "auto");
    EXPECT_TRUE(hooks.attached.contains(Attachment{CNET_HOOK_UPLINK, eth0}));
    EXPECT_TRUE(hooks.attached.contains(Attachment{CNET_HOOK_UPLINK_EGRESS, eth0}));
    const cnet_uplink& entry = tables.contents.uplink.at(eth0);
    ASSERT_EQ(entry.addr_count, 1u);
    EXPECT_EQ(IpAddress::from_abi(entry.addrs[0].addr), ip("192.0.2.2"));
    EXPECT_EQ(entry.addrs[0].prefix_len, 120u);
    EXPECT_TRUE(tables.contents.host_addr.contains(ip("192.0.2.2").to_abi()));
    expect_settled();
}

TEST_F(ControllerTest, NetworkHasAHostPort) {
    const auto network = make_network("web", "10.88.0.0/24");
    EXPECT_EQ(network.host_port, "cngw1");
    EXPECT_EQ(network.network.subnets[0].gateway, ip("10.88.0.1"));
    const auto* outer = rtnl.find("cngw1");
    const auto* inner = rtnl.find("cnhp1");
    ASSERT_TRUE(outer && inner);
    EXPECT_EQ(outer->info.alias, "cnet-bpf hostport web");
    EXPECT_EQ(outer->info.mac, network.network.gateway_mac);
    EXPECT_NE(inner->info.mac, outer->info.mac);
    EXPECT_TRUE(outer->info.up && inner->info.up);
    EXPECT_EQ(outer->addresses, std::vector<IpPrefix>{prefix("10.88.0.1/24")});
    EXPECT_EQ(rtnl.sysctl_of("ipv4", "cngw1", "forwarding"), "1");
    EXPECT_EQ(rtnl.sysctl_of("ipv6", "cngw1", "forwarding"), "0");
    EXPECT_EQ(rtnl.sysctl_of("ipv6", "cnhp1", "disable_ipv6"), "1");

    const cnet_port port = port_of("cnhp1");
    EXPECT_EQ(port.flags, CNET_PORT_HOST | CNET_PORT_DHCP);
    EXPECT_EQ(port.host_ifindex, outer->info.ifindex);
    EXPECT_TRUE(hooks.attached.contains(Attachment{CNET_HOOK_HOSTPORT, inner->info.ifindex}));
    EXPECT_TRUE(tables.contents.host_addr.contains(ip("10.88.0.1").to_abi()));
    EXPECT_EQ(tables.contents.network.at(1).flood_ports, 1u);
    expect_settled();
}

TEST_F(ControllerTest, EndpointIsAPort) {
    make_network("web", "10.88.0.0/24");
    const auto endpoint = make_endpoint("web", "app", "/run/netns/a");
    EXPECT_EQ(endpoint.host_ifname, "cnet1");
    EXPECT_EQ(endpoint.state, "up");
    EXPECT_EQ(endpoint.addresses, std::vector<IpPrefix>{prefix("10.88.0.2/24")});
    EXPECT_FALSE(endpoint.mac.is_multicast());
    EXPECT_EQ(endpoint.mac.bytes()[0] & 2, 2);

    const auto* inside = rtnl.find("eth0", "/run/netns/a");
    ASSERT_TRUE(inside);
    EXPECT_EQ(inside->info.mac, endpoint.mac);
    EXPECT_EQ(inside->addresses, endpoint.addresses);
    EXPECT_EQ(rtnl.gateways("/run/netns/a"), std::vector<IpAddress>{ip("10.88.0.1")});

    const cnet_port port = port_of("cnet1");
    EXPECT_EQ(port.flags, CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE);
    EXPECT_EQ(port.endpoint_id, endpoint.id);
    EXPECT_EQ(port.host_ifindex, rtnl.find("cngw1")->info.ifindex);
    EXPECT_EQ(port.addr4_be, ip("10.88.0.2").to_abi().words_be[3]);
    EXPECT_EQ(port.gateway4_be, ip("10.88.0.1").to_abi().words_be[3]);
    EXPECT_TRUE(hooks.attached.contains(Attachment{CNET_HOOK_ENDPOINT, endpoint.ifindex}));
    EXPECT_EQ(tables.contents.network.at(1).flood_ports, 2u);
    expect_settled();
}

TEST_F(ControllerTest, DeletingTakesEverythingBack) {
    const control::MapContents before = tables.contents;
    const auto attached = hooks.attached;
    make_network("web", "10.88.0.0/24");
    make_endpoint("web", "app", "/run/netns/a");
    make_endpoint("web", "two", "/run/netns/b");
    ASSERT_TRUE(controller->delete_endpoint("app"));
    ASSERT_TRUE(controller->delete_endpoint("two"));
    ASSERT_TRUE(controller->delete_network("web"));
    EXPECT_FALSE(rtnl.find("cnet1"));
    EXPECT_FALSE(rtnl.find("cngw1"));
    EXPECT_FALSE(rtnl.find("eth0", "/run/netns/a"));
    EXPECT_EQ(hooks.attached, attached);
    control::for_each_table(before, [&](control::Table table, const auto& entries) {
        control::for_each_table(tables.contents, [&](control::Table other, const auto& now) {
            if (table != other) return;
            EXPECT_EQ(entries.size(), now.size()) << control::to_string(table);
        });
    });
    EXPECT_EQ(controller->status()->networks, 0u);
}

TEST_F(ControllerTest, NamesAreNeverIdsAgain) {
    make_network("web", "10.88.0.0/24");
    make_endpoint("web", "app", "/run/netns/a");
    ASSERT_TRUE(controller->delete_endpoint("app"));
    restart();
    EXPECT_EQ(make_endpoint("web", "app", "/run/netns/a").id, 2u);
}

TEST_F(ControllerTest, OptionsBecomeFlags) {
    NetworkSpec spec;
    spec.name = "odd";
    spec.subnets = {prefix("10.1.0.0/24"), prefix("fd00:1::/64")};
    spec.gateways = {ip("10.1.0.254")};
    spec.internal = true;
    spec.icc = false;
    spec.allow_spoofing = true;
    spec.snat = ip("192.0.2.9");
    spec.ageing_s = 7;
    spec.mac_limit = 5;
    spec.mtu = 1400;
    ASSERT_TRUE(controller->create_network(spec));
    const auto endpoint = make_endpoint("odd", "app", "/run/netns/a");
    ASSERT_EQ(endpoint.addresses.size(), 2u);
    const cnet_port port = port_of("cnet1");
    EXPECT_EQ(port.flags,
              CNET_PORT_PEER | CNET_PORT_LEARNING | CNET_PORT_ICC_OFF | CNET_PORT_INTERNAL);
    EXPECT_EQ(port.snat4_be, ip("192.0.2.9").to_abi().words_be[3]);
    EXPECT_EQ(port.gateway4_be, ip("10.1.0.254").to_abi().words_be[3]);
    EXPECT_EQ(IpAddress::from_abi(port.addr6), ip("fd00:1::2"));
    EXPECT_EQ(IpAddress::from_abi(port.gateway6), ip("fd00:1::1"));
    EXPECT_EQ(tables.contents.network.at(1).ageing_s, 7u);
    EXPECT_EQ(tables.contents.network.at(1).mac_limit, 5u);
    EXPECT_EQ(tables.contents.network.at(1).flood_interval_ns, 0u);
    EXPECT_EQ(rtnl.find("cnet1")->info.mtu, 1400u);
    EXPECT_TRUE(rtnl.gateways("/run/netns/a").empty()) << "an internal network is no way out";
}

TEST_F(ControllerTest, UpdateChangesInPlace) {
    make_network("web", "10.88.0.0/24");
    make_endpoint("web", "app", "/run/netns/a");
    NetworkPatch patch;
    patch.icc = false;
    patch.learning = true;
    patch.snat = std::optional(ip("192.0.2.7"));
    patch.mtu = 9000;
    auto updated = controller->update_network("web", patch);
    ASSERT_TRUE(updated) << updated.error().message();
    EXPECT_EQ(port_of("cnet1").flags, CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE |
                                          CNET_PORT_MASQUERADE | CNET_PORT_ICC_OFF |
                                          CNET_PORT_LEARNING);
    EXPECT_EQ(rtnl.find("cngw1")->info.mtu, 9000u);
    patch = {};
    patch.snat.emplace(std::nullopt);
    ASSERT_TRUE(controller->update_network("web", patch));
    EXPECT_EQ(port_of("cnet1").snat4_be, 0u);
    EXPECT_FALSE(controller->network("web")->network.icc) << "what is not in the patch stays";
    expect_settled();
}

TEST_F(ControllerTest, RestartChangesNothing) {
    make_network("web", "10.88.0.0/24");
    make_endpoint("web", "app", "/run/netns/a");
    const unsigned before = rtnl.changes() + tables.changes + hooks.changes;
    restart();
    EXPECT_EQ(rtnl.changes() + tables.changes + hooks.changes, before);
    EXPECT_EQ(controller->endpoint("app")->state, "up");
}

TEST_F(ControllerTest, RepairsWhatOthersBroke) {
    make_network("web", "10.88.0.0/24");
    make_endpoint("web", "app", "/run/netns/a");
    const uint32_t old_index = controller->endpoint("app")->ifindex;
    ASSERT_TRUE(rtnl.delete_link("cnet1"));
    hooks.attached.erase({CNET_HOOK_ENDPOINT, old_index}); // as the kernel does
    ASSERT_TRUE(rtnl.delete_address("cngw1", prefix("10.88.0.1/24")));
    ASSERT_TRUE(links_changed());
    const auto endpoint = *controller->endpoint("app");
    EXPECT_EQ(endpoint.state, "up");
    EXPECT_NE(endpoint.ifindex, old_index);
    EXPECT_FALSE(tables.contents.port.contains(old_index));
    EXPECT_EQ(rtnl.find("cngw1")->addresses.size(), 1u);
    tables.contents.neigh.clear();
    hooks.attached.clear();
    ASSERT_TRUE(controller->reconcile());
    EXPECT_EQ(tables.contents.neigh.size(), 2u);
    EXPECT_EQ(hooks.attached.size(), 4u);
    EXPECT_GT(controller->status()->reconcile.repairs, 0u);
    expect_settled();
}

TEST_F(ControllerTest, VanishedNamespaceIsReportedAndItsEntriesGo) {
    make_network("web", "10.88.0.0/24");
    const auto endpoint = make_endpoint("web", "app", "/run/netns/a");
    namespaces.vanish("/run/netns/a");
    hooks.attached.erase({CNET_HOOK_ENDPOINT, endpoint.ifindex});
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(controller->endpoint("app")->state, "netns-gone");
    EXPECT_FALSE(tables.contents.port.contains(endpoint.ifindex));
    EXPECT_EQ(tables.contents.network.at(1).flood_ports, 1u);
    expect_settled();
    ASSERT_TRUE(controller->delete_endpoint("app"));
    expect_settled();
}

TEST_F(ControllerTest, StraysOfOursAreDeletedAndOthersKept) {
    ASSERT_TRUE(rtnl.create_veth({.name = "cnet77",
                                  .mac = {},
                                  .alias = "cnet-bpf endpoint lost",
                                  .peer_name = "eth9",
                                  .peer_mac = {},
                                  .peer_netns = "/run/netns/a"}));
    rtnl.add_device("cnetwork0");
    ASSERT_TRUE(controller->reconcile());
    EXPECT_FALSE(rtnl.find("cnet77"));
    EXPECT_TRUE(rtnl.find("cnetwork0"));
}

TEST_F(ControllerTest, FailureUndoesKernelAndStore) {
    make_network("web", "10.88.0.0/24");
    for (const char* method : {"create_veth", "configure_endpoint", "set_up"}) {
        rtnl.fail_next(method, Error(ErrorKind::kSystem, "no luck"));
        auto endpoint = controller->create_endpoint(endpoint_spec("web", "app", "/run/netns/a"));
        ASSERT_FALSE(endpoint) << method;
        EXPECT_NE(endpoint.error().message().find("no luck"), std::string::npos);
        EXPECT_FALSE(rtnl.find("eth0", "/run/netns/a")) << method;
        EXPECT_TRUE(controller->endpoints()->empty());
        expect_settled();
    }
    hooks.attach_error = Error(ErrorKind::kSystem, "no program");
    EXPECT_FALSE(controller->create_endpoint(endpoint_spec("web", "app", "/run/netns/a")));
    hooks.attach_error.reset();
    tables.full = control::Table::kNeigh;
    auto full = controller->create_endpoint(endpoint_spec("web", "app", "/run/netns/a"));
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().kind(), ErrorKind::kExhausted);
    tables.full.reset();
    store->commit_error = Error(ErrorKind::kExhausted, "disk full");
    EXPECT_FALSE(controller->create_endpoint(endpoint_spec("web", "app", "/run/netns/a")));
    store->commit_error.reset();
    EXPECT_FALSE(rtnl.find("eth0", "/run/netns/a"));
    expect_settled();
    restart();
    EXPECT_TRUE(controller->endpoints()->empty());
}

TEST_F(ControllerTest, SomebodyElsesTroubleDoesNotFailACommand) {
    make_network("web", "10.88.0.0/24");
    hooks.attach_error = Error(ErrorKind::kSystem, "odd device");
    rtnl.add_device("tun7", {prefix("198.51.100.1/24")});
    EXPECT_FALSE(links_changed());
    EXPECT_TRUE(controller->status()->reconcile.last_error.has_value());
    control::NetworkPatch patch;
    patch.icc = false;
    EXPECT_TRUE(controller->update_network("web", patch))
        << "the uplink's trouble is not the network's";
    hooks.attach_error.reset();
    EXPECT_TRUE(controller->reconcile());
    expect_settled();
}

TEST_F(ControllerTest, AddressesGoRoundAndRunOut) {
    make_network("tiny", "10.9.0.0/29"); // .1 is the gateway, .7 broadcast: five are left
    for (int i = 2; i <= 6; i++) {
        const std::string name = "e" + std::to_string(i);
        namespaces.add("/run/netns/" + name);
        EXPECT_EQ(make_endpoint("tiny", name, name).addresses[0],
                  prefix("10.9.0." + std::to_string(i) + "/29"));
    }
    auto none = controller->create_endpoint(endpoint_spec("tiny", "x", "/run/netns/a"));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind(), ErrorKind::kExhausted);
    EXPECT_EQ(none.error().message(), "network tiny: no free address is left in 10.9.0.0/29");
    ASSERT_TRUE(controller->delete_endpoint("e6"));
    ASSERT_TRUE(controller->delete_endpoint("e3"));
    EXPECT_EQ(make_endpoint("tiny", "x", "/run/netns/a").addresses[0], prefix("10.9.0.3/29"))
        << "the next round";
}

TEST_F(ControllerTest, RefusalsSayWhyAndChangeNothing) {
    make_network("web", "10.88.0.0/24");
    make_endpoint("web", "app", "/run/netns/a");
    auto refused = [&](auto&& edit, ErrorKind kind, const std::string& message) {
        auto spec = endpoint_spec("web", "new", "/run/netns/b");
        edit(spec);
        auto result = controller->create_endpoint(spec);
        ASSERT_FALSE(result) << message;
        EXPECT_EQ(result.error().message().substr(0, message.size()), message);
        EXPECT_EQ(result.error().kind(), kind) << message;
    };
    using control::EndpointSpec;
    refused([](EndpointSpec& s) { s.name = "a b"; }, ErrorKind::kInvalid,
            "\"a b\" is not a valid endpoint name");
    refused([](EndpointSpec& s) { s.name = "app"; }, ErrorKind::kConflict,
            "endpoint app exists already");
    refused([](EndpointSpec& s) { s.network = "nope"; }, ErrorKind::kNotFound,
            "there is no network \"nope\"");
    refused([](EndpointSpec& s) { s.netns = "nope"; }, ErrorKind::kNotFound,
            "there is no network namespace /run/netns/nope");
    refused([](EndpointSpec& s) { s.netns = "/proc/self/ns/net"; }, ErrorKind::kInvalid,
            "namespace /proc/self/ns/net is the host's own");
    refused([](EndpointSpec& s) { s.netns = "../x"; }, ErrorKind::kInvalid,
            "\"../x\" is neither a name nor");
    refused([](EndpointSpec& s) { s.ifname = "much-too-long-name"; }, ErrorKind::kInvalid,
            "\"much-too-long-name\" is not a device name");
    refused([](EndpointSpec& s) { s.netns = "a"; }, ErrorKind::kConflict,
            "device eth0 in /run/netns/a is endpoint app's already");
    refused([](EndpointSpec& s) { s.ips = {ip("10.99.0.1")}; }, ErrorKind::kInvalid,
            "address 10.99.0.1 is outside of network web (10.88.0.0/24)");
    refused([](EndpointSpec& s) { s.ips = {ip("10.88.0.2")}; }, ErrorKind::kConflict,
            "address 10.88.0.2 is endpoint app's already");
    refused([](EndpointSpec& s) { s.ips = {ip("10.88.0.1")}; }, ErrorKind::kConflict,
            "address 10.88.0.1 is the gateway of 10.88.0.0/24");
    refused([](EndpointSpec& s) { s.ips = {ip("10.88.0.255")}; }, ErrorKind::kInvalid,
            "address 10.88.0.255 is the broadcast address of 10.88.0.0/24");
    refused(
        [](EndpointSpec& s) {
            s.ips = {ip("10.88.0.9"), ip("10.88.0.9")};
        },
        ErrorKind::kInvalid, "address 10.88.0.9 is given twice");
    refused([](EndpointSpec& s) { s.mac = mac("01:00:5e:00:00:01"); }, ErrorKind::kInvalid,
            "MAC address 01:00:5e:00:00:01 is a multicast address");
    const MacAddress taken = controller->endpoint("app")->mac;
    refused([&](EndpointSpec& s) { s.mac = taken; }, ErrorKind::kConflict,
            "MAC address " + taken.to_string() + " is endpoint app's already");
    ASSERT_TRUE(rtnl.create_veth({.name = "theirs",
                                  .mac = {},
                                  .alias = {},
                                  .peer_name = "eth5",
                                  .peer_mac = {},
                                  .peer_netns = "/run/netns/b"}));
    refused([](EndpointSpec& s) { s.ifname = "eth5"; }, ErrorKind::kConflict,
            "create veth cnet2: a device eth5 exists already in /run/netns/b");
    auto full = controller->delete_network("web");
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().message(), "network web has 1 endpoint: delete it first");
    EXPECT_FALSE(controller->delete_endpoint("nope"));
    EXPECT_FALSE(controller->delete_network("nope"));
    EXPECT_EQ(controller->endpoints()->size(), 1u);
    expect_settled();
}

TEST_F(ControllerTest, AliasesAreLabelsAndMayBeShared) {
    make_network("web", "10.88.0.0/24");
    auto create = [&](const char* name, std::vector<std::string> aliases) {
        auto spec = endpoint_spec("web", name, std::string("/run/netns/") + name);
        spec.aliases = std::move(aliases);
        return controller->create_endpoint(spec);
    };
    EXPECT_EQ(create("a", {"a.b"}).error().kind(), ErrorKind::kInvalid);
    EXPECT_EQ(create("a", {"db", "db"}).error().message(), "alias db is given twice");
    ASSERT_TRUE(create("a", {"db", "first"}));
    ASSERT_TRUE(create("b", {"db"}));
    restart();
    EXPECT_EQ(controller->endpoint("a")->aliases, (std::vector<std::string>{"db", "first"}));
}

TEST_F(ControllerTest, DefaultPoolsAvoidTheHost) {
    rtnl.add_device("docker0", {prefix("172.17.0.1/16")}, "bridge");
    rtnl.add_route(prefix("172.18.0.0/16"), eth0);
    NetworkSpec spec;
    spec.name = "one";
    EXPECT_EQ(controller->create_network(spec)->network.subnets[0].prefix, prefix("172.19.0.0/16"));
    spec.name = "two";
    EXPECT_EQ(controller->create_network(spec)->network.subnets[0].prefix, prefix("172.20.0.0/16"));
    spec.name = "three";
    spec.subnets = {prefix("172.17.5.0/24")};
    EXPECT_EQ(controller->create_network(spec).error().message(),
              "subnet 172.17.5.0/24 of network three overlaps with 172.17.0.0/16 on the host's "
              "device docker0");
}

TEST_F(ControllerTest, SandboxesComeBackAfterAReboot) {
    make_network("web", "10.88.0.0/24");
    auto sandbox = controller->create_sandbox("box");
    ASSERT_TRUE(sandbox) << sandbox.error().message();
    EXPECT_FALSE(controller->create_sandbox("box"));
    namespaces.add("/sandboxes/theirs");
    EXPECT_EQ(controller->create_sandbox("theirs").error().kind(), ErrorKind::kConflict);
    make_endpoint("web", "app", "box");
    EXPECT_EQ(controller->sandboxes()[0].endpoints, 1u);
    namespaces.vanish("/sandboxes/box");
    restart();
    EXPECT_TRUE(namespaces.paths.contains("/sandboxes/box"));
    EXPECT_EQ(controller->endpoint("app")->state, "up");
    ASSERT_TRUE(controller->delete_sandbox("box"));
    EXPECT_FALSE(namespaces.paths.contains("/sandboxes/box"));
    EXPECT_TRUE(controller->endpoints()->empty());
    expect_settled();
}

} // namespace

} // namespace cnet::test
