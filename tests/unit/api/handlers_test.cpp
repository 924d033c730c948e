// Every route of docs/api.md against a controller on a host in memory.
#include "userspace/api/handlers.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "tests/unit/control/world.h"
#include "userspace/base/netns.h"

namespace cnet::api {
namespace {

using nlohmann::json;

struct Answer {
    int status;
    json body;

    std::string kind() const { return body["error"]["kind"]; }
};

class HandlersTest : public test::World {
protected:
    void SetUp() override {
        World::SetUp();
        router_ =
            make_router(*controller, {"1.2.3", "/srv/host1", "6.1.0", "tcx",
                                      std::chrono::steady_clock::now(), [this] { return sock_; }});
    }

    Answer ask(const std::string& method, const std::string& path, const json& body = nullptr,
               std::map<std::string, std::string> query = {}) {
        Response response =
            router_.handle({method, path, std::move(query), body.is_null() ? "" : body.dump(), 0});
        std::string text = response.body;
        while (response.pieces) {
            auto piece = response.pieces();
            EXPECT_TRUE(piece);
            if (!piece || piece->empty()) break;
            text += *piece;
        }
        return {response.status, json::parse(text)};
    }

    void make_network_and_endpoint() {
        ASSERT_EQ(
            ask("POST", "/v1/networks", {{"name", "web"}, {"subnets", {"10.88.0.0/24"}}}).status,
            201);
        ASSERT_EQ(ask("POST", "/v1/endpoints",
                      {{"network", "web"}, {"name", "e"}, {"netns", "/run/netns/a"}})
                      .status,
                  201);
    }

