// A whole host in a cluster: the controller over a member, and another member beside it.
#include "tests/unit/cluster/member_world.h"
#include "tests/unit/control/world.h"
#include "userspace/control/overlay.h"

namespace cnet::test {
namespace {

class ClusterWorld : public InCluster<World> {
protected:
    Status make_shared(const std::string& name, std::optional<uint32_t> vni = {},
                       const std::string& subnet = {}) {
        control::NetworkSpec spec;
        spec.name = name;
        spec.vni = vni;
        spec.vni_auto = !vni;
        if (!subnet.empty()) spec.subnets = {prefix(subnet)};
        auto made = controller->create_network(spec);
        return made ? Status() : Status(made.error());
    }
    std::vector<std::string> conflicts() { return controller->summary().cluster->conflicts; }
};

TEST_F(ClusterWorld, ANetworkOfOneIsOnAll) {
    ASSERT_TRUE(make_shared("mine"));
    auto mine = controller->network("mine");
    ASSERT_TRUE(mine);
    EXPECT_EQ(mine->network.vni, 4096u);
    EXPECT_FALSE(mine->network.peer_learning) << "the cluster knows every MAC";
    b.hear();
    ASSERT_EQ(b.member.state().networks.size(), 1u);
    EXPECT_EQ(b.member.state().networks[0].subnets[0].prefix, mine->network.subnets[0].prefix);

    make_at_b("theirs", 4100, "10.98.0.0/24");
    hear();
    auto theirs = controller->network("theirs");
    ASSERT_TRUE(theirs);
    EXPECT_TRUE(theirs->network.clustered);
    EXPECT_EQ(theirs->network.mtu, 1450u);
    EXPECT_NE(rtnl.find(theirs->host_port), nullptr);
    restart();
    EXPECT_TRUE(controller->network("theirs"));
    expect_settled();

    ASSERT_TRUE(b.member.delete_network(network_of("theirs", 4100)));
    hear();
    EXPECT_FALSE(controller->network("theirs"));
    EXPECT_EQ(rtnl.find(theirs->host_port), nullptr);
    ASSERT_TRUE(controller->delete_network("mine"));
    EXPECT_TRUE(etcd.keys("/cnet/v1/networks/").empty());
}

TEST_F(ClusterWorld, ANetworkMadeElsewhereJustNowCanBeUsed) {
    make_at_b("theirs", 4100, "10.98.0.0/24");
    auto endpoint = controller->create_endpoint(endpoint_spec("theirs", "web", "/run/netns/a"));
    EXPECT_TRUE(endpoint) << endpoint.error().message();
}

TEST_F(ClusterWorld, EndpointsOfAllShareTheAddresses) {
    ASSERT_TRUE(
        make_shared("over", 4096, "10.99.0.0/29")); // six addresses, one of them the gateway
    hear();
    ASSERT_TRUE(b.add(endpoint_of("over", "far", "10.99.0.2", "02:00:00:00:00:01")));
    std::set<IpAddress> given{ip("10.99.0.2")};
    for (const char* name : {"one", "two", "three", "four"}) {
        auto spec = endpoint_spec("over", name, "/run/netns/a");
        spec.ifname = name;
        auto endpoint = controller->create_endpoint(spec); // without having heard of far
        ASSERT_TRUE(endpoint) << endpoint.error().message();
        EXPECT_TRUE(given.insert(endpoint->addresses[0].address()).second);
    }
    auto spec = endpoint_spec("over", "five", "/run/netns/b");
    EXPECT_EQ(controller->create_endpoint(spec).error().kind(), ErrorKind::kExhausted);
    spec.ips = {ip("10.99.0.2")};
    EXPECT_EQ(controller->create_endpoint(spec).error().message(),
              "address 10.99.0.2 is endpoint far of host b already");
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 5u);
    ASSERT_TRUE(controller->delete_endpoint("one"));
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 4u);
    EXPECT_EQ(controller->delete_network("over").error().kind(), ErrorKind::kConflict);
}

