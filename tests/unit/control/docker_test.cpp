// Endpoints whose far end Docker moves, and the addresses that it asks for.
#include "tests/unit/control/world.h"

namespace {

using namespace cnet;
using control::DockerEndpoint;
using control::DockerNetwork;
using test::World;

class DockerTest : public World {
protected:
    void SetUp() override {
        World::SetUp();
        control::NetworkSpec spec;
        spec.name = "net";
        spec.subnets = {prefix("10.88.0.0/24")};
        spec.docker = docker("n1");
        ASSERT_TRUE(controller->create_network(spec));
    }

    static DockerNetwork docker(const std::string& id) {
        DockerNetwork network;
        network.id = id;
        return network;
    }

    control::EndpointSpec docker_spec(const std::string& id, const std::string& address) {
        control::EndpointSpec spec = endpoint_spec("net", "docker-" + id, "");
        spec.ips = {ip(address)};
        spec.docker = DockerEndpoint{id, {}};
        return spec;
    }

    control::EndpointView make(const std::string& id, const std::string& address) {
        auto made = controller->create_endpoint(docker_spec(id, address));
        EXPECT_TRUE(made) << made.error().message();
        return made ? *made : control::EndpointView();
    }

    // As libnetwork does after Join.
    void move(const control::EndpointView& endpoint, const std::string& netns) {
        ASSERT_TRUE(controller->place_endpoint(endpoint.name, netns));
        rtnl.move(waiting_of(endpoint), netns, "eth0");
        ASSERT_TRUE(links_changed());
    }

    static std::string waiting_of(const control::EndpointView& endpoint) {
        return "cnep" + endpoint.host_ifname.substr(4);
    }

