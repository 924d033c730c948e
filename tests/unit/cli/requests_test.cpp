#include <gtest/gtest.h>

#include "tests/unit/cli/outcome.h"
#include "userspace/cnet-bpf/exit_status.h"

namespace cnet::cli {
namespace {

using test::FakeServer;
using test::http;
using test::Outcome;
using test::run_below;
using test::run_on;
using test::run_with;
using test::Seen;

// "POST /v1/x {body}"
std::string request_of(const std::vector<std::string>& words, const std::string& answer = "{}") {
    FakeServer server([&](const Seen&) { return http(200, answer); });
    Outcome outcome = run_on(server, words);
    EXPECT_EQ(outcome.status, kDone) << outcome.err;
    auto seen = server.seen();
    if (seen.size() != 1) return std::to_string(seen.size()) + " requests";
    return seen[0].method + " " + seen[0].target + (seen[0].body.empty() ? "" : " ") + seen[0].body;
}

TEST(Requests, Networks) {
    EXPECT_EQ(request_of({"network", "create", "n", "--subnet", "10.1.0.0/24", "--subnet",
                          "10.2.0.0/24", "--gateway", "10.1.0.9", "--mtu", "1400", "--internal",
                          "--icc", "off", "--snat", "192.0.2.1", "--ageing", "0"}),
              "POST /v1/networks {\"name\":\"n\",\"subnets\":[\"10.1.0.0/24\",\"10.2.0.0/24\"],"
              "\"gateways\":[\"10.1.0.9\"],\"internal\":true,\"mtu\":1400,\"icc\":false,"
              "\"ageing_s\":0,\"snat\":\"192.0.2.1\"}");
    EXPECT_EQ(request_of({"net", "set", "n", "--snat", "none", "--allow-spoofing", "on"}),
              "PATCH /v1/networks/n {\"allow_spoofing\":true,\"snat\":null,\"snat6\":null}");
    EXPECT_EQ(request_of({"net", "set", "n", "--snat", "2001:db8::1", "--mode", "routed"}),
              "PATCH /v1/networks/n {\"mode\":\"routed\",\"snat6\":\"2001:db8::1\"}");
    EXPECT_EQ(request_of({"net", "set", "n", "--mode", "nat", "--mode6", "none"}),
              "PATCH /v1/networks/n {\"mode\":\"nat\",\"mode6\":null}");
    EXPECT_EQ(request_of({"net", "create", "n", "--layer2"}),
              "POST /v1/networks {\"name\":\"n\",\"layer2\":true}");
    EXPECT_EQ(request_of({"net", "del", "a/b?c"}), "DELETE /v1/networks/a%2Fb%3Fc");
    EXPECT_EQ(request_of({"net", "show", ".."}), "GET /v1/networks/..");
}

TEST(Requests, WhomAPortIsOpenTo) {
    EXPECT_EQ(request_of({"port", "publish", "e", "80", "--allow-from", "10.0.0.0/8",
                          "--allow-from", "fd00::/8"}),
              "POST /v1/ports {\"endpoint\":\"e\",\"spec\":\"80\",\"allow_from\":[\"10.0.0.0/8\","
              "\"fd00::/8\"]}");
    EXPECT_EQ(request_of({"port", "set", "e", "80", "--allow-from", "none"}),
              "PATCH /v1/ports {\"endpoint\":\"e\",\"spec\":\"80\",\"allow_from\":[]}");
}

TEST(Requests, HowOftenAPortIsDialled) {
    EXPECT_EQ(request_of({"port", "publish", "e", "80", "--new-rate", "100"}),
              "POST /v1/ports {\"endpoint\":\"e\",\"spec\":\"80\",\"new_rate\":100}");
    EXPECT_EQ(
        request_of({"port", "set", "e", "80", "--new-rate", "9", "--new-burst", "3"}),
        "PATCH /v1/ports {\"endpoint\":\"e\",\"spec\":\"80\",\"new_rate\":9,\"new_burst\":3}");
}

TEST(Requests, SandboxesAndEndpoints) {
    EXPECT_EQ(request_of({"sandbox", "create", "s"}), "POST /v1/sandboxes {\"name\":\"s\"}");
    EXPECT_EQ(request_of({"sandbox", "delete", "s"}), "DELETE /v1/sandboxes/s");
    EXPECT_EQ(request_of({"endpoint", "create", "n", "e", "--netns", "s", "--ip", "10.1.0.2",
                          "--default-route", "off", "--mac", "02:00:00:00:00:01", "--alias", "db",
                          "--alias", "main"}),
              "POST /v1/endpoints {\"network\":\"n\",\"name\":\"e\",\"netns\":\"s\","
              "\"ips\":[\"10.1.0.2\"],\"mac\":\"02:00:00:00:00:01\",\"aliases\":[\"db\",\"main\"],"
              "\"default_route\":false}");
    EXPECT_EQ(
        request_of({"endpoint", "create", "n", "e", "--netns", "s", "--layer2", "--disabled"}),
        "POST /v1/endpoints {\"network\":\"n\",\"name\":\"e\",\"netns\":\"s\","
        "\"layer2\":true,\"disabled\":true}");
    std::string relative = request_of({"endp", "create", "n", "e", "--netns", "dir/../ns"});
    EXPECT_NE(relative.find("\"netns\":\"" + (std::filesystem::current_path() / "ns").string()),
              std::string::npos)
        << relative;
    EXPECT_EQ(request_of({"endp", "list", "n"}, "[]"), "GET /v1/endpoints?network=n");
    EXPECT_EQ(request_of({"endp", "list", "a&b=c d"}, "[]"),
              "GET /v1/endpoints?network=a%26b%3Dc%20d");
}

TEST(Requests, PortsAndUplinks) {
    EXPECT_EQ(request_of({"port", "publish", "e", "[::1]:80:80/tcp"}),
              "POST /v1/ports {\"endpoint\":\"e\",\"spec\":\"[::1]:80:80/tcp\"}");
    EXPECT_EQ(request_of({"port", "unpublish", "e", "80:80"}),
              "DELETE /v1/ports {\"endpoint\":\"e\",\"spec\":\"80:80\"}");
    EXPECT_EQ(request_of({"port", "ls", "e"}, "[]"), "GET /v1/ports?endpoint=e");
    EXPECT_EQ(request_of({"uplink", "add", "up0"}), "POST /v1/uplinks {\"device\":\"up0\"}");
    EXPECT_EQ(request_of({"uplink", "delete", "up0"}), "DELETE /v1/uplinks/up0");
}

TEST(Requests, AttachedDevices) {
    EXPECT_EQ(request_of({"network", "attach", "n", "lan0"}),
              "POST /v1/networks/n/attach {\"device\":\"lan0\"}");
    EXPECT_EQ(request_of({"network", "detach", "n", "lan0"}),
              "POST /v1/networks/n/detach {\"device\":\"lan0\"}");
}

TEST(Requests, FdbAndNeighbours) {
    EXPECT_EQ(request_of({"fdb", "add", "n", "02:00:00:00:00:01", "endpoint", "e"}),
              "POST /v1/fdb {\"network\":\"n\",\"mac\":\"02:00:00:00:00:01\",\"endpoint\":\"e\"}");
    EXPECT_EQ(request_of({"fdb", "add", "n", "02:00:00:00:00:01", "device", "lan0"}),
              "POST /v1/fdb {\"network\":\"n\",\"mac\":\"02:00:00:00:00:01\",\"device\":\"lan0\"}");
    EXPECT_EQ(request_of({"fdb", "delete", "n", "02:00:00:00:00:01"}),
              "DELETE /v1/fdb {\"network\":\"n\",\"mac\":\"02:00:00:00:00:01\"}");
    EXPECT_EQ(request_of({"fdb", "flush", "n"}), "POST /v1/fdb/flush {\"network\":\"n\"}");
    EXPECT_EQ(request_of({"fdb", "show", "n"}, "[]"), "GET /v1/fdb?network=n");
    EXPECT_EQ(request_of({"neigh"}, "[]"), "GET /v1/neigh");
}

TEST(Requests, Connections) {
    EXPECT_EQ(request_of({"ct", "list", "proto", "tcp", "dport=80", "src", "2001:db8::1"}, "[]"),
              "GET /v1/ct?proto=tcp&dport=80&src=2001%3Adb8%3A%3A1");
    EXPECT_EQ(request_of({"ct", "flush", "sport", "80", "state=closed"}, "{\"flushed\":2}"),
              "POST /v1/ct/flush {\"sport\":80,\"state\":\"closed\"}");
    EXPECT_EQ(request_of({"ct", "flush"}, "{\"flushed\":0}"), "POST /v1/ct/flush {}");
    EXPECT_EQ(request_of({"ct", "count"}), "GET /v1/ct/count");
    EXPECT_EQ(request_of({"nat"}, "[]"), "GET /v1/nat");
    EXPECT_EQ(request_of({"drops", "reset"}), "POST /v1/drops/reset");
}

TEST(Requests, WrongFiltersAreUsageErrors) {
    Outcome outcome = run_below("/nonexistent", {"ct", "list", "prot", "tcp"});
    EXPECT_EQ(outcome.status, kUsage);
    EXPECT_EQ(outcome.err, "cnet-bpf: ct list: no filter 'prot'; there are: proto, src, dst, "
                           "sport, dport, network, endpoint, state, type\n");
    EXPECT_EQ(run_below("/nonexistent", {"ct", "list", "dport", "65536"}).status, kUsage);
    EXPECT_EQ(run_below("/nonexistent", {"ct", "list", "proto"}).status, kUsage);
    EXPECT_EQ(run_below("/nonexistent", {"ct", "list", "proto=a", "proto=b"}).status, kUsage);
    EXPECT_EQ(
        run_below("/nonexistent", {"fdb", "add", "n", "02:00:00:00:00:01", "port", "e"}).status,
        kUsage);
    EXPECT_EQ(run_below("/nonexistent", {"network", "set", "n"}).status, kUsage);
}

TEST(ExitStatus, FollowsTheAnswer) {
    int http_status = 0;
    FakeServer server([&](const Seen&) {
        return http(http_status, "{\"error\":{\"kind\":\"k\",\"message\":\"no\\u001b[2Jpe\"}}");
    });
    for (auto [answered, expected] : {std::pair{400, kRefused},
                                      {403, kRefused},
                                      {404, kNotFound},
                                      {405, kRefused},
                                      {409, kRefused},
                                      {413, kRefused},
                                      {500, kRefused},
                                      {507, kRefused}}) {
        http_status = answered;
        Outcome outcome = run_on(server, {"network", "list"});
        EXPECT_EQ(outcome.status, expected) << answered;
        EXPECT_EQ(outcome.err, "cnet-bpf: no\\x1b[2Jpe\n");
        EXPECT_EQ(outcome.out, "");
    }
}

TEST(ExitStatus, AnAnswerThatMakesNoSenseIsRefused) {
    for (const char* answer : {"", "{", "{}", "7"}) {
        FakeServer server([&](const Seen&) { return http(200, answer); });
        Outcome outcome = run_on(server, {"network", "list"});
        EXPECT_EQ(outcome.status, kRefused) << answer;
        EXPECT_NE(outcome.err.find("cnetd's answer to GET /v1/networks is not"), std::string::npos)
            << outcome.err;
    }
    FakeServer server([](const Seen&) { return http(502, "<html>"); });
    EXPECT_EQ(run_on(server, {"network"}).err,
              "cnet-bpf: cnetd answered HTTP status 502 without saying why\n");
}

TEST(ExitStatus, SaysWhichDaemonIsUnreachable) {
    cnet::test::TemporaryDirectory directory;
    Outcome outcome = run_below(directory.path(), {"network", "list"});
    EXPECT_EQ(outcome.status, kUnreachable);
    EXPECT_EQ(outcome.err, "cnet-bpf: cannot connect to " +
                               (directory / "run/cnetd.sock").string() +
                               ": No such file or directory; is cnetd running? Start it with "
                               "`cnetd --root " +
                               directory.path().string() + "`\n");
}

TEST(ExitStatus, UsageErrorsAndHelp) {
    EXPECT_EQ(run_with({}, {"bogus"}).status, kUsage);
    Outcome nothing = run_with({}, {});
    EXPECT_EQ(nothing.status, kUsage);
    EXPECT_EQ(nothing.out, "");
    Outcome help = run_with({}, {"--help"});
    EXPECT_EQ(help.status, kDone);
    EXPECT_EQ(help.out, nothing.err);
    EXPECT_EQ(run_with({}, {"network", "create", "--help"}).status, kDone);
}

TEST(ExitStatus, OutputThatCannotBeWritten) {
    std::ostringstream out, err;
    out.setstate(std::ios::badbit);
    EXPECT_EQ(run({"version"}, {}, out, err), kRefused);
    EXPECT_EQ(err.str(), "cnet-bpf: cannot write the output\n");
}

} // namespace
} // namespace cnet::cli