TEST_F(ClusterWorld, RemoteEndpointsComeAndGoWithTheirHost) {
    ASSERT_TRUE(make_shared("over", 4096, "10.99.0.0/24"));
    hear();
    ASSERT_TRUE(b.add(endpoint_of("over", "far", "10.99.0.2", "02:00:00:00:00:01")));
    hear();
    auto peers = controller->peers();
    ASSERT_EQ(peers.size(), 1u);
    EXPECT_EQ(peers[0].name, "b");
    EXPECT_EQ(peers[0].origin, "cluster");
    EXPECT_EQ(peers[0].address, ip("192.0.2.9"));
    EXPECT_EQ(store->load()->state.remotes.size(), 1u);
    restart(); // with etcd away
    host.member.take({cluster::Away{Error(ErrorKind::kUnavailable, "gone")}});
    EXPECT_EQ(controller->peers().size(), 1u);
    expect_settled();

    EXPECT_EQ(controller->delete_peer(ip("192.0.2.9")).error().kind(), ErrorKind::kConflict);
    host.connect(21);
    etcd.expire(b.lease);
    hear();
    EXPECT_TRUE(store->load()->state.remotes.empty());
    EXPECT_TRUE(store->load()->state.peers.empty());
    peers = controller->peers();
    ASSERT_EQ(peers.size(), 1u);
    EXPECT_EQ(peers[0].origin, "gone");
    ASSERT_TRUE(controller->delete_peer(ip("192.0.2.9")));
    EXPECT_TRUE(controller->peers().empty());
    EXPECT_TRUE(etcd.keys("/cnet/v1/addresses/").empty());
    EXPECT_EQ(controller->delete_peer(ip("192.0.2.9")).error().kind(), ErrorKind::kNotFound);
}

TEST_F(ClusterWorld, WhatIsTakenHereKeepsANetworkOutUntilItIsFree) {
    make_network("theirs", "10.97.0.0/24");
    make_network("other", "10.96.0.0/24");
    make_at_b("theirs", 4100, "10.98.0.0/24");
    make_at_b("overlaps", 4101, "10.96.0.0/16");
    hear();
    EXPECT_FALSE(controller->network("theirs")->network.clustered);
    EXPECT_FALSE(controller->network("overlaps"));
    ASSERT_EQ(conflicts().size(), 2u);
    EXPECT_NE(conflicts()[0].find("10.96.0.0/24 of network other"), std::string::npos)
        << conflicts()[0];
    ASSERT_TRUE(controller->delete_network("other"));
    ASSERT_TRUE(controller->delete_network("theirs"));
    ASSERT_TRUE(controller->reconcile());
    EXPECT_TRUE(conflicts().empty());
    EXPECT_TRUE(controller->network("theirs")->network.clustered);
    EXPECT_TRUE(controller->network("overlaps"));
}

TEST_F(ClusterWorld, AClusterThatForgotIsToldAgain) {
    ASSERT_TRUE(make_shared("over", 4096, "10.99.0.0/24"));
    make_endpoint("over", "web", "/run/netns/a");
    etcd = FakeEtcd();
    host.connect(31);
    EXPECT_TRUE(controller->follow_cluster());
    EXPECT_EQ(etcd.keys("/cnet/v1/networks/").size(), 1u);
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 1u);
    EXPECT_EQ(etcd.keys("/cnet/v1/endpoints/").size(), 1u);
    EXPECT_TRUE(conflicts().empty());
}

TEST_F(ClusterWorld, ANetworkThatIsLostTakesNoAddressAlong) {
    ASSERT_TRUE(make_shared("over", 4096, "10.99.0.0/24"));
    make_endpoint("over", "web", "/run/netns/a");
    hear();
    etcd.txn({}, {etcd::Delete{"/cnet/v1/networks/over"}}, {});
    hear();
    EXPECT_EQ(etcd.keys("/cnet/v1/networks/").size(), 1u) << "told again";
    EXPECT_TRUE(conflicts().empty());
    etcd.txn({}, {etcd::Delete{"/cnet/v1/vnis/4096"}}, {});
    hear();
    EXPECT_FALSE(conflicts().empty()) << "half of it is for somebody to look at";
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 1u);
    EXPECT_EQ(etcd.keys("/cnet/v1/endpoints/").size(), 1u);
    for (const etcd::Event& event : etcd.history) {
        if (event.type != etcd::Event::Type::kDelete) continue;
        EXPECT_FALSE(event.kv.key.starts_with("/cnet/v1/addresses/")) << "given back in between";
    }
}

