#include "userspace/cluster/records.h"

#include <gtest/gtest.h>

#include "tests/unit/cluster/member_world.h"

namespace cnet::cluster {
namespace {

using test::ip;
using test::mac;

TEST(Records, ANetworkComesBackWhole) {
    control::Network network = test::network_of("web", 4096);
    network.subnets[0].ip_range = *IpPrefix::parse("10.99.0.32/27");
    network.subnets.push_back({*IpPrefix::parse("fd00::/64"), ip("fd00::1"), {}});
    network.mtu = 1400;
    network.mtu_derived = false;
    network.mode = control::Mode::kRouted;
    network.internal = true;
    network.icc = false;
    network.masquerade = false;
    network.peer_learning = false;
    network.nat = control::Nat::kEndpointIndependent;
    network.learning = true;
    network.allow_spoofing = true;
    network.ageing_s = 7;
    network.mac_limit = 9;
    network.flood_limit = 11;
    network.names = false;
    auto back = decode_network(encode(network));
    ASSERT_TRUE(back) << back.error().message();
    back->name = network.name; // the key says it
    EXPECT_EQ(*back, network);
}

TEST(Records, AnMtuThatFollowsTheUnderlayIsEachHostsOwn) {
    auto back = decode_network(encode(test::network_of("web", 4096)));
    ASSERT_TRUE(back);
    EXPECT_TRUE(back->mtu_derived);
}

TEST(Records, APoolComesBack) {
    const control::Network pods = test::pool_of("pods", 7);
    auto back = decode_network(encode(pods));
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(back->pool, pods.pool);
    EXPECT_TRUE(back->subnets.empty());
}

TEST(Records, TheOthersComeBackToo) {
    const HostRecord host{"id", {ip("192.0.2.1"), ip("2001:db8::1")}};
    EXPECT_EQ(*decode_host(encode(host)), host);
    const Claim claim{"a", "web"};
    EXPECT_EQ(*decode_claim(encode(claim)), claim);
    const EndpointRecord endpoint{mac("02:00:00:00:00:01"), {ip("10.99.0.2")}, {"www", "db"}};
    EXPECT_EQ(*decode_endpoint(encode(endpoint)), endpoint);
    const SubnetRecord subnet{"a", ip("192.0.2.1"), mac("0a:58:0a:f4:01:00")};
    EXPECT_EQ(*decode_subnet_record(encode(subnet)), subnet);
    const EndpointRecord ports{};
    EXPECT_EQ(*decode_endpoint(encode(ports)), ports);
}

TEST(Records, ALaterVersionMayAddKeys) {
    auto network = decode_network(
        R"({"v":1,"vni":7,"subnets":[{"prefix":"10.0.0.0/24","gateway":"10.0.0.1","zone":"x"}],"new":[1]})");
    ASSERT_TRUE(network) << network.error().message();
    EXPECT_EQ(network->vni, 7u);
}

TEST(Records, WhatMakesNoSenseIsRefused) {
    for (
        const char* text :
        {"", "x", "[]", "{}", R"({"v":2,"vni":7})", R"({"v":1})", R"({"v":1,"vni":"7"})",
         R"({"v":1,"vni":0,"subnets":[{"prefix":"10.0.0.0/24","gateway":"10.0.0.1"}]})",
         R"({"v":1,"vni":16777216,"subnets":[{"prefix":"10.0.0.0/24","gateway":"10.0.0.1"}]})",
         R"({"v":1,"vni":7,"subnets":[]})", R"({"v":1,"vni":7,"subnets":["10.0.0.0/24"]})",
         R"({"v":1,"vni":7,"subnets":[{"prefix":"10.0.0.0/24","gateway":"10.0.1.1"}]})",
         R"({"v":1,"vni":7,"subnets":[{"prefix":"10.0.0.0/24","gateway":"10.0.0.1","ip_range":"10.1.0.0/24"}]})",
         R"({"v":1,"vni":7,"mode":"odd","subnets":[{"prefix":"10.0.0.0/24","gateway":"10.0.0.1"}]})",
         R"({"v":1,"vni":7,"icc":1,"subnets":[{"prefix":"10.0.0.0/24","gateway":"10.0.0.1"}]})"})
        EXPECT_FALSE(decode_network(text)) << text;
    for (
        const char* text :
        {R"({"v":1,"vni":7,"pool":"10.244.0.0/16"})", R"({"v":1,"vni":7,"host_prefix":24})",
         R"({"v":1,"vni":7,"pool":"10.244.0.0/16","host_prefix":16})",
         R"({"v":1,"vni":7,"pool":"10.244.0.0/16","host_prefix":31})",
         R"({"v":1,"vni":7,"pool":"10.244.1.0/16","host_prefix":24})",
         R"({"v":1,"vni":7,"pool":"fd00::/16","host_prefix":24})",
         R"({"v":1,"vni":7,"pool":"10.244.0.0/16","host_prefix":24,"subnets":[{"prefix":"10.0.0.0/24","gateway":"10.0.0.1"}]})"})
        EXPECT_FALSE(decode_network(text)) << text;
    for (const char* text : {R"({"v":1,"vtep":"192.0.2.1","mac":"02:00:00:00:00:01"})",
                             R"({"v":1,"host":"a","mac":"02:00:00:00:00:01"})",
                             R"({"v":1,"host":"a","vtep":"192.0.2.1"})",
                             R"({"v":1,"host":"a","vtep":"2001:db8::1","mac":"02:00:00:00:00:01"})",
                             R"({"v":1,"host":"a","vtep":"192.0.2.1","mac":"03:00:00:00:00:01"})"})
        EXPECT_FALSE(decode_subnet_record(text)) << text;
    EXPECT_FALSE(decode_endpoint(R"({"v":1,"mac":"01:00:5e:00:00:01"})"));
    EXPECT_FALSE(decode_endpoint(R"({"v":1,"addresses":["x"]})"));
    EXPECT_FALSE(decode_host(R"({"v":1,"vteps":[1]})"));
    EXPECT_FALSE(decode_claim(R"({"v":1,"host":1})"));
}

} // namespace
} // namespace cnet::cluster