    std::string state_of(const std::string& id) { return controller->docker_endpoint(id)->state; }
};

TEST_F(DockerTest, FarEndWaitsUntilItIsMoved) {
    const auto made = make("e1", "10.88.0.2");
    EXPECT_EQ(made.mac.to_string(), "02:42:0a:58:00:02");
    EXPECT_EQ(made.state, "waiting");
    EXPECT_EQ(made.ifname, waiting_of(made));
    EXPECT_TRUE(rtnl.find(made.host_ifname)->info.up);
    EXPECT_TRUE(rtnl.find(waiting_of(made))->addresses.empty());
    expect_settled();

    move(made, "/run/netns/a");
    auto placed = controller->docker_endpoint("e1");
    EXPECT_EQ(placed->state, "up");
    EXPECT_EQ(placed->netns, "/run/netns/a");
    EXPECT_EQ(placed->ifname, "eth0");
    expect_settled();
    restart();
    EXPECT_EQ(state_of("e1"), "up");
    expect_settled();
    ASSERT_TRUE(controller->delete_endpoint(made.name));
    EXPECT_EQ(rtnl.find("eth0", "/run/netns/a"), nullptr);
}

TEST_F(DockerTest, MtuIsSetWhereverTheFarEndIs) {
    const auto waiting = make("e1", "10.88.0.2");
    const auto placed = make("e2", "10.88.0.3");
    move(placed, "/run/netns/a");
    control::NetworkPatch patch;
    patch.mtu = 1400;
    ASSERT_TRUE(controller->update_network("net", patch));
    EXPECT_EQ(rtnl.find(waiting_of(waiting))->info.mtu, 1400u);
    EXPECT_EQ(rtnl.find(waiting.host_ifname)->info.mtu, 1400u);
    EXPECT_EQ(rtnl.find("eth0", "/run/netns/a")->info.mtu, 1400u);
    EXPECT_EQ(rtnl.find(placed.host_ifname)->info.mtu, 1400u);
    EXPECT_TRUE(rtnl.gateways("/run/netns/a").empty()); // Docker's
    expect_settled();
}

TEST_F(DockerTest, GoneWithItsContainerItIsMadeForTheNextAlone) {
    const auto made = make("e1", "10.88.0.2");
    move(made, "/run/netns/a");
    rtnl.remove_netns("/run/netns/a");
    namespaces.paths.erase("/run/netns/a");
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(rtnl.find(made.host_ifname), nullptr);
    EXPECT_EQ(state_of("e1"), "netns-gone");
    expect_settled();
    EXPECT_FALSE(controller->place_endpoint(made.name, namespaces.own));
    move(made, "/run/netns/b");
    EXPECT_EQ(state_of("e1"), "up");
}

TEST_F(DockerTest, WhatDockerForgotIsCollectedAfterAWhile) {
    auto pool = controller->request_pool({prefix("10.88.0.0/24"), {}, false});
    ASSERT_TRUE(pool);
    ASSERT_TRUE(controller->request_address(pool->id, ip("10.88.0.2"), false));
    make("e1", "10.88.0.2");
    const auto placed = make("e2", "10.88.0.3");
    move(placed, "/run/netns/a");
    ASSERT_TRUE(controller->sweep());
    clock.advance_s(59);
    ASSERT_TRUE(controller->sweep());
    EXPECT_TRUE(controller->docker_endpoint("e1"));
    clock.advance_s(1);
    ASSERT_TRUE(controller->sweep());
    EXPECT_FALSE(controller->docker_endpoint("e1"));
    EXPECT_TRUE(controller->docker_endpoint("e2"));
    clock.advance_s(60);
    ASSERT_TRUE(controller->sweep());
    EXPECT_TRUE(controller->request_address(pool->id, ip("10.88.0.2"), false));
    expect_settled();
}

TEST_F(DockerTest, AddressesThatNoEndpointHasAreGivenBack) {
    auto pool = controller->request_pool({prefix("10.88.0.0/24"), {}, false});
    auto bridges = controller->request_pool({prefix("10.99.0.0/24"), {}, false});
    ASSERT_TRUE(pool && bridges);
    ASSERT_TRUE(controller->request_address(pool->id, {}, true));
    for (const char* address : {"10.88.0.2", "10.88.0.3", "10.88.0.4"})
        ASSERT_TRUE(controller->request_address(pool->id, ip(address), false));
    ASSERT_TRUE(controller->request_address(bridges->id, ip("10.99.0.2"), false));
    ASSERT_TRUE(controller->keep_addresses({prefix("10.88.0.4/24")}));
    move(make("e1", "10.88.0.2"), "/run/netns/a");
    ASSERT_TRUE(controller->sweep());
    clock.advance_s(60);
    ASSERT_TRUE(controller->sweep());
    EXPECT_FALSE(controller->request_address(pool->id, ip("10.88.0.2"), false));
    EXPECT_TRUE(controller->request_address(pool->id, ip("10.88.0.3"), false));
    EXPECT_FALSE(controller->request_address(pool->id, ip("10.88.0.4"), false));
    EXPECT_FALSE(controller->request_address(bridges->id, ip("10.99.0.2"), false));
    // Given anew, it has its time again.
    ASSERT_TRUE(controller->sweep());
    EXPECT_FALSE(controller->request_address(pool->id, ip("10.88.0.3"), false));
}

TEST_F(DockerTest, AddressOfAForgottenEndpointIsTheNextOnes) {
    const auto made = make("e1", "10.88.0.2");
    move(made, "/run/netns/a");
    auto taken = controller->create_endpoint(docker_spec("e2", "10.88.0.2"));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().message(), "address 10.88.0.2 is endpoint docker-e1's already");
    rtnl.remove_netns("/run/netns/a"); // and netlink has not said so yet
    EXPECT_EQ(make("e2", "10.88.0.2").addresses.front().to_string(), "10.88.0.2/24");
    EXPECT_FALSE(controller->docker_endpoint("e1"));
    expect_settled();
}

TEST_F(DockerTest, ANetworkIsDockersUntilItIsNot) {
    EXPECT_EQ(controller->docker_network("n1")->network.name, "net");
    EXPECT_FALSE(controller->set_docker("net", docker("n2")));
    ASSERT_TRUE(controller->set_docker("net", std::nullopt));
    EXPECT_FALSE(controller->docker_network("n1"));
    ASSERT_TRUE(controller->set_docker("net", docker("n2")));
    restart();
    EXPECT_EQ(controller->docker_network("n2")->network.name, "net");
}