TEST_F(ClusterWorld, AwayFromEtcd) {
    ASSERT_TRUE(make_shared("over", 4096, "10.99.0.0/24"));
    make_endpoint("over", "web", "/run/netns/a");
    ASSERT_TRUE(make_shared("empty", 4097, "10.89.0.0/24"));
    host.member.take({cluster::Away{Error(ErrorKind::kUnavailable, "gone")}});
    // What needs no agreement.
    make_network("local", "10.90.0.0/24");
    make_endpoint("local", "db", "/run/netns/b");
    ASSERT_TRUE(controller->publish("web", "8080:80"));
    // What does.
    auto another = endpoint_spec("over", "x", "/run/netns/b");
    another.ifname = "eth1";
    for (const Status& status : {make_shared("two"), controller->delete_network("empty"),
                                 Status(controller->create_endpoint(another).error())})
        EXPECT_EQ(status.error().kind(), ErrorKind::kUnavailable) << status.error().message();
    ASSERT_TRUE(controller->delete_endpoint("web"));
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 1u);
    host.member.take({cluster::News{}});
    EXPECT_TRUE(etcd.keys("/cnet/v1/addresses/").empty());
}

TEST_F(ClusterWorld, AStartWhileEtcdIsAwayForgetsNothing) {
    ASSERT_TRUE(make_shared("over", 4096, "10.99.0.0/24"));
    make_at_b("unused", 4100, "10.98.0.0/24");
    hear();
    ASSERT_TRUE(b.add(endpoint_of("over", "far", "10.99.0.2", "02:00:00:00:00:01")));
    hear();
    cluster::Member unread({"/cnet/", "a", "id-a", 4096, 4099}, host.kv);
    cluster = &unread;
    restart();
    unread.take({cluster::Away{Error(ErrorKind::kUnavailable, "gone")}});
    ASSERT_TRUE(controller->reconcile());
    EXPECT_TRUE(controller->network("unused"));
    EXPECT_EQ(controller->peers().size(), 1u);
    EXPECT_EQ(store->load()->state.remotes.size(), 1u);
    expect_settled();
}

TEST_F(ClusterWorld, ASettingIsAllHosts) {
    make_at_b("over", 4096, "10.99.0.0/24");
    hear();
    control::NetworkPatch patch;
    patch.icc = false;
    ASSERT_TRUE(controller->update_network("over", patch));
    b.hear();
    EXPECT_FALSE(b.member.state().networks[0].icc);
    patch = {};
    patch.snat = ip("192.0.2.2");
    EXPECT_EQ(controller->update_network("over", patch).error().kind(), ErrorKind::kInvalid);
}

// After a death at any moment, the store and etcd agree again.
TEST_F(ClusterWorld, DeathInTheMiddleOfACommand) {
    ASSERT_TRUE(make_shared("over", 4096, "10.99.0.0/24"));
    for (int calls = 0; calls < 40; calls++) {
        life.calls_left = calls;
        auto made = controller->create_endpoint(endpoint_spec("over", "web", "/run/netns/a"));
        const bool done = bool(made);
        restart();
        host.connect(100 + calls);
        ASSERT_TRUE(controller->follow_cluster());
        const size_t endpoints = controller->endpoints()->size();
        EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), endpoints) << "at call " << calls;
        EXPECT_EQ(etcd.keys("/cnet/v1/endpoints/").size(), endpoints);
        if (endpoints) {
            ASSERT_TRUE(controller->delete_endpoint("web"));
        }
        EXPECT_TRUE(etcd.keys("/cnet/v1/addresses/").empty());
        if (done) return;
    }
    FAIL() << "a command takes more calls than this test thinks";
}

class PoolWorld : public ClusterWorld {
protected:
    Result<control::NetworkView> make_pool(const std::string& name, const std::string& subnet,
                                           uint32_t host_prefix) {
        control::NetworkSpec spec;
        spec.name = name;
        spec.vni_auto = true;
        spec.mode = control::Mode::kRouted;
        spec.subnets = {prefix(subnet)};
        spec.host_prefix = host_prefix;
        return controller->create_network(spec);
    }
    const FakeRtnl::Link* device() {
        auto pods = controller->network("pods");
        return pods ? rtnl.find(pods->network.vtep_device()) : nullptr;
    }
};

