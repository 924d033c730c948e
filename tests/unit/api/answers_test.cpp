#include "userspace/api/answers.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "userspace/api/requests.h"

namespace cnet::api {
namespace {

using nlohmann::json;

control::NetworkView sample_network() {
    control::NetworkView view;
    view.network.id = 3;
    view.network.name = "web";
    view.network.subnets = {{*IpPrefix::parse("10.88.0.0/24"), *IpAddress::parse("10.88.0.1"),
                             *IpPrefix::parse("10.88.0.128/25")}};
    view.network.mtu = 1400;
    view.network.icc = false;
    view.network.snat4 = *IpAddress::parse("192.0.2.1");
    view.network.snat6 = *IpAddress::parse("2001:db8::1");
    view.network.gateway_mac = *MacAddress::parse("02:00:00:00:00:03");
    view.host_port = "cngw3";
    view.endpoints = 2;
    view.devices = {{"lan0", 9, 9000, "up"}};
    view.network.pool = control::HostPool{*IpPrefix::parse("10.88.0.0/16"), 24};
    view.host_subnets = {{3, *IpPrefix::parse("10.88.7.0/24"), "b", *IpAddress::parse("192.0.2.7"),
                          *MacAddress::parse("0a:58:0a:58:07:00")}};
    return view;
}

TEST(Answers, NetworkHasEveryKey) {
    EXPECT_EQ(json::parse(render(sample_network())), json::parse(R"({
        "id": 3, "name": "web", "mode": "nat", "mode6": null, "subnets": ["10.88.0.0/24"],
        "gateways": ["10.88.0.1"], "ip_ranges": ["10.88.0.128/25"], "layer2": false, "mtu": 1400, "vni": null, "scope": "host", "peer_learning": true,
        "internal": false, "icc": false, "masquerade": true, "snat": "192.0.2.1", "snat6": "2001:db8::1", "nat": "symmetric",
        "learning": false, "ageing_s": 300, "mac_limit": 1024, "flood_limit": 0, "names": true, "allow_spoofing": false,
        "gateway_mac": "02:00:00:00:00:03", "host_port": "cngw3", "endpoints": 2,
        "docker_id": null, "devices": [{"device": "lan0", "ifindex": 9, "mtu": 9000, "state": "up"}],
        "pool": "10.88.0.0/16", "host_prefix": 24,
        "host_subnets": [{"subnet": "10.88.7.0/24", "host": "b", "vtep": "192.0.2.7", "mac": "0a:58:0a:58:07:00"}]})"));
}

TEST(Answers, NetworkWithoutOptionsHasEmptyListsAndNull) {
    json answer = json::parse(render(control::NetworkView{}));
    EXPECT_EQ(answer["subnets"], json::array());
    EXPECT_EQ(answer["ip_ranges"], json::array());
    EXPECT_EQ(answer["devices"], json::array());
    EXPECT_TRUE(answer["snat"].is_null());
}

TEST(Answers, NetworkMakesTheSameNetworkAgain) {
    json answer = json::parse(render(sample_network()));
    for (const char* key : {"id", "scope", "mode", "gateway_mac", "host_port", "endpoints",
                            "devices", "docker_id", "pool", "host_subnets"})
        answer.erase(key);
    auto spec = parse_network_spec(answer.dump());
    ASSERT_TRUE(spec) << spec.error().message();
    const control::Network& network = sample_network().network;
    EXPECT_EQ(spec->name, network.name);
    EXPECT_EQ(spec->subnets, std::vector<IpPrefix>{network.subnets[0].prefix});
    EXPECT_EQ(spec->gateways, std::vector<IpAddress>{network.subnets[0].gateway});
    EXPECT_EQ(spec->ip_ranges, std::vector<IpPrefix>{*network.subnets[0].ip_range});
    EXPECT_EQ(spec->mtu, network.mtu);
    EXPECT_EQ(spec->icc, network.icc);
    EXPECT_EQ(spec->snat, network.snat4);
}

TEST(Answers, EndpointHasEveryKey) {
    control::EndpointView view;
    view.id = 7;
    view.name = "a";
    view.network = "web";
    view.netns = "/run/netns/box";
    view.ifname = "eth0";
    view.addresses = {*IpPrefix::parse("10.88.0.9/24")};
    view.mac = *MacAddress::parse("02:00:00:00:00:09");
    view.aliases = {"db"};
    view.ingress = {5'000'000'000, 80'000};
    view.host_ifname = "cnet7";
    view.ifindex = 12;
    view.state = "up";
    view.disabled = true;
    view.ports = {"0.0.0.0:8080->80/tcp"};
    EXPECT_EQ(json::parse(render(view)), json::parse(R"({
        "id": 7, "name": "a", "network": "web", "netns": "/run/netns/box", "ifname": "eth0",
        "addresses": ["10.88.0.9/24"], "mac": "02:00:00:00:00:09", "default_route": true, "disabled": true, "aliases": ["db"],
        "ingress_rate": 5000000000, "ingress_burst": 80000, "egress_rate": 0, "egress_burst": 0,
        "host_ifname": "cnet7", "ifindex": 12, "state": "up",
        "ports": ["0.0.0.0:8080->80/tcp"], "docker_id": null, "lease": null})"));
    view.lease = control::LeaseView{*IpAddress::parse("10.88.0.100"), 60};
    EXPECT_EQ(json::parse(render(view))["lease"],
              json::parse(R"({"address": "10.88.0.100", "ends_in_s": 60})"));
}

TEST(Answers, PortSandboxAndUplinkHaveEveryKey) {
    EXPECT_EQ(json::parse(render(control::PortView{1,
                                                   "a",
                                                   "0.0.0.0",
                                                   8080,
                                                   8081,
                                                   80,
                                                   81,
                                                   "tcp",
                                                   {*IpPrefix::parse("10.0.0.0/8")},
                                                   {100, 20},
                                                   "socket"})),
              json::parse(R"({"id": 1, "endpoint": "a", "host_ip": "0.0.0.0", "host_port": 8080,
            "host_port_end": 8081, "port": 80, "port_end": 81, "protocol": "tcp", "allow_from": ["10.0.0.0/8"],
            "new_rate": 100, "new_burst": 20, "reservation": "socket"})"));
    EXPECT_EQ(json::parse(render(control::SandboxView{"box", "/run/netns/box", 1})),
              json::parse(R"({"name": "box", "path": "/run/netns/box", "endpoints": 1})"));
    EXPECT_EQ(json::parse(render(control::UplinkView{
                  "eth0", 2, {*IpPrefix::parse("192.0.2.1/24")}, "auto", true})),
              json::parse(R"({"device": "eth0", "ifindex": 2, "addresses": ["192.0.2.1/24"],
                              "configured": "auto", "ethernet": true,
                              "xdp": "off", "xdp_running": false})"));
}

TEST(Answers, FdbAndNeighHaveNullForWhatThereIsNot) {
    MacAddress mac = *MacAddress::parse("02:00:00:00:00:01");
    EXPECT_EQ(
        json::parse(render(control::FdbView{"web", mac, "cnet1", {}, std::nullopt, "learned", 5})),
        json::parse(R"({"network": "web", "mac": "02:00:00:00:00:01", "device": "cnet1",
                              "endpoint": null, "peer": null, "type": "learned", "age_s": 5})"));
    EXPECT_EQ(
        json::parse(render(control::FdbView{"web", mac, "cnet1", "a", std::nullopt, "static", {}})),
        json::parse(R"({"network": "web", "mac": "02:00:00:00:00:01", "device": "cnet1",
                              "endpoint": "a", "peer": null, "type": "static", "age_s": null})"));
    EXPECT_EQ(json::parse(render(control::NeighView{
                  "web", *IpAddress::parse("10.88.0.1"), mac, "cngw1", {}, {}, "gateway", {}})),
              json::parse(R"({"network": "web", "address": "10.88.0.1",
                              "mac": "02:00:00:00:00:01", "device": "cngw1", "endpoint": null,
                              "peer": null, "type": "gateway", "ends_in_s": null})"));
}

TEST(Answers, FlowsHaveEveryKey) {
    control::CtView view;
    view.protocol = "tcp";
    view.state = "established";
    view.type = "snat";
    view.network = "web";
    view.src = *IpAddress::parse("10.88.0.9");
    view.src_port = 40000;
    view.dst = *IpAddress::parse("192.0.2.9");
    view.dst_port = 80;
    view.reply_src = view.dst;
    view.reply_src_port = 80;
    view.reply_dst = *IpAddress::parse("192.0.2.1");
    view.reply_dst_port = 40001;
    view.age_s = 10;
    view.idle_s = 1;
    view.expires_s = 86399;
    json answer = json::parse(render(view));
    EXPECT_EQ(answer, json::parse(R"({
        "protocol": "tcp", "state": "established", "type": "snat", "network": "web",
        "src": "10.88.0.9", "src_port": 40000, "dst": "192.0.2.9", "dst_port": 80,
        "reply_src": "192.0.2.9", "reply_src_port": 80, "reply_dst": "192.0.2.1",
        "reply_dst_port": 40001, "age_s": 10, "idle_s": 1, "expires_s": 86399})"));
    view.network.clear();
    EXPECT_TRUE(json::parse(render(view))["network"].is_null());
}

TEST(Answers, CountersHaveEveryKey) {
    EXPECT_EQ(json::parse(render(control::CtCount{1, 2, 3})),
              json::parse(R"({"flows": 1, "entries": 2, "max_entries": 3})"));
    control::NatView nat{"udp", *IpAddress::parse("192.0.2.1"), 5000, 4};
    EXPECT_EQ(json::parse(render(nat)),
              json::parse(R"({"protocol": "udp", "address": "192.0.2.1", "port": 5000, "flows": 4,
                              "inside": null, "inside_port": null, "network": null})"));
    nat.inside = *IpAddress::parse("10.88.0.2");
    nat.inside_port = 4000;
    nat.network = "web";
    EXPECT_EQ(json::parse(render(nat)),
              json::parse(R"({"protocol": "udp", "address": "192.0.2.1", "port": 5000, "flows": 4,
                              "inside": "10.88.0.2", "inside_port": 4000, "network": "web"})"));
    EXPECT_EQ(json::parse(render(control::DropView{"endpoint", "icc_off", "drop", 1, 60, "why"})),
              json::parse(R"({"hook": "endpoint", "reason": "icc_off", "class": "drop",
                              "packets": 1, "bytes": 60, "meaning": "why"})"));
}

TEST(Answers, ListsInPiecesAreArrays) {
    auto whole = [](std::vector<size_t> sizes) {
        auto next =
            [sizes = std::move(sizes),
             at = size_t{0}]() mutable -> Result<std::optional<std::vector<control::SandboxView>>> {
            if (at == sizes.size()) return std::optional<std::vector<control::SandboxView>>();
            return std::optional(std::vector<control::SandboxView>(sizes[at++]));
        };
        auto pieces = answer_in_pieces<control::SandboxView>(std::move(next));
        std::string text;
        for (;;) {
            auto piece = pieces();
            EXPECT_TRUE(piece);
            if (!piece || piece->empty()) return text;
            text += *piece;
        }
    };
    EXPECT_EQ(whole({}), "[]");
    EXPECT_EQ(whole({0, 0}), "[]");
    EXPECT_EQ(json::parse(whole({0, 2, 0, 0, 1})).size(), 3u);
    auto failing = answer_in_pieces<control::SandboxView>(
        []() -> Result<std::optional<std::vector<control::SandboxView>>> {
            return Error(ErrorKind::kSystem, "no");
        });
    EXPECT_FALSE(failing());
}

TEST(Answers, ListsAreArrays) {
    EXPECT_EQ(answer_list(std::vector<control::SandboxView>{}), "[]");
    EXPECT_EQ(json::parse(answer_list(std::vector<control::SandboxView>(3))).size(), 3u);
    auto failed =
        answer_list(Result<std::vector<control::SandboxView>>(Error(ErrorKind::kNotFound, "no")));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message(), "no");
}

TEST(Answers, DoneIsAnEmptyObject) {
    EXPECT_EQ(*answer_done({}), "{}");
    EXPECT_EQ(*answer_flushed(uint64_t{3}), R"({"flushed":3})");
}

} // namespace
} // namespace cnet::api
