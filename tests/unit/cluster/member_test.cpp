#include "userspace/cluster/member.h"

#include "tests/unit/cluster/member_world.h"
#include "userspace/cluster/records.h"

namespace cnet::test {
namespace {

using control::ClusterEndpoint;

class Member : public Hosts {
protected:
    void SetUp() override { make_network("over", 4096); }

    static ClusterEndpoint web() {
        return endpoint_of("over", "web", "10.99.0.2", "02:00:00:00:00:01");
    }
    static ClusterEndpoint db() {
        return endpoint_of("over", "db", "10.99.0.3", "02:00:00:00:00:02");
    }
};

TEST_F(Member, HostsSeeEachOther) {
    const auto state = a.member.state();
    ASSERT_EQ(state.hosts.size(), 2u);
    EXPECT_EQ(state.hosts[1], (control::ClusterHost{"b", {ip("192.0.2.2")}, true}));
    EXPECT_TRUE(a.member.status().connected);
    EXPECT_EQ(a.member.status().hosts, 2u);
}

TEST_F(Member, AnEndpointOfOneIsKnownToTheOther) {
    ASSERT_TRUE(a.add(web()));
    b.hear();
    const auto state = b.member.state();
    ASSERT_EQ(state.endpoints.size(), 1u);
    ClusterEndpoint expected = web();
    expected.host = "a";
    EXPECT_EQ(state.endpoints[0], expected);
    EXPECT_TRUE(a.member.state().endpoints.empty()) << "its own are no news";
    a.remove("web");
    b.hear();
    EXPECT_TRUE(b.member.state().endpoints.empty());
    EXPECT_TRUE(etcd.keys("/cnet/v1/addresses/").empty());
    EXPECT_TRUE(etcd.keys("/cnet/v1/macs/").empty());
}

TEST_F(Member, AnAddressIsGivenOnce) {
    ASSERT_TRUE(a.add(web()));
    // Without having heard of it.
    EXPECT_FALSE(b.member.holder_of(4096, ip("10.99.0.2")));
    ClusterEndpoint twin = endpoint_of("over", "twin", "10.99.0.2", "02:00:00:00:00:09");
    Status taken = b.add(twin);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(taken.error().message(), "address 10.99.0.2 is endpoint web of host a already");
    EXPECT_EQ(b.member.holder_of(4096, ip("10.99.0.2")), "endpoint web of host a");
    twin = endpoint_of("over", "twin", "10.99.0.4", "02:00:00:00:00:01");
    taken = b.add(twin);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().message(),
              "MAC address 02:00:00:00:00:01 is endpoint web of host a already");
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 1u) << "all of a claim or nothing";
}

TEST_F(Member, ANameOrVniIsGivenOnce) {
    for (const auto& [name, vni] : {std::pair("over", 4097u), std::pair("other", 4096u)}) {
        ASSERT_TRUE(b.member.refresh());
        auto made = b.member.create_network(network_of(name, vni));
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().kind(), ErrorKind::kConflict);
    }
    EXPECT_EQ(etcd.keys("/cnet/v1/networks/").size(), 1u);
}

TEST_F(Member, ANetworkMadeMeanwhileIsLookedAtFirst) {
    ASSERT_TRUE(b.member.refresh());
    ASSERT_TRUE(a.member.refresh());
    ASSERT_TRUE(a.member.create_network(network_of("two", 0, "10.98.0.0/24")));
    auto made = b.member.create_network(network_of("three", 0, "10.98.0.0/16"));
    ASSERT_FALSE(made) << "its subnet overlaps with what b has not seen";
    EXPECT_EQ(made.error().kind(), ErrorKind::kConflict);
    ASSERT_TRUE(b.member.refresh());
    EXPECT_EQ(b.member.state().networks.size(), 2u);
}

TEST_F(Member, VnisComeFromTheRangeUntilItEnds) {
    for (uint32_t vni = 4097; vni <= 4099; vni++) {
        ASSERT_TRUE(a.member.refresh());
        auto made = a.member.create_network(network_of("n" + std::to_string(vni), 0));
        ASSERT_TRUE(made) << made.error().message();
        EXPECT_EQ(made->vni, vni);
    }
    ASSERT_TRUE(a.member.refresh());
    auto made = a.member.create_network(network_of("more", 0));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind(), ErrorKind::kExhausted);
}

