// What is adopted, by what Docker 20.10 and iptables-save said on a host with three networks.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "userspace/docker/adopt_picture.h"
#include "userspace/docker/adopt_rules.h"

namespace cnet::test {
namespace {

using docker::Rules;
using Json = nlohmann::json;

const std::string kFront = "br-5d86485fc4b3";
const std::string kBack = "br-fb69ed9e9be5";
const std::string kNoIcc = "br-dceee5f33a57";

const std::string kFilter = R"(*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o br-dceee5f33a57 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o br-dceee5f33a57 -j DOCKER
-A FORWARD -i br-dceee5f33a57 ! -o br-dceee5f33a57 -j ACCEPT
-A FORWARD -i br-fb69ed9e9be5 -o br-fb69ed9e9be5 -j ACCEPT
-A FORWARD -o br-5d86485fc4b3 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o br-5d86485fc4b3 -j DOCKER
-A FORWARD -i br-5d86485fc4b3 ! -o br-5d86485fc4b3 -j ACCEPT
-A FORWARD -i br-5d86485fc4b3 -o br-5d86485fc4b3 -j ACCEPT
-A FORWARD -i br-dceee5f33a57 -o br-dceee5f33a57 -j DROP
-A DOCKER -d 172.18.0.2/32 ! -i br-5d86485fc4b3 -o br-5d86485fc4b3 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i br-dceee5f33a57 ! -o br-dceee5f33a57 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 ! -s 172.19.0.0/16 -o br-fb69ed9e9be5 -j DROP
-A DOCKER-ISOLATION-STAGE-1 ! -d 172.19.0.0/16 -i br-fb69ed9e9be5 -j DROP
-A DOCKER-ISOLATION-STAGE-1 -i br-5d86485fc4b3 ! -o br-5d86485fc4b3 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o br-dceee5f33a57 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -o br-5d86485fc4b3 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
)";

std::string with_rule_for_users(const std::string& rule) {
    std::string text = kFilter;
    const std::string before = "-A DOCKER-USER -j RETURN";
    return text.insert(text.find(before), "-A DOCKER-USER " + rule + "\n");
}

std::string refusal(const std::string& text, const std::string& bridge = kFront) {
    return Rules::parse(text).refusal(bridge);
}

TEST(AdoptRules, WhatDockerMakes) {
    const Rules rules = Rules::parse(kFilter);
    EXPECT_TRUE(rules.are_dockers());
    EXPECT_EQ(rules.refusal(kFront), "");
    EXPECT_EQ(rules.refusal(kBack),
              "filter: -A DOCKER-ISOLATION-STAGE-1 ! -s 172.19.0.0/16 -o br-fb69ed9e9be5 -j DROP");
    EXPECT_EQ(rules.refusal(kNoIcc),
              "filter: -A FORWARD -i br-dceee5f33a57 -o br-dceee5f33a57 -j DROP");
    EXPECT_EQ(rules.refusal("br0"), "filter: the policy of FORWARD is DROP");
}

TEST(AdoptRules, NoneAtAll) {
    EXPECT_FALSE(Rules::parse("").are_dockers());
    EXPECT_EQ(refusal(""), "");
    EXPECT_EQ(refusal("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"), "");
}

TEST(AdoptRules, RulesOfUsers) {
    for (const char* harmless :
         {"-s 192.0.2.1/32 -j LOG --log-prefix \"a -j DROP\"", "-i eth0 -j DROP", "-o eth+ -j DROP",
          "! -i br-5d86485fc4b3 -j DROP", "-s 10.0.0.0/8 -j ACCEPT", "-p tcp -m tcp --dport 80"})
        EXPECT_EQ(refusal(with_rule_for_users(harmless)), "") << harmless;
    for (const char* refusing :
         {"-s 192.0.2.1/32 -j DROP", "-j REJECT --reject-with icmp-port-unreachable",
          "-i br-+ -j DROP", "! -i eth0 -j DROP", "-p udp -j NFQUEUE --queue-num 1",
          "-m comment --comment \"two words\" -j DROP"})
        EXPECT_EQ(refusal(with_rule_for_users(refusing)),
                  std::string("filter: -A DOCKER-USER ") + refusing);
    // All of it is accepted before anybody can refuse it.
    EXPECT_EQ(refusal(with_rule_for_users("-i br-+ -j ACCEPT\n-A DOCKER-USER -j DROP")), "");
}

TEST(AdoptRules, ChainsThatAreLeftEarly) {
    const std::string tables = "*filter\n:FORWARD DROP [0:0]\n:ours - [0:0]\n";
    // Some of it comes back without having been accepted.
    EXPECT_NE(refusal(tables + "-A FORWARD -j ours\n-A ours -p tcp -j RETURN\n-A ours -j ACCEPT\n"),
              "");
    EXPECT_EQ(refusal(tables + "-A FORWARD -j ours\n-A ours -p tcp -j ACCEPT\n-A ours -j ACCEPT\n"),
              "");
    // Not what is behind the jump, but the policy.
    EXPECT_NE(refusal(tables + "-A FORWARD -g ours\n-A FORWARD -j ACCEPT\n-A ours -j RETURN\n"),
              "");
    EXPECT_NE(refusal(tables + "-A FORWARD -j ours\n-A ours -j ours\n"), "");
}

TEST(AdoptRules, OtherTables) {
    EXPECT_EQ(refusal("*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 172.18.0.2/32 ! -i "
                      "br-5d86485fc4b3 -j DROP\nCOMMIT\n"),
              "");
    EXPECT_EQ(refusal("*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 172.18.0.9/32 -j DROP\n"),
              "raw: -A PREROUTING -s 172.18.0.9/32 -j DROP");
}

Json network(const std::string& name, const std::string& id, const Json& options) {
    return {{"Name", name},       {"Id", id},          {"Driver", "bridge"},
            {"Options", options}, {"Internal", false}, {"ConfigOnly", false},
            {"Scope", "local"}};
}

class AdoptPicture : public ::testing::Test {
protected:
    control::DockerPicture picture() const {
        auto made = docker::picture_of(answers);
        EXPECT_TRUE(made) << made.error().message();
        return made ? *made : control::DockerPicture();
    }
    std::vector<control::AdoptedBridge> bridges() const { return picture().bridges; }
    control::AdoptedBridge only(const Json& one) {
        answers.networks = Json::array({one}).dump();
        const auto all = bridges();
        EXPECT_EQ(all.size(), 1u);
        return all.empty() ? control::AdoptedBridge() : all[0];
    }