TEST_F(PoolWorld, AHostHasAPartAndWaysToTheOthers) {
    auto made = make_pool("pods", "10.244.0.0/22", 24);
    ASSERT_TRUE(made) << made.error().message();
    ASSERT_EQ(made->network.subnets.size(), 1u);
    EXPECT_EQ(made->network.subnets[0].prefix, prefix("10.244.0.0/24"));
    EXPECT_EQ(made->network.subnets[0].gateway, ip("10.244.0.1"));
    EXPECT_EQ(made->network.mtu, 1450u);
    ASSERT_NE(device(), nullptr);
    EXPECT_EQ(device()->info.mac, mac("0a:58:0a:f4:00:00"));
    EXPECT_EQ(device()->addresses, std::vector{prefix("10.244.0.0/32")});
    EXPECT_TRUE(device()->host_routes.empty());

    b.hear();
    auto theirs = b.member.lease_subnet(b.member.state().networks[0], ip("192.0.2.9"));
    ASSERT_TRUE(theirs) << theirs.error().message();
    hear();
    const netlink::HostRoute way{theirs->prefix, theirs->mac, ip("192.0.2.9")};
    EXPECT_EQ(device()->host_routes, std::vector{way});
    host.member.take({cluster::Away{Error(ErrorKind::kUnavailable, "gone")}});
    EXPECT_TRUE(controller->create_endpoint(endpoint_spec("pods", "web", "/run/netns/a")))
        << "its addresses are this host's alone";
    restart();
    EXPECT_EQ(device()->host_routes, std::vector{way});
    EXPECT_EQ(controller->network("pods")->host_subnets.size(), 1u);
    expect_settled();

    ASSERT_TRUE(controller->delete_endpoint("web"));
    host.connect(51);
    etcd.txn({}, {etcd::Delete{"/cnet/v1/subnets/4096/10.244.1.0-24"}}, {});
    hear();
    EXPECT_TRUE(device()->host_routes.empty());
    const std::string name = device()->info.name;
    ASSERT_TRUE(controller->delete_network("pods"));
    EXPECT_EQ(rtnl.find(name), nullptr);
    EXPECT_TRUE(etcd.keys("/cnet/v1/subnets/").empty());
    expect_settled();
}

TEST_F(PoolWorld, ANetworkOfAnothersMakingIsHereWithAPart) {
    ASSERT_TRUE(b.member.refresh());
    ASSERT_TRUE(b.member.create_network(pool_of("pods", 4100)));
    hear();
    ASSERT_NE(device(), nullptr);
    EXPECT_EQ(etcd.keys("/cnet/v1/subnets/").size(), 1u);
    restart(); // and etcd forgets
    etcd = FakeEtcd();
    host.connect(61);
    EXPECT_TRUE(controller->follow_cluster());
    EXPECT_EQ(device(), nullptr) << "nobody used it";
}

TEST_F(PoolWorld, NothingIsLeasedForANetworkThatCannotBeHere) {
    make_network("mine", "10.244.1.0/24");
    ASSERT_TRUE(b.member.refresh());
    ASSERT_TRUE(b.member.create_network(pool_of("pods", 4100)));
    const int64_t revision = etcd.revision;
    for (int times = 0; times < 3; times++)
        hear();
    EXPECT_EQ(etcd.revision, revision) << "neither leased nor given back";
    ASSERT_EQ(conflicts().size(), 1u);
    EXPECT_NE(conflicts()[0].find("10.244.1.0/24 of network mine"), std::string::npos)
        << conflicts()[0];
    ASSERT_TRUE(controller->delete_network("mine"));
    ASSERT_TRUE(controller->reconcile());
    EXPECT_NE(device(), nullptr);
    EXPECT_TRUE(conflicts().empty());
}

TEST_F(PoolWorld, WhatCannotBeIsRefused) {
    EXPECT_EQ(make_pool("pods", "10.244.0.0/22", 22).error().message(),
              "host_prefix 22 is out of range: 23 to 30 for 10.244.0.0/22");
    EXPECT_EQ(make_pool("pods", "fd00::/48", 24).error().kind(), ErrorKind::kInvalid);
    control::NetworkSpec spec;
    spec.name = "pods";
    spec.subnets = {prefix("10.244.0.0/22")};
    spec.host_prefix = 24;
    EXPECT_EQ(controller->create_network(spec).error().message(),
              "a subnet for each host (host_prefix) needs a cluster and a vni");
    spec.vni_auto = true;
    EXPECT_EQ(controller->create_network(spec).error().message(),
              "network pods has a subnet for each host: its mode is routed");
    ASSERT_TRUE(make_pool("pods", "10.244.0.0/22", 24));
    spec = {};
    spec.name = "other";
    spec.subnets = {prefix("10.244.3.0/24")};
    EXPECT_EQ(controller->create_network(spec).error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(etcd.keys("/cnet/v1/networks/").size(), 1u);
}

TEST_F(ClusterWorld, AHostAloneHasNoAutomaticVni) {
    cluster = nullptr;
    restart();
    EXPECT_EQ(make_shared("x").error().kind(), ErrorKind::kInvalid);
    EXPECT_FALSE(controller->summary().cluster);
}

} // namespace
} // namespace cnet::test