TEST_F(Member, ANetworkInUseAnywhereStays) {
    ASSERT_TRUE(a.add(web()));
    Status gone = b.member.delete_network(network_of("over", 4096));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().kind(), ErrorKind::kConflict);
    b.hear();
    gone = b.member.delete_network(network_of("over", 4096));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().message(),
              "network over is in use in the cluster: endpoint web of host a");
    a.remove("web");
    EXPECT_TRUE(b.member.delete_network(network_of("over", 4096)));
    EXPECT_TRUE(etcd.keys("/cnet/v1/networks/").empty());
    EXPECT_TRUE(etcd.keys("/cnet/v1/vnis/").empty());
    EXPECT_TRUE(a.member.delete_network(network_of("over", 4096))) << "gone is gone";
}

TEST_F(Member, NothingIsClaimedInANetworkThatWasDeleted) {
    ASSERT_TRUE(b.member.delete_network(network_of("over", 4096)));
    Status claimed = a.add(web());
    ASSERT_FALSE(claimed);
    EXPECT_EQ(claimed.error().kind(), ErrorKind::kNotFound);
    EXPECT_TRUE(etcd.keys("/cnet/v1/addresses/").empty());
}

TEST_F(Member, ChangesOfANetworkAreNotLost) {
    control::Network changed = network_of("over", 4096);
    changed.icc = false;
    ASSERT_TRUE(a.member.update_network(changed));
    control::Network other = network_of("over", 4096);
    other.masquerade = false;
    Status status = b.member.update_network(other);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind(), ErrorKind::kConflict);
    EXPECT_FALSE(b.member.state().networks[0].icc) << "what it read it knows";
}

TEST_F(Member, WhatADeadCommandClaimedIsGivenBack) {
    ASSERT_TRUE(a.member.claim(web())); // and dies before it is kept here
    a.publish();
    EXPECT_TRUE(etcd.keys("/cnet/v1/addresses/").empty());
    EXPECT_TRUE(etcd.keys("/cnet/v1/endpoints/").empty());
}

TEST_F(Member, AnAnswerThatWasLostIsFoundOut) {
    a.kv.answers_lost = 100;
    Status claimed = a.add(web());
    ASSERT_FALSE(claimed);
    EXPECT_EQ(claimed.error().kind(), ErrorKind::kUnknown);
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 1u);
    a.kv.answers_lost = 0;
    a.hear();
    EXPECT_TRUE(etcd.keys("/cnet/v1/addresses/").empty());
}

TEST_F(Member, ALostAnswerIsAskedForAgain) {
    a.kv.answers_lost = 2;
    EXPECT_TRUE(a.add(web()));
    EXPECT_EQ(a.member.holder_of(4096, ip("10.99.0.2")), "endpoint web of this host");
    ASSERT_TRUE(a.member.refresh());
    a.kv.answers_lost = 2;
    auto made = a.member.create_network(network_of("two", 0, "10.98.0.0/24"));
    ASSERT_TRUE(made) << made.error().message();
    control::Network changed = network_of("two", made->vni, "10.98.0.0/24");
    changed.icc = false;
    a.kv.answers_lost = 2;
    EXPECT_TRUE(a.member.update_network(changed));
    a.kv.answers_lost = 2;
    EXPECT_TRUE(a.member.delete_network(changed));
    EXPECT_EQ(etcd.keys("/cnet/v1/networks/").size(), 1u);
}

TEST_F(Member, AHostWhoseLeaseEndedIsWithdrawnAndKeepsItsAddresses) {
    ASSERT_TRUE(a.add(web()));
    etcd.expire(a.lease);
    b.hear();
    EXPECT_TRUE(b.member.state().endpoints.empty());
    EXPECT_FALSE(b.member.state().hosts[0].alive);
    EXPECT_FALSE(b.add(endpoint_of("over", "x", "10.99.0.2", "02:00:00:00:00:07")));
    a.connect(21);
    b.hear();
    EXPECT_EQ(b.member.state().endpoints.size(), 1u);
    EXPECT_TRUE(b.member.state().hosts[0].alive);
}

TEST_F(Member, ARestartMovesTheRecordsToItsLease) {
    ASSERT_TRUE(a.add(web()));
    a.connect(21); // the former lease runs on for a while
    etcd.expire(11);
    b.hear();
    EXPECT_EQ(b.member.state().endpoints.size(), 1u);
}

TEST_F(Member, OfflineDeletionsReachTheOthersLater) {
    ASSERT_TRUE(a.add(web()));
    ASSERT_TRUE(a.add(db()));
    a.kv.calls_left = 0;
    a.remove("web");
    EXPECT_FALSE(a.member.status().connected);
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 2u);
    Status claimed = a.add(web());
    ASSERT_FALSE(claimed);
    EXPECT_EQ(claimed.error().kind(), ErrorKind::kUnavailable);
    a.kv.calls_left.reset();
    a.member.take({cluster::News{}});
    EXPECT_TRUE(a.member.status().connected);
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/"),
              (std::vector<std::string>{"/cnet/v1/addresses/4096/10.99.0.3"}));
}

