#include "userspace/cni/result.h"

#include <gtest/gtest.h>

#include "tests/unit/cni/configs.h"

namespace cnet::cni {
namespace {

using test::config_of;

Made made() {
    Made made;
    made.interfaces = {{"cngw1", "02:00:00:00:00:01", "", 1500},
                       {"cnet1", "", "", 1500},
                       {"eth0", "02:00:00:00:00:02", "/run/netns/x", 1500}};
    auto lease = parse_lease(
        {{"ips",
          {{{"address", "10.0.0.2/24"}, {"gateway", "10.0.0.1"}}, {{"address", "fd00::2/64"}}}},
         {"routes", {{{"dst", "192.0.2.0/24"}, {"priority", 5}}}},
         {"dns", {{"nameservers", {"10.0.0.1"}}}}});
    CNET_CHECK(lease);
    made.lease = *lease;
    return made;
}

TEST(Result, EachVersionHasItsForm) {
    Config config = config_of({});
    const std::string tail =
        R"("routes":[{"dst":"192.0.2.0/24","priority":5}],"dns":{"nameservers":["10.0.0.1"]}})";
    EXPECT_EQ(
        make_result(config, made()).dump(),
        R"({"cniVersion":"1.0.0","interfaces":[{"name":"cngw1","mac":"02:00:00:00:00:01"},)"
        R"({"name":"cnet1"},{"name":"eth0","mac":"02:00:00:00:00:02","sandbox":"/run/netns/x"}],)"
        R"("ips":[{"interface":2,"address":"10.0.0.2/24","gateway":"10.0.0.1"},)"
        R"({"interface":2,"address":"fd00::2/64"}],)" +
            tail);
    for (const char* version : {"0.3.1", "0.4.0"}) {
        config.version = version;
        const Json result = make_result(config, made());
        EXPECT_EQ(result["ips"][0]["version"], "4");
        EXPECT_EQ(result["ips"][1]["version"], "6");
        EXPECT_FALSE(result["interfaces"][2].contains("mtu"));
    }
    config.version = "1.1.0";
    EXPECT_EQ(make_result(config, made())["interfaces"][2]["mtu"], 1500);
    EXPECT_FALSE(make_result(config, made())["ips"][0].contains("version"));
}

TEST(Result, ComesBehindThePreviousOne) {
    const Config config =
        config_of({{"prevResult",
                    {{"interfaces", {{{"name", "other0"}, {"sandbox", "/run/netns/x"}}}},
                     {"ips", {{{"address", "192.0.2.1/24"}, {"interface", 0}}}},
                     {"routes", {{{"dst", "0.0.0.0/0"}}}},
                     {"dns", {{"domain", "example.org"}}}}}});
    const Json result = make_result(config, made());
    EXPECT_EQ(result["interfaces"][0]["name"], "other0");
    EXPECT_EQ(result["interfaces"][3]["name"], "eth0");
    EXPECT_EQ(result["ips"][0]["interface"], 0);
    EXPECT_EQ(result["ips"][1]["interface"], 3);
    EXPECT_EQ(result["routes"].size(), 2u);
    EXPECT_EQ(result["dns"]["nameservers"][0], "10.0.0.1");
    Made quiet = made();
    quiet.lease.dns = Json::object();
    EXPECT_EQ(make_result(config, quiet)["dns"]["domain"], "example.org");
}

TEST(Result, WhatCheckExpects) {
    Environment environment;
    environment.ifname = "eth0";
    Json result = make_result(config_of({}), made());
    auto expected = expected_inside(result, environment);
    ASSERT_TRUE(expected) << expected.fault().message;
    EXPECT_EQ(expected->mac, "02:00:00:00:00:02");
    EXPECT_EQ(expected->addresses.size(), 2u);
    ASSERT_EQ(expected->routes.size(), 1u);
    EXPECT_EQ(expected->routes[0].gateway.to_string(), "10.0.0.1");
    // By way of another plugin's device: not ours to look for.
    result["routes"][0]["gw"] = "203.0.113.1";
    EXPECT_TRUE(expected_inside(result, environment)->routes.empty());
    environment.ifname = "eth1";
    EXPECT_FALSE(expected_inside(result, environment));
}

TEST(Lease, Refused) {
    EXPECT_FALSE(parse_lease({{"ips", {{{"address", "10.0.0.2"}}}}}));
    EXPECT_FALSE(parse_lease({{"ips", {{{"address", "10.0.0.2/24"}, {"gateway", "x"}}}}}));
    EXPECT_FALSE(parse_lease({{"ips", 5}}));
    EXPECT_FALSE(parse_lease({{"routes", {{{"dst", "all"}}}}}));
    EXPECT_TRUE(parse_lease(Json())->addresses.empty());
}

} // namespace
} // namespace cnet::cni
