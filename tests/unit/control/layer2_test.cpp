// Networks without addresses, endpoints without one, and devices that are left down.
#include "tests/unit/control/world.h"

namespace cnet::test {

namespace {

using control::EndpointSpec;
using control::Mode;
using control::NetworkPatch;
using control::NetworkSpec;

class Layer2Test : public World {
protected:
    static NetworkSpec network_spec() {
        NetworkSpec spec;
        spec.name = "wire";
        spec.layer2 = true;
        return spec;
    }

    control::NetworkView make_wire() {
        auto network = controller->create_network(network_spec());
        EXPECT_TRUE(network) << network.error().message();
        return *network;
    }

    cnet_port port_of(const std::string& device) {
        return tables.contents.port.at(rtnl.find(device)->info.ifindex);
    }

    static bool refused(const auto& answer, const std::string& why) {
        return !answer && answer.error().kind() == ErrorKind::kInvalid &&
               answer.error().message().find(why) != std::string::npos;
    }
};

TEST_F(Layer2Test, ANetworkOfFramesAlone) {
    const auto network = make_wire();
    EXPECT_EQ(network.network.mode, Mode::kIsolated);
    EXPECT_TRUE(network.network.subnets.empty());
    EXPECT_TRUE(rtnl.find("cngw1")->addresses.empty());
    // No pool is spent on it.
    EXPECT_EQ(make_network("web", "10.88.0.0/24").network.id, 2u);
    const auto endpoint = make_endpoint("wire", "app", "/run/netns/a");
    EXPECT_TRUE(endpoint.addresses.empty());
    EXPECT_EQ(endpoint.state, "up");
    EXPECT_EQ(port_of("cnet1").addr4_be, 0u);
    EXPECT_TRUE(rtnl.gateways("/run/netns/a").empty());
    restart();
    expect_settled();
    EXPECT_TRUE(controller->endpoint("app")->addresses.empty());
    EXPECT_TRUE(controller->network("wire")->network.is_layer2());
}

TEST_F(Layer2Test, WhatANetworkWithoutAddressesCannotHave) {
    auto with = [&](auto change) {
        NetworkSpec spec = network_spec();
        change(spec);
        return controller->create_network(spec);
    };
    EXPECT_TRUE(refused(with([](auto& s) { s.subnets = {prefix("10.88.0.0/24")}; }), "no subnet"));
    EXPECT_TRUE(refused(with([](auto& s) { s.gateways = {ip("10.88.0.1")}; }), "gateway"));
    EXPECT_TRUE(refused(with([](auto& s) { s.vni = 7; }), "one host"));
    EXPECT_TRUE(refused(with([](auto& s) { s.mode = Mode::kRouted; }), "isolated"));
    make_wire();
    NetworkPatch patch;
    patch.mode = Mode::kNat;
    EXPECT_TRUE(refused(controller->update_network("wire", patch), "isolated"));
    EndpointSpec spec = endpoint_spec("wire", "app", "/run/netns/a");
    spec.ips = {ip("10.88.0.9")};
    EXPECT_TRUE(refused(controller->create_endpoint(spec), "outside of network"));
}

// What a DHCP server gives it is its own all the same: leases are heard of.
TEST_F(Layer2Test, AnEndpointWithoutAnAddressAmongOthers) {
    make_network("web", "10.88.0.0/24");
    EndpointSpec spec = endpoint_spec("web", "app", "/run/netns/a");
    spec.layer2 = true;
    const auto endpoint = controller->create_endpoint(spec);
    ASSERT_TRUE(endpoint) << endpoint.error().message();
    EXPECT_TRUE(endpoint->addresses.empty());
    EXPECT_TRUE(port_of("cnet1").flags & CNET_PORT_CHECK_SOURCE);
    EXPECT_TRUE(rtnl.gateways("/run/netns/a").empty());
    EXPECT_TRUE(refused(controller->publish("app", "8080:80"), "no address"));
    spec.name = "other";
    spec.netns = "/run/netns/b";
    spec.ips = {ip("10.88.0.9")};
    EXPECT_TRUE(refused(controller->create_endpoint(spec), "no address (layer2)"));
    restart();
    expect_settled();
}

TEST_F(Layer2Test, ADeviceThatIsLeftDown) {
    make_wire();
    EndpointSpec spec = endpoint_spec("wire", "vm", "/run/netns/a");
    spec.disabled = true;
    const auto endpoint = controller->create_endpoint(spec);
    ASSERT_TRUE(endpoint) << endpoint.error().message();
    EXPECT_TRUE(endpoint->disabled);
    EXPECT_EQ(endpoint->state, "up");
    auto is_up = [&] { return rtnl.find("eth0", "/run/netns/a")->info.up; };
    EXPECT_FALSE(is_up());
    restart();
    expect_settled();
    EXPECT_TRUE(controller->endpoint("vm")->disabled);
    // Made anew, it is as it was.
    ASSERT_TRUE(rtnl.delete_link("cnet1"));
    ASSERT_TRUE(controller->reconcile());
    EXPECT_FALSE(is_up());
    make_network("web", "10.88.0.0/24");
    spec.name = "app";
    spec.network = "web";
    spec.netns = "/run/netns/b";
    EXPECT_TRUE(refused(controller->create_endpoint(spec), "has no address (layer2)"));
}

} // namespace

} // namespace cnet::test
