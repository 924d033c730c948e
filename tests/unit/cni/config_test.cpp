#include "userspace/cni/config.h"

#include <gtest/gtest.h>

#include "tests/unit/cni/configs.h"

namespace cnet::cni {
namespace {

using test::config_of;
using test::parse_with;

TEST(Config, WithoutIpamItIsAWholeNetwork) {
    const Config config = config_of({});
    EXPECT_EQ(config.network, "net");
    EXPECT_FALSE(config.delegates());
    EXPECT_TRUE(config.wants_gateway() && config.wants_masquerade() && config.is_default_gateway);
    EXPECT_FALSE(config_of({{"isGateway", false}}).wants_gateway());
    EXPECT_FALSE(config_of({{"ipMasq", false}}).wants_masquerade());
    EXPECT_FALSE(config_of({{"ipam", {{"type", "cnet"}}}}).delegates());
}

TEST(Config, WithAnotherIpamTheDefaultsAreTheBridgePlugins) {
    const Json ipam = {{"type", "static"}};
    const Config config = config_of({{"ipam", ipam}, {"bridge", "cni0"}});
    EXPECT_EQ(config.network, "cni0");
    EXPECT_EQ(config.ipam_type, "static");
    EXPECT_FALSE(config.wants_gateway() || config.wants_masquerade() || config.is_default_gateway);
    EXPECT_TRUE(config_of({{"ipam", ipam}, {"isDefaultGateway", true}}).wants_gateway());
}

// What podman 4.3.1 sends.
TEST(Config, Podman) {
    auto config = parse_config(
        R"({"bridge":"cnet0","capabilities":{"aliases":true,"bandwidth":true,"dns":true,"ips":true,
        "mac":true,"portMappings":true},"cniVersion":"1.0.0","hairpinMode":true,"ipMasq":true,
        "ipam":{"ranges":[[{"subnet":"10.77.0.0/24"}]],"type":"host-local"},"isGateway":true,
        "name":"cnet","runtimeConfig":{"aliases":{"cnet":["web","0c1172003d79"]},"portMappings":[
        {"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"127.0.0.1"},
        {"hostPort":9000,"containerPort":90,"protocol":"udp"}]},"type":"cnet"})",
        {{"10.77.0.5"}, "02:00:00:00:00:01", "web"});
    ASSERT_TRUE(config) << config.fault().message;
    EXPECT_EQ(config->network, "cnet0");
    EXPECT_EQ(config->mac, "02:00:00:00:00:01");
    EXPECT_TRUE(config->ips.empty()) << "the address is host-local's to read";
    ASSERT_EQ(config->subnets.size(), 1u);
    EXPECT_EQ(config->subnets[0].prefix.to_string(), "10.77.0.0/24");
    const std::vector<PortMapping> ports = {{8080, 80, "tcp", "127.0.0.1"}, {9000, 90, "udp", ""}};
    EXPECT_EQ(config->ports, ports);
    EXPECT_EQ(config->aliases, (std::vector<std::string>{"web", "0c1172003d79"}));
}

// What cannot be a name keeps no container from its network.
TEST(Config, AliasesAreAListOrPodmansObject) {
    EXPECT_EQ(config_of({{"runtimeConfig", {{"aliases", {"a", "a.b", "c", "a", ""}}}}}).aliases,
              (std::vector<std::string>{"a", "c"}));
    EXPECT_TRUE(config_of({{"runtimeConfig", {{"aliases", {{"other", {"a"}}}}}}}).aliases.empty());
    EXPECT_EQ(parse_with({{"runtimeConfig", {{"aliases", "a"}}}}).fault().code, Code::kDecode);
}