    const std::string id = "5d86485fc4b3e8cb7d411c92357a8002c25c6a63c7fdb8405f5bc0b0c4e74dd0";
    docker::Answers answers{"[]", "[]", R"({"ServerVersion": "20.10.24+dfsg1"})", "", "", ""};
};

TEST_F(AdoptPicture, NamesOfBridges) {
    EXPECT_EQ(only(network("front", id, {})).bridge, kFront);
    const Json options = {{"com.docker.network.bridge.name", "docker0"}};
    const auto named = only(network("bridge", id, options));
    EXPECT_EQ(named.bridge, "docker0");
    EXPECT_EQ(named.docker->id, id);
    EXPECT_EQ(named.docker->network, "bridge");
}

TEST_F(AdoptPicture, OtherDriversAndOverlaysAreNotThere) {
    Json list = Json::array();
    for (const char* driver : {"host", "null", "overlay", "cnet"}) {
        list.push_back(network(driver, id, nullptr));
        list.back()["Driver"] = driver;
    }
    list.push_back(
        network("docker_gwbridge", id, {{"com.docker.network.bridge.name", "docker_gwbridge"}}));
    list.push_back(network("template", id, {}));
    list.back()["ConfigOnly"] = true;
    answers.networks = list.dump();
    EXPECT_TRUE(bridges().empty());
}

TEST_F(AdoptPicture, WhatIsOursWhereDockerHasNoRules) {
    EXPECT_TRUE(only(network("a", id, {})).masquerade);
    const std::string option = "com.docker.network.bridge.";
    Json internal = network("a", id, {});
    internal["Internal"] = true;
    EXPECT_FALSE(only(internal).masquerade);
    EXPECT_TRUE(only(internal).internal);
    EXPECT_FALSE(only(network("a", id, {})).internal);
    EXPECT_TRUE(only(network("a", id, {})).icc);
    EXPECT_FALSE(only(network("a", id, {{option + "enable_icc", "false"}})).icc);
    answers.rules6 = kFilter;
    EXPECT_FALSE(only(network("a", id, {})).masquerade);
    EXPECT_FALSE(only(internal).internal);
}

TEST_F(AdoptPicture, WaysOutOfTheHost) {
    using control::Gateway;
    const std::string option = "com.docker.network.bridge.";
    auto modes = [&](const std::string& name, const Json& options) {
        const auto made = only(network(name, id, options));
        EXPECT_TRUE(made.masquerade);
        return std::pair(made.outside4.gateway, made.outside6.gateway);
    };
    EXPECT_EQ(modes("a", {}), std::pair(Gateway::kNat, Gateway::kNat));
    const Json kept = {{option + "enable_ip_masquerade", "false"}};
    EXPECT_EQ(modes("a", kept), std::pair(Gateway::kKept, Gateway::kKept));
    Json bare = kept;
    bare[option + "gateway_mode_ipv4"] = "nat-unprotected";
    EXPECT_EQ(modes("a", bare), std::pair(Gateway::kKeptUnprotected, Gateway::kKept));
    Json is_default = kept;
    is_default[option + "default_bridge"] = "true";
    EXPECT_EQ(modes("bridge", is_default), std::pair(Gateway::kNat, Gateway::kNat));
    EXPECT_EQ(modes("a", {{option + "gateway_mode_ipv4", "nat-unprotected"},
                          {option + "gateway_mode_ipv6", "routed"}}),
              std::pair(Gateway::kUnprotected, Gateway::kRouted));
    EXPECT_EQ(modes("a", {{option + "gateway_mode_ipv4", "isolated"}}).first, Gateway::kNat);
    // Ours to say, not Docker's.
    EXPECT_FALSE(only(network("a", id, {{option + "gateway_mode_ipv4", "kept-unprotected"}}))
                     .docker->left.empty());
    const auto unknown = only(network("a", id, {{option + "gateway_mode_ipv6", "teleported"}}));
    EXPECT_EQ(unknown.docker->left, "nobody knows its gateway_mode");
}

TEST_F(AdoptPicture, SourcesOfMasquerade) {
    const auto both = only(network("a", id,
                                   {{"com.docker.network.host_ipv4", "192.0.2.7"},
                                    {"com.docker.network.host_ipv6", "2001:db8::7"}}));
    EXPECT_EQ(both.outside4.snat, *IpAddress::parse("192.0.2.7"));
    EXPECT_EQ(both.outside6.snat, *IpAddress::parse("2001:db8::7"));
    const auto wrong = only(network("a", id, {{"com.docker.network.host_ipv4", "2001:db8::7"}}));
    EXPECT_EQ(wrong.outside4.snat, std::nullopt);
}

TEST_F(AdoptPicture, DevicesThatAreTrusted) {
    const Json options = {{"com.docker.network.bridge.trusted_host_interfaces", "eth1::vpn0"}};
    EXPECT_EQ(only(network("a", id, options)).trusted, (std::vector<std::string>{"eth1", "vpn0"}));
    answers.rules4 = kFilter;
    EXPECT_TRUE(only(network("a", id, options)).trusted.empty());
}

TEST_F(AdoptPicture, WhatIsLeft) {
    EXPECT_EQ(only(network("a", id, {})).docker->left, "");
    const Json icc = {{"com.docker.network.bridge.enable_icc", "false"}};
    EXPECT_EQ(only(network("a", id, icc)).docker->left, "");
    answers.rules4 = kFilter;
    EXPECT_NE(only(network("a", id, icc)).docker->left.find("icc is off"), std::string::npos);
    EXPECT_TRUE(only(network("a", id, icc)).icc);
    answers.rules4 = with_rule_for_users("-p udp -j DROP");
    const auto filtered = only(network("a", id, {}));
    EXPECT_EQ(filtered.docker->left, "");
    EXPECT_NE(filtered.docker->filtered.find("-A DOCKER-USER -p udp -j DROP"), std::string::npos);
}

TEST_F(AdoptPicture, RulesThatNobodyReadsAreRules) {
    answers.info = R"({"FirewallBackend": {"Driver": "nftables+firewalld", "Info": []}})";
    EXPECT_FALSE(only(network("a", id, {})).masquerade);
    EXPECT_NE(only(network("a", id, {})).docker->filtered, "");
    answers.info = R"({"FirewallBackend": {"Driver": "iptables"}})";
    EXPECT_TRUE(only(network("a", id, {})).masquerade);
    answers.unknown = "iptables-save fails";
    EXPECT_FALSE(only(network("a", id, {})).masquerade);
    EXPECT_NE(only(network("a", id, {})).docker->filtered.find("iptables-save fails"),
              std::string::npos);
    answers.unknown = {};
    answers.chains = Error(ErrorKind::kSystem, "no chains");
    EXPECT_NE(only(network("a", id, {})).docker->filtered.find("no chains"), std::string::npos);
    EXPECT_TRUE(only(network("a", id, {})).masquerade) << "whose they are is not in question";
}

Json attachment(const std::string& id, const std::string& address,
                const std::string& address6 = "") {
    return {{"NetworkID", id}, {"IPAddress", address}, {"GlobalIPv6Address", address6}};
}

Json container(const Json& networks, const Json& ports) {
    return {{"NetworkSettings", {{"Networks", networks}}}, {"Ports", ports}};
}

class AdoptPorts : public AdoptPicture {
protected:
    void SetUp() override {
        answers.networks =
            Json::array({network("front", "f1", {}), network("back", "b1", {})}).dump();
    }
    std::vector<control::DockerPort> ports(const Json& one) {
        answers.containers = Json::array({one}).dump();
        return picture().ports;
    }
    static control::DockerPort port(const std::string& bridge, const std::string& address,
                                    const std::string& host_ip, cnet_l4 l4 = CNET_L4_TCP) {
        return {bridge, *IpAddress::parse(address), *IpAddress::parse(host_ip), 8080, 80, l4};
    }
    static Json published(const std::string& ip, const std::string& type = "tcp") {
        return {{"IP", ip}, {"PrivatePort", 80}, {"PublicPort", 8080}, {"Type", type}};
    }
    static Json list(const std::vector<Json>& elements) { return Json(elements); }
    static Json networks(const std::vector<std::pair<std::string, Json>>& all) {
        Json made = Json::object();
        for (const auto& [name, value] : all)
            made[name] = value;
        return made;
    }
};

TEST_F(AdoptPorts, OfTheFamiliesThatTheContainerHas) {
    const Json both = list({published("0.0.0.0"), published("::")});
    EXPECT_EQ(ports(container(networks({{"front", attachment("f1", "172.18.0.2")}}), both)),
              std::vector{port("br-f1", "172.18.0.2", "0.0.0.0")});
    const auto dual =
        ports(container(networks({{"front", attachment("f1", "172.18.0.2", "fd00::2")}}), both));
    ASSERT_EQ(dual.size(), 2u);
    EXPECT_EQ(dual[1], port("br-f1", "fd00::2", "::"));
}

TEST_F(AdoptPorts, OnTheNetworkThatIsTheWayOut) {
    const Json one = list({published("127.0.0.1", "udp")});
    Json all = networks({{"front", attachment("f1", "172.18.0.2")},
                         {"back", attachment("b1", "172.19.0.2")},
                         {"another", attachment("x1", "172.20.0.2")}});
    EXPECT_EQ(ports(container(all, one)),
              std::vector{port("br-b1", "172.19.0.2", "127.0.0.1", CNET_L4_UDP)});
    all["front"]["GwPriority"] = 7;
    EXPECT_EQ(ports(container(all, one)),
              std::vector{port("br-f1", "172.18.0.2", "127.0.0.1", CNET_L4_UDP)});
}

// As a Docker says it that knows of routed networks, and as an older one does; once, however many
// ports of the host it is.
TEST_F(AdoptPorts, OfTheContainersAddressWhereTheFamilyIsRouted) {
    answers.networks =
        Json::array(
            {network("front", "f1", {{"com.docker.network.bridge.gateway_mode_ipv6", "routed"}})})
            .dump();
    const Json front = networks({{"front", attachment("f1", "172.18.0.2", "fd00::2")}});
    control::DockerPort direct = port("br-f1", "fd00::2", "::");
    direct.host_port = direct.port;
    const std::vector both{port("br-f1", "172.18.0.2", "0.0.0.0"), direct};
    const Json exposed = {{"PrivatePort", 81}, {"Type", "tcp"}};
    const Json newer = {{"IP", "2001:db8::1"}, {"PrivatePort", 80}, {"Type", "tcp"}};
    EXPECT_EQ(ports(container(front, list({published("0.0.0.0"), newer, exposed}))), both);
    Json again = published("::");
    again["PublicPort"] = 9090;
    EXPECT_EQ(ports(container(front, list({published("0.0.0.0"), published("::"), again}))), both);
}

// Docker 27 to 29: its list has none of them.
TEST_F(AdoptPorts, OfARoutedNetworkByEachContainersPage) {
    answers.networks =
        Json::array(
            {network("front", "f1", {{"com.docker.network.bridge.gateway_mode_ipv4", "routed"}}),
             network("back", "b1", {})})
            .dump();
    Json one = container(networks({{"front", attachment("f1", "172.18.0.2")}}), list({}));
    one["Id"] = "c1";
    Json other = container(networks({{"back", attachment("b1", "172.19.0.2")}}), list({}));
    other["Id"] = "c2";
    answers.containers = list({one, other}).dump();
    EXPECT_EQ(docker::containers_to_ask(answers), std::vector<std::string>{"c1"});
    answers.inspected = {R"({"Id": "c1", "NetworkSettings": {"Ports": {"81/tcp": null,
        "80/tcp": [{"HostIp": "", "HostPort": ""}, {"HostIp": "0.0.0.0", "HostPort": ""}]}}})"};
    control::DockerPort direct = port("br-f1", "172.18.0.2", "0.0.0.0");
    direct.host_port = direct.port;
    EXPECT_EQ(picture().ports, std::vector{direct});
    answers.inspected = {"{"};
    EXPECT_FALSE(docker::picture_of(answers));
}

TEST_F(AdoptPorts, NoneThatAreNotPublished) {
    const Json front = networks({{"front", attachment("f1", "172.18.0.2")}});
    EXPECT_TRUE(ports(container(front, nullptr)).empty());
    const Json exposed = {{"PrivatePort", 80}, {"Type", "tcp"}};
    EXPECT_TRUE(ports(container(front, list({exposed}))).empty());
    EXPECT_TRUE(ports(container(networks({{"host", attachment("h1", "")}}), list({}))).empty());
    answers.rules4 = kFilter;
    EXPECT_TRUE(ports(container(front, list({published("0.0.0.0")}))).empty());
}

TEST_F(AdoptPicture, AnswersThatAreNone) {
    for (const char* wrong : {"", "{", "{}", "[{\"Driver\": 7}]"}) {
        answers.networks = wrong;
        EXPECT_FALSE(docker::picture_of(answers)) << wrong;
    }
    answers.networks = "[]";
    answers.containers = "{}";
    EXPECT_FALSE(docker::picture_of(answers));
    answers.containers = "[]";
    answers.info = "[";
    EXPECT_FALSE(docker::picture_of(answers));
}

} // namespace
} // namespace cnet::test