    Router router_;
    SockStatus sock_{true, "/sys/fs/cgroup", ""};
};

TEST_F(HandlersTest, SockInStatus) {
    EXPECT_EQ(ask("GET", "/v1/status").body["sock"],
              json({{"enabled", true}, {"cgroup", "/sys/fs/cgroup"}, {"error", nullptr}}));
    sock_ = {true, "", "cgroup2 is not mounted"};
    EXPECT_EQ(ask("GET", "/v1/status").body["sock"],
              json({{"enabled", true}, {"cgroup", nullptr}, {"error", "cgroup2 is not mounted"}}));
}

TEST_F(HandlersTest, Status) {
    make_network_and_endpoint();
    Answer answer = ask("GET", "/v1/status");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body["version"], "1.2.3");
    EXPECT_EQ(answer.body["abi_version"], CNET_ABI_VERSION);
    EXPECT_EQ(answer.body["pid"], getpid());
    EXPECT_EQ(answer.body["root"], "/srv/host1");
    EXPECT_EQ(answer.body["kernel"], "6.1.0");
    EXPECT_EQ(answer.body["attach"], "tcx");
    EXPECT_EQ(answer.body["networks"], 1);
    EXPECT_EQ(answer.body["endpoints"], 1);
    EXPECT_EQ(answer.body["uplinks"], 1);
    EXPECT_TRUE(answer.body["uptime_s"].is_number());
    EXPECT_TRUE(answer.body["reconcile"]["last_error"].is_null());
    for (const char* key : {"ports", "sandboxes", "connections"})
        EXPECT_EQ(answer.body[key], 0) << key;
}

TEST_F(HandlersTest, NetworkFromBirthToDeath) {
    EXPECT_EQ(ask("GET", "/v1/networks").body, json::array());
    Answer made = ask("POST", "/v1/networks", {{"name", "web"}, {"subnets", {"10.88.0.0/24"}}});
    EXPECT_EQ(made.status, 201);
    EXPECT_EQ(made.body["gateways"], json({"10.88.0.1"}));
    EXPECT_EQ(ask("GET", "/v1/networks/web").body, made.body);
    EXPECT_EQ(ask("GET", "/v1/networks").body, json::array({made.body}));

    Answer changed = ask("PATCH", "/v1/networks/web", {{"icc", false}, {"snat", "192.0.2.2"}});
    EXPECT_EQ(changed.status, 200);
    EXPECT_EQ(changed.body["icc"], false);
    EXPECT_EQ(changed.body["snat"], "192.0.2.2");
    EXPECT_EQ(ask("PATCH", "/v1/networks/web", {{"snat", nullptr}}).body["snat"], nullptr);

    EXPECT_EQ(ask("POST", "/v1/networks", {{"name", "web"}}).status, 409);
    Answer gone = ask("DELETE", "/v1/networks/web");
    EXPECT_EQ(gone.status, 200);
    EXPECT_EQ(gone.body, json::object());
    EXPECT_EQ(ask("GET", "/v1/networks/web").kind(), "not_found");
    EXPECT_EQ(ask("DELETE", "/v1/networks/web").status, 404);
}

TEST_F(HandlersTest, SandboxFromBirthToDeath) {
    Answer made = ask("POST", "/v1/sandboxes", {{"name", "box"}});
    EXPECT_EQ(made.status, 201);
    EXPECT_EQ(ask("GET", "/v1/sandboxes").body, json::array({made.body}));
    EXPECT_EQ(ask("POST", "/v1/sandboxes", {{"name", "box"}}).kind(), "conflict");
    EXPECT_EQ(ask("DELETE", "/v1/sandboxes/box").status, 200);
    EXPECT_EQ(ask("DELETE", "/v1/sandboxes/box").status, 404);
}

TEST_F(HandlersTest, EndpointFromBirthToDeath) {
    make_network_and_endpoint();
    Answer endpoint = ask("GET", "/v1/endpoints/e");
    EXPECT_EQ(endpoint.status, 200);
    EXPECT_EQ(endpoint.body["addresses"], json({"10.88.0.2/24"}));
    EXPECT_EQ(endpoint.body["state"], "up");
    EXPECT_EQ(ask("GET", "/v1/endpoints").body, json::array({endpoint.body}));
    EXPECT_EQ(ask("GET", "/v1/endpoints", nullptr, {{"network", "web"}}).body.size(), 1u);
    EXPECT_EQ(ask("GET", "/v1/endpoints", nullptr, {{"network", "x"}}).status, 404);
    EXPECT_EQ(ask("DELETE", "/v1/networks/web").kind(), "conflict");
    EXPECT_EQ(ask("DELETE", "/v1/endpoints/e").status, 200);
    EXPECT_EQ(ask("GET", "/v1/endpoints/e").status, 404);
}

TEST_F(HandlersTest, PortFromBirthToDeath) {
    auto own_netns = NetnsGuard::enter_new();
    if (!own_netns) GTEST_SKIP() << "binds ports: " << own_netns.error().message();
    make_network_and_endpoint();
    const json request = {{"endpoint", "e"}, {"spec", "8080-8081:80-81/tcp"}};
    Answer made = ask("POST", "/v1/ports", request);
    EXPECT_EQ(made.status, 201);
    EXPECT_EQ(made.body["host_ip"], "0.0.0.0");
    EXPECT_EQ(made.body["host_port_end"], 8081);
    EXPECT_EQ(ask("GET", "/v1/ports").body, json::array({made.body}));
    EXPECT_EQ(ask("GET", "/v1/ports", nullptr, {{"endpoint", "e"}}).body.size(), 1u);
    Answer again = ask("POST", "/v1/ports", request);
    EXPECT_EQ(again.status, 409);
    EXPECT_EQ(again.body["error"]["message"],
              "Bind for 0.0.0.0:8080 failed: port is already allocated");
    EXPECT_EQ(ask("DELETE", "/v1/ports", request).status, 200);
    EXPECT_EQ(ask("DELETE", "/v1/ports", request).status, 404);
}

TEST_F(HandlersTest, UplinkGoesAndComes) {
    EXPECT_EQ(ask("GET", "/v1/uplinks").body,
              json::parse(R"([{"device": "eth0", "ifindex": )" + std::to_string(eth0) +
                          R"(, "addresses": ["192.0.2.2/24"], "configured": "auto",
                               "ethernet": true, "xdp": "off", "xdp_running": false}])"));
    EXPECT_EQ(ask("PATCH", "/v1/uplinks/eth0", {{"xdp", "native"}}).body["xdp"], "native");
    EXPECT_EQ(ask("PATCH", "/v1/uplinks/eth0", {{"xdp", "generic"}}).status, 400);
    EXPECT_EQ(ask("PATCH", "/v1/uplinks/eth9", {{"xdp", "native"}}).status, 404);
    EXPECT_EQ(ask("DELETE", "/v1/uplinks/eth0").status, 200);
    EXPECT_EQ(ask("GET", "/v1/uplinks").body, json::array());
    Answer added = ask("POST", "/v1/uplinks", {{"device", "eth0"}});
    EXPECT_EQ(added.status, 201);
    EXPECT_EQ(added.body["configured"], "added");
    EXPECT_EQ(ask("POST", "/v1/uplinks", {{"device", "eth9"}}).status, 404);
}