TEST(Config, BandwidthOfTheRuntimeOrItsOwn) {
    const Json own = {{"ingressRate", 1000}, {"ingressBurst", 20000}};
    EXPECT_EQ(config_of(own).ingress, (RateLimit{1000, 20000}));
    EXPECT_FALSE(config_of(own).egress);
    Json both = own;
    both["runtimeConfig"] = {
        {"bandwidth", {{"ingressRate", 5000000000}, {"egressRate", 7}, {"egressBurst", 9}}}};
    EXPECT_EQ(config_of(both).ingress, (RateLimit{5'000'000'000, 20000}));
    EXPECT_EQ(config_of(both).egress, (RateLimit{7, 9}));
}

TEST(Config, TheRuntimesMacWins) {
    const ExtraArguments arguments{{}, "02:00:00:00:00:01", ""};
    const Json args = {{"args", {{"cni", {{"mac", "02:00:00:00:00:02"}}}}}};
    Json both = args;
    both["runtimeConfig"] = {{"mac", "02:00:00:00:00:03"}};
    EXPECT_EQ(parse_with({}, arguments)->mac, "02:00:00:00:00:01");
    EXPECT_EQ(parse_with(args, arguments)->mac, "02:00:00:00:00:02");
    EXPECT_EQ(parse_with(both, arguments)->mac, "02:00:00:00:00:03");
}

TEST(Config, AddressesAddUp) {
    const ExtraArguments arguments{{"10.0.0.2"}, {}, {}};
    auto config = parse_with({{"args", {{"cni", {{"ips", {"10.0.0.2/24", "fd00::2"}}}}}},
                              {"runtimeConfig", {{"ips", {"10.0.0.3/24"}}}}},
                             arguments);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->ips, (std::vector<std::string>{"10.0.0.2", "fd00::2", "10.0.0.3"}));
}

TEST(Config, DnsIsTheRuntimesBeforeTheConfigurations) {
    Json keys = {{"dns", {{"nameservers", {"192.0.2.1"}}, {"domain", "example.org"}}}};
    EXPECT_EQ(config_of(keys).dns.dump(),
              R"({"nameservers":["192.0.2.1"],"domain":"example.org"})");
    keys["runtimeConfig"] = {{"dns", {{"servers", {"192.0.2.2"}}, {"options", {"ndots:5"}}}}};
    EXPECT_EQ(config_of(keys).dns.dump(), R"({"nameservers":["192.0.2.2"],"options":["ndots:5"]})");
}

TEST(Config, SubnetsAreMaskedAndGatewaysKept) {
    const Config config = config_of(
        {{"ipam",
          {{"subnet", "10.0.0.7/24"}, {"gateway", "10.0.0.9"}, {"ipRange", "10.0.0.128/25"}}},
         {"runtimeConfig",
          {{"ipRanges", Json::array({Json::array({{{"subnet", "fd00::/64"}}})})}}}});
    ASSERT_EQ(config.subnets.size(), 2u);
    EXPECT_EQ(config.subnets[0].prefix.to_string(), "10.0.0.0/24");
    EXPECT_EQ(config.subnets[0].gateway->to_string(), "10.0.0.9");
    EXPECT_EQ(config.subnets[1].prefix.to_string(), "fd00::/64");
    EXPECT_EQ(config.ip_range->to_string(), "10.0.0.128/25");
}

TEST(Config, PoliciesTurnIccOff) {
    EXPECT_TRUE(config_of({{"ingressPolicy", "open"}}).icc);
    EXPECT_TRUE(config_of({{"ingressPolicy", "same-bridge"}}).icc);
    EXPECT_FALSE(config_of({{"ingressPolicy", "isolated"}}).icc);
    EXPECT_FALSE(config_of({{"portIsolation", true}}).icc);
}

TEST(Config, AVlanOfABridgeIsANetwork) {
    EXPECT_EQ(config_of({{"bridge", "cni0"}, {"vlan", 5}}).network, "cni0.5");
    EXPECT_EQ(config_of({{"vlan", 4094}}).network, "net.4094");
    // What a bridge's ports are in without it.
    EXPECT_EQ(config_of({{"bridge", "cni0"}, {"vlan", 1}}).network, "cni0");
    EXPECT_EQ(config_of({{"bridge", "cni0"}, {"vlan", 0}}).network, "cni0");
}

TEST(Config, AnEmptyIpamIsLayer2) {
    const Json none = {{"ipam", Json::object()}};
    EXPECT_TRUE(config_of(none).layer2);
    EXPECT_TRUE(config_of({{"ipam", {{"type", ""}}}}).layer2);
    EXPECT_FALSE(config_of(none).delegates() || config_of(none).wants_gateway());
    EXPECT_FALSE(config_of({}).layer2);
    EXPECT_FALSE(config_of({{"ipam", {{"subnet", "10.0.0.0/24"}}}}).layer2);
    const Config disabled = config_of({{"disableContainerInterface", true}});
    EXPECT_TRUE(disabled.layer2 && disabled.disabled);
}

TEST(Config, GcsListIsToldFromNone) {
    EXPECT_FALSE(config_of({}).valid);
    const Config config = config_of(
        {{"cni.dev/valid-attachments", Json::array({{{"containerID", "a"}, {"ifname", "eth0"}}})}});
    ASSERT_TRUE(config.valid);
    ASSERT_EQ(config.valid->size(), 1u);
    EXPECT_EQ(config.valid->front().container_id, "a");
    EXPECT_TRUE(config_of({{"cni.dev/valid-attachments", Json::array()}}).valid);
}

TEST(Config, KeysOfOthersAndWhatWeDoAnywayAreTaken) {
    EXPECT_TRUE(parse_with({{"hairpinMode", true},
                            {"forceAddress", true},
                            {"macspoofchk", true},
                            {"promiscMode", false},
                            {"vlan", 0},
                            {"vlanTrunk", Json::array()},
                            {"enabledad", true},
                            {"ipMasqBackend", "nftables"},
                            {"color", "red"},
                            {"runtimeConfig", {{"bandwidth", {{"ingressRate", 0}}}}}}));
}

struct Refused {
    Json keys;
    Code code;
};

TEST(Config, Refused) {
    const std::vector<Refused> all = {
        {{{"cniVersion", ""}}, Code::kVersion},
        {{{"cniVersion", "0.3.0"}}, Code::kVersion},
        {{{"cniVersion", 1}}, Code::kVersion},
        {{{"name", ""}}, Code::kConfig},
        {{{"name", 5}}, Code::kDecode},
        {{{"mtu", "big"}}, Code::kDecode},
        {{{"mtu", 70000}}, Code::kConfig},
        {{{"ipam", "host-local"}}, Code::kDecode},
        {{{"ipam", {{"type", "dhcp"}}},
          {"runtimeConfig",
           {{"portMappings", Json::array({{{"hostPort", 80}, {"containerPort", 80}}})}}}},
         Code::kUnsupportedField},
        {{{"ipam", {{"subnet", "10.0.0.0"}}}}, Code::kConfig},
        {{{"ipam", {{"ranges", {"10.0.0.0/24"}}}}}, Code::kDecode},
        {{{"vlan", 4095}}, Code::kConfig},
        {{{"vlan", -1}}, Code::kConfig},
        {{{"vlanTrunk", Json::array({{{"id", 5}}})}}, Code::kUnsupportedField},
        {{{"ingressPolicy", "closed"}}, Code::kConfig},
        {{{"runtimeConfig", {{"mac", "no"}}}}, Code::kConfig},
        {{{"runtimeConfig", {{"ips", {"no"}}}}}, Code::kConfig},
        {{{"runtimeConfig", {{"ips", {5}}}}}, Code::kDecode},
        {{{"runtimeConfig", {{"portMappings", 5}}}}, Code::kDecode},
        {{{"runtimeConfig", {{"portMappings", Json::array({{{"hostPort", 80}}})}}}}, Code::kConfig},
        {{{"runtimeConfig", {{"bandwidth", {{"egressBurst", 1}}}}}}, Code::kConfig},
        {{{"runtimeConfig", {{"bandwidth", {{"egressRate", -1}}}}}}, Code::kConfig},
        {{{"ingressRate", 1000}}, Code::kConfig},
        {{{"disableContainerInterface", true}, {"ipam", {{"type", "static"}}}}, Code::kConfig},
        {{{"disableContainerInterface", true}, {"ipam", {{"type", "cnet"}}}}, Code::kConfig},
        {{{"ipam", Json::object()}, {"macspoofchk", true}}, Code::kUnsupportedField},
        {{{"ipam", Json::object()}, {"runtimeConfig", {{"ips", {"10.0.0.2"}}}}},
         Code::kUnsupportedField},
        {{{"ipam", Json::object()},
          {"runtimeConfig",
           {{"portMappings", Json::array({{{"hostPort", 80}, {"containerPort", 80}}})}}}},
         Code::kUnsupportedField},
    };
    for (const Refused& one : all) {
        auto config = parse_with(one.keys);
        ASSERT_FALSE(config) << one.keys.dump();
        EXPECT_EQ(config.fault().code, one.code) << one.keys.dump() << config.fault().message;
        EXPECT_FALSE(config.fault().message.empty());
    }
}

TEST(Config, Versions) {
    EXPECT_TRUE(version_at_least("1.0.0", "0.4.0"));
    EXPECT_TRUE(version_at_least("0.3.1", "0.3.1"));
    EXPECT_FALSE(version_at_least("0.3.1", "0.4.0"));
    EXPECT_FALSE(version_at_least("9.9.9", "0.3.1"));
}

} // namespace
} // namespace cnet::cni