TEST_F(DockerTest, PoolsAreGivenOnceUntilDockerBeginsAnew) {
    auto first = controller->request_pool({});
    auto second = controller->request_pool({});
    ASSERT_TRUE(first && second);
    EXPECT_NE(first->prefix, second->prefix);
    auto again = controller->request_pool({first->prefix, {}, false});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind(), ErrorKind::kConflict);
    controller->docker_started();
    EXPECT_EQ(controller->request_pool({first->prefix, {}, false})->id, first->id);
    EXPECT_FALSE(controller->request_pool({first->prefix, {}, false}));
    restart(); // of cnetd alone: Docker asks for nothing again
    EXPECT_FALSE(controller->request_pool({first->prefix, {}, false}));
    ASSERT_TRUE(controller->release_pool(first->id));
    ASSERT_TRUE(controller->release_pool(first->id));
    EXPECT_TRUE(controller->request_pool({first->prefix, {}, false}));
    // A network of ours keeps clear of them as well.
    control::NetworkSpec spec;
    spec.name = "other";
    const auto other = controller->create_network(spec);
    ASSERT_TRUE(other);
    EXPECT_FALSE(other->network.subnets.front().prefix.overlaps(first->prefix));
    EXPECT_FALSE(other->network.subnets.front().prefix.overlaps(second->prefix));
}

TEST_F(DockerTest, PoolsThatCannotBeAreRefused) {
    EXPECT_FALSE(controller->request_pool({prefix("10.99.0.1/24"), {}, false}));
    EXPECT_FALSE(controller->request_pool({prefix("10.99.0.0/31"), {}, false}));
    EXPECT_FALSE(controller->request_pool({prefix("10.99.0.0/24"), prefix("10.98.0.0/25"), false}));
    const auto v6 = controller->request_pool({{}, {}, true});
    ASSERT_TRUE(v6);
    EXPECT_TRUE(prefix("fd00::/8").contains(v6->prefix));
    EXPECT_EQ(v6->prefix.length(), 64u);
}

TEST_F(DockerTest, AddressesGoRoundAndAreKept) {
    auto pool = controller->request_pool({prefix("10.99.0.0/24"), prefix("10.99.0.128/25"), false});
    ASSERT_TRUE(pool);
    auto ask = [&](const std::optional<IpAddress>& address = {}, bool gateway = false) {
        auto given = controller->request_address(pool->id, address, gateway);
        return given ? given->to_string() : given.error().message();
    };
    EXPECT_EQ(ask({}, true), "10.99.0.1/24");
    EXPECT_EQ(ask({}, true), "10.99.0.1/24"); // again, as after a restart of Docker
    EXPECT_EQ(ask(), "10.99.0.128/24");
    EXPECT_EQ(ask(), "10.99.0.129/24");
    ASSERT_TRUE(controller->release_address(pool->id, ip("10.99.0.128")));
    EXPECT_EQ(ask(), "10.99.0.130/24");
    EXPECT_EQ(ask(ip("10.99.0.7")), "10.99.0.7/24");
    restart();
    EXPECT_EQ(ask(ip("10.99.0.7")), "pool 10.99.0.0/24: address 10.99.0.7 is in use already");
    controller->docker_started();
    EXPECT_EQ(ask(ip("10.99.0.7")), "10.99.0.7/24");
    EXPECT_EQ(ask(ip("10.99.0.7")), "pool 10.99.0.0/24: address 10.99.0.7 is in use already");
    EXPECT_EQ(ask(ip("10.98.0.7")),
              "pool 10.99.0.0/24: address 10.98.0.7 is none that the pool 10.99.0.0/24 can give");
}

TEST_F(DockerTest, APoolThatWasLostIsMadeAgainFromItsName) {
    EXPECT_EQ(controller->request_address("10.99.0.0/24,10.99.0.64/26", {}, false)->to_string(),
              "10.99.0.64/24");
    EXPECT_FALSE(controller->request_address("nonsense", {}, false));
}

TEST_F(DockerTest, AddressesOfANetworksEndpointsAreTaken) {
    auto pool = controller->request_pool({prefix("10.88.0.0/24"), {}, false});
    ASSERT_TRUE(pool);
    make_endpoint("net", "own", "/run/netns/a"); // has 10.88.0.2
    EXPECT_EQ(controller->request_address(pool->id, {}, true)->to_string(), "10.88.0.1/24");
    EXPECT_EQ(controller->request_address(pool->id, {}, false)->to_string(), "10.88.0.3/24");
}

} // namespace