TEST_F(HandlersTest, FdbAndNeigh) {
    make_network_and_endpoint();
    const json entry = {{"network", "web"}, {"mac", "02:00:00:00:00:99"}, {"endpoint", "e"}};
    Answer added = ask("POST", "/v1/fdb", entry);
    EXPECT_EQ(added.status, 201);
    EXPECT_EQ(added.body["type"], "static");
    EXPECT_EQ(ask("GET", "/v1/fdb", nullptr, {{"network", "web"}}).body.size(), 3u);
    EXPECT_EQ(ask("POST", "/v1/fdb/flush", {{"network", "web"}}).body, json({{"flushed", 0}}));
    EXPECT_EQ(ask("DELETE", "/v1/fdb", {{"network", "web"}, {"mac", "02:00:00:00:00:99"}}).status,
              200);
    EXPECT_EQ(ask("GET", "/v1/fdb").body.size(), 2u);
    EXPECT_EQ(ask("GET", "/v1/neigh").body.size(), 2u);
    EXPECT_EQ(ask("GET", "/v1/neigh", nullptr, {{"network", "x"}}).status, 404);
}

TEST_F(HandlersTest, FlowsAndDrops) {
    EXPECT_EQ(ask("GET", "/v1/ct").body, json::array());
    EXPECT_EQ(ask("GET", "/v1/ct", nullptr, {{"proto", "tcp"}, {"dport", "80"}}).status, 200);
    EXPECT_EQ(ask("GET", "/v1/ct", nullptr, {{"dport", "http"}}).kind(), "invalid");
    EXPECT_EQ(ask("GET", "/v1/ct/count").body["flows"], 0);
    EXPECT_EQ(ask("POST", "/v1/ct/flush", json::object()).body, json({{"flushed", 0}}));
    EXPECT_EQ(ask("POST", "/v1/ct/flush").kind(), "invalid");
    EXPECT_EQ(ask("GET", "/v1/nat").body, json::array());
    EXPECT_EQ(ask("GET", "/v1/drops").body, json::array());
    EXPECT_EQ(ask("POST", "/v1/drops/reset").body, json::object());
}

TEST_F(HandlersTest, ARefusedRequestChangesNothing) {
    make_network_and_endpoint();
    const json before = ask("GET", "/v1/networks").body;
    for (const char* path : {"/v1/networks", "/v1/sandboxes", "/v1/endpoints", "/v1/ports",
                             "/v1/uplinks", "/v1/fdb", "/v1/fdb/flush", "/v1/ct/flush"}) {
        EXPECT_EQ(ask("POST", path).kind(), "invalid") << path;
        EXPECT_EQ(ask("POST", path, {{"nonsense", 1}}).kind(), "invalid") << path;
        EXPECT_EQ(ask("PUT", path, json::object()).status, 405) << path;
    }
    for (const char* path : {"/v1/networks/web", "/v1/endpoints/e", "/v1/uplinks/eth0"})
        EXPECT_EQ(ask("DELETE", path, {{"force", true}}).kind(), "invalid") << path;
    EXPECT_EQ(ask("PATCH", "/v1/networks/web", {{"subnets", json::array()}}).kind(), "invalid");
    EXPECT_EQ(ask("GET", "/v1/networks").body, before);
    EXPECT_EQ(ask("GET", "/v1/uplinks").body.size(), 1u);
}

TEST_F(HandlersTest, AFailureOfTheDiskIsASystemError) {
    store->commit_error = Error(ErrorKind::kSystem, "disk full");
    Answer answer = ask("POST", "/v1/networks", {{"name", "web"}});
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.kind(), "system");
    EXPECT_EQ(ask("GET", "/v1/networks").body, json::array());
}

} // namespace
} // namespace cnet::api