TEST_F(Member, AwayIsKnownAtOnce) {
    a.member.take({cluster::Away{Error(ErrorKind::kUnavailable, "no route")}});
    const unsigned calls = a.kv.calls;
    EXPECT_EQ(a.add(web()).error().kind(), ErrorKind::kUnavailable);
    EXPECT_EQ(a.member.refresh().error().message(), "the cluster cannot be asked: no route");
    EXPECT_EQ(a.kv.calls, calls);
}

// Whatever is broken off, one more round leads to the same end.
TEST_F(Member, PublishingIsTakenUpWhereItEnded) {
    ASSERT_TRUE(a.add(web()));
    ASSERT_TRUE(a.add(db()));
    for (int calls = 0; calls < 8; calls++) {
        etcd.expire(a.lease);
        a.kv.calls_left = calls;
        a.connect(100 + calls);
        a.kv.calls_left.reset();
        a.member.take({cluster::News{}});
        EXPECT_EQ(etcd.keys("/cnet/v1/endpoints/").size(), 2u) << "after " << calls << " calls";
        EXPECT_TRUE(a.member.status().connected);
        EXPECT_FALSE(a.member.wants_retry());
    }
}

TEST_F(Member, AnotherMachineOfOurNameIsNotUs) {
    Host stranger{etcd, "a", "192.0.2.7", "other-id"};
    stranger.publish();
    stranger.connect(31);
    EXPECT_FALSE(stranger.member.status().connected);
    ASSERT_EQ(stranger.member.status().conflicts.size(), 1u);
    EXPECT_NE(stranger.member.status().conflicts[0].find("another machine of the name a"),
              std::string::npos);
    EXPECT_EQ(stranger.add(web()).error().kind(), ErrorKind::kConflict);
    EXPECT_TRUE(a.add(web()));
}

TEST_F(Member, AHostThatIsGoneCanBeForgotten) {
    ASSERT_TRUE(a.add(web()));
    b.hear();
    EXPECT_EQ(b.member.forget_host("a").error().kind(), ErrorKind::kConflict) << "it is alive";
    EXPECT_EQ(b.member.forget_host("x").error().kind(), ErrorKind::kNotFound);
    etcd.expire(a.lease);
    b.hear();
    Status forgotten = b.member.forget_host("a");
    ASSERT_TRUE(forgotten) << forgotten.error().message();
    EXPECT_TRUE(etcd.keys("/cnet/v1/addresses/").empty());
    EXPECT_EQ(etcd.keys("/cnet/v1/hosts/").size(), 1u);
    ASSERT_TRUE(b.add(endpoint_of("over", "heir", "10.99.0.2", "02:00:00:00:00:07")));
    // It returns with what it still runs: the heir keeps the address, and it is told.
    a.connect(21);
    EXPECT_TRUE(a.member.status().connected);
    ASSERT_EQ(a.member.status().conflicts.size(), 1u);
    EXPECT_NE(a.member.status().conflicts[0].find("10.99.0.2, which is endpoint heir of host b"),
              std::string::npos)
        << a.member.status().conflicts[0];
    EXPECT_EQ(etcd.keys("/cnet/v1/endpoints/4096/a/").size(), 0u);
}

TEST_F(Member, AHostForgottenByMistakeComesBackByItself) {
    ASSERT_TRUE(a.add(web()));
    etcd.expire(a.lease);
    b.hear();
    ASSERT_TRUE(b.member.forget_host("a"));
    a.connect(21);
    b.hear();
    EXPECT_EQ(b.member.state().endpoints.size(), 1u);
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 1u);
}

class Pool : public Hosts {
protected:
    void SetUp() override {
        ASSERT_TRUE(a.member.refresh());
        ASSERT_TRUE(a.member.create_network(pods));
        hear();
    }
    // What a host does with a network that is new to it.
    Result<control::ClusterSubnet> lease(Host& host) {
        auto leased = host.member.lease_subnet(pods, host.own.vteps[0]);
        if (!leased) return leased;
        host.own.subnets = {{4096, leased->prefix, "", host.own.vteps[0], leased->mac}};
        host.publish();
        return leased;
    }
    std::vector<std::string> keys() { return etcd.keys("/cnet/v1/subnets/"); }

    control::Network pods = pool_of("pods", 4096);
};

