
#include <gtest/gtest.h>

#include "tests/unit/cli/fake_server.h"
#include "tests/unit/cni/configs.h"
#include "userspace/cni/collect.h"
#include "userspace/cni/names.h"
#include "userspace/cni/network.h"

namespace cnet::cni {
namespace {

using cnet::cli::test::FakeServer;
using cnet::cli::test::http;
using cnet::cli::test::Seen;

// One answer a request, in order.
FakeServer::Answer in_turn(std::vector<std::string> answers) {
    return [answers, next = size_t{0}](const Seen&) mutable { return answers.at(next++); };
}

std::string refusal(int status) {
    return http(status, R"({"error":{"kind":"k","message":"because"}})");
}

TEST(Daemon, ARequestWhoseAnswerWasLostIsSentAgain) {
    FakeServer server(
        in_turn({"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", http(201, "{}")}));
    auto answer = Daemon(server.socket()).call("POST", "/v1/x", {{"a", 1}});
    ASSERT_TRUE(answer) << answer.fault().message;
    EXPECT_TRUE(answer->ok() && answer->repeated);
    ASSERT_EQ(server.seen().size(), 3u);
    EXPECT_EQ(server.seen()[2].body, R"({"a":1})");
}

TEST(Daemon, PatienceEnds) {
    cnet::test::TemporaryDirectory directory;
    auto answer = Daemon(directory / "none.sock", std::chrono::milliseconds(50)).call("GET", "/");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.fault().code, Code::kTryAgain);
}

TEST(Daemon, RefusalsHaveCodes) {
    const std::pair<int, Code> all[] = {{400, Code::kConfig},      {403, Code::kRefused},
                                        {404, Code::kNoContainer}, {409, Code::kTaken},
                                        {500, Code::kRefused},     {507, Code::kExhausted}};
    for (const auto& [status, code] : all) {
        FakeServer server([&](const Seen&) { return refusal(status); });
        auto answer = Daemon(server.socket()).call("GET", "/");
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->fault().code, code);
        EXPECT_EQ(answer->fault().message, "because");
    }
    FakeServer server([](const Seen&) { return refusal(404); });
    EXPECT_TRUE(Daemon(server.socket()).get("/")->is_null());
    EXPECT_TRUE(Daemon(server.socket()).remove("/"));
}

TEST(Daemon, AnotherAddMayMakeTheNetworkFirst) {
    const std::string network =
        R"({"name":"net","subnets":["10.0.0.0/24"],"gateways":["10.0.0.1"],"mtu":1500,)"
        R"("mode":"nat","icc":true,"masquerade":true,"internal":false})";
    FakeServer server(in_turn({refusal(404), refusal(409), http(200, network)}));
    Daemon daemon(server.socket());
    auto found = ensure_network(daemon, test::config_of({}), {});
    ASSERT_TRUE(found) << found.fault().message;
    EXPECT_EQ((*found)["name"], "net");
    // Somebody else has the subnet.
    FakeServer other(in_turn({refusal(404), refusal(409), refusal(404)}));
    Daemon second(other.socket());
    found = ensure_network(second, test::config_of({}), {});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.fault().code, Code::kTaken);
}

TEST(Daemon, WhatIsInTheWayAndDeadGoes) {
    const std::string endpoints =
        R"([{"name":"cni-1","state":"netns-gone","ifindex":0,"netns":"/run/netns/a"},)"
        R"({"name":"cni-2","state":"up","ifindex":5,"netns":"/run/netns/b"},)"
        R"({"name":"cni-3","state":"down","ifindex":0,"netns":"/proc/7/ns/net"},)"
        R"({"name":"cni-4","state":"down","ifindex":0,"netns":"/run/netns/c"},)"
        R"({"name":"mine","state":"netns-gone","ifindex":0,"netns":"/run/netns/d"}])";
    FakeServer server(in_turn(
        {refusal(409), http(200, endpoints), http(200, "{}"), http(200, "{}"), http(201, "{}")}));
    Daemon daemon(server.socket());
    auto answer = create(daemon, "/v1/ports", Json::object());
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->ok() && !answer->repeated);
    const auto seen = server.seen();
    ASSERT_EQ(seen.size(), 5u);
    EXPECT_EQ(seen[2].target, "/v1/endpoints/cni-1");
    EXPECT_EQ(seen[3].target, "/v1/endpoints/cni-3");
    EXPECT_EQ(seen[4].target, "/v1/ports");
}

} // namespace
} // namespace cnet::cni