TEST_F(Pool, EveryHostGetsAPartOfItsOwn) {
    auto first = lease(a);
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ(first->prefix.to_string(), "10.244.0.0/24");
    EXPECT_EQ(first->mac, mac("0a:58:0a:f4:00:00"));
    auto second = lease(b); // without having heard of it
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(second->prefix.to_string(), "10.244.1.0/24");
    EXPECT_EQ(lease(a)->prefix, first->prefix) << "again is the same";
    hear();
    ASSERT_EQ(a.member.state().subnets.size(), 2u);
    EXPECT_EQ(a.member.state().subnets[1],
              (control::ClusterSubnet{4096, second->prefix, "b", ip("192.0.2.2"), second->mac}));
}

TEST_F(Pool, ALostAnswerCostsNoPart) {
    a.kv.answers_lost = 2;
    ASSERT_TRUE(lease(a));
    EXPECT_EQ(keys().size(), 1u);
    b.hear();
    b.kv.answers_lost = 100;
    EXPECT_EQ(lease(b).error().kind(), ErrorKind::kUnknown);
    EXPECT_EQ(keys().size(), 2u);
    b.kv.answers_lost = 0;
    b.hear();
    EXPECT_EQ(keys().size(), 1u) << "given back";
    EXPECT_TRUE(lease(b));
}

TEST_F(Pool, APoolEnds) {
    for (const char* part : {"0", "1", "2"}) {
        etcd.txn({},
                 {etcd::Put{std::string("/cnet/v1/subnets/4096/10.244.") + part + ".0-24",
                            encode(cluster::SubnetRecord{"hand", ip("192.0.2.7"),
                                                         mac("02:00:00:00:00:07")})}},
                 {});
    }
    ASSERT_TRUE(lease(a));
    auto none = lease(b);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind(), ErrorKind::kExhausted);
    EXPECT_EQ(none.error().message(), "every part of 10.244.0.0/22 is a host's: there are 4");
}

TEST_F(Pool, APartIsKeptUntilItsHostIsForgotten) {
    auto part = lease(b);
    ASSERT_TRUE(part);
    etcd.expire(b.lease);
    a.hear();
    EXPECT_EQ(a.member.state().subnets.size(), 1u);
    Status deleted = a.member.delete_network(pods);
    ASSERT_FALSE(deleted);
    EXPECT_EQ(deleted.error().kind(), ErrorKind::kConflict);
    ASSERT_TRUE(a.member.forget_host("b"));
    EXPECT_TRUE(keys().empty());
    ASSERT_TRUE(lease(a));
    EXPECT_EQ(a.own.subnets[0].prefix, part->prefix);
    b.connect(22); // its containers still have those addresses
    b.publish();
    ASSERT_FALSE(b.member.status().conflicts.empty());
    EXPECT_NE(b.member.status().conflicts[0].find("10.244.0.0/24"), std::string::npos);
    EXPECT_EQ(a.member.state().subnets[0].host, "a");
}

TEST_F(Pool, AHostTellsWhereItIsAndGivesBackWhatItDoesNotHave) {
    ASSERT_TRUE(lease(a));
    a.own.subnets[0].vtep = ip("192.0.2.111");
    a.publish();
    b.hear();
    EXPECT_EQ(b.member.state().subnets[0].vtep, ip("192.0.2.111"));
    EXPECT_TRUE(b.member.delete_network(pods));
    a.hear();
    a.own.subnets.clear();
    a.publish();
    EXPECT_TRUE(keys().empty());
    EXPECT_EQ(lease(a).error().kind(), ErrorKind::kNotFound);
}

TEST_F(Member, ManyEndpointsGoInTransactionsOfASizeThatEtcdTakes) {
    for (unsigned i = 0; i < 300; i++) {
        ClusterEndpoint endpoint = web();
        endpoint.name = "e" + std::to_string(i);
        endpoint.addresses = {IpAddress::from_v4(0x0a630000 + 2 + i)};
        endpoint.mac = MacAddress({2, 0, 0, 0, uint8_t(i >> 8), uint8_t(i)});
        a.own.endpoints.push_back(endpoint);
    }
    a.publish();
    EXPECT_EQ(etcd.keys("/cnet/v1/endpoints/").size(), 300u);
    etcd.expire(a.lease);
    const unsigned before = a.kv.calls;
    a.connect(21);
    EXPECT_EQ(etcd.keys("/cnet/v1/endpoints/").size(), 300u);
    EXPECT_LT(a.kv.calls - before, 15u);
}

} // namespace
} // namespace cnet::test
