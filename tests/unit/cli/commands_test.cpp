#include <gtest/gtest.h>

#include <sstream>

#include "tests/unit/cli/outcome.h"
#include "userspace/cnet-bpf/context.h"

namespace cnet::cli {
namespace {

using test::FakeServer;
using test::http;
using test::Outcome;
using test::run_below;
using test::run_on;
using test::run_with;
using test::Seen;

std::string shown(const std::vector<std::string>& words, const std::string& answer) {
    FakeServer server([&](const Seen&) { return http(200, answer); });
    Outcome outcome = run_on(server, words);
    EXPECT_EQ(outcome.status, kDone) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome.out;
}

constexpr const char* kNetworks =
    "[{\"name\":\"web\",\"subnets\":[\"10.88.0.0/24\",\"10.89.0.0/24\"],\"gateways\":"
    "[\"10.88.0.1\",\"10.89.0.1\"],\"ip_ranges\":[],\"mtu\":1500,\"internal\":true,\"icc\":false,"
    "\"masquerade\":true,\"snat\":null,\"learning\":false,\"ageing_s\":300,\"mac_limit\":1024,"
    "\"allow_spoofing\":false,\"id\":1,\"mode\":\"nat\",\"gateway_mac\":\"02:63:00:00:00:01\","
    "\"host_port\":\"cngw1\",\"endpoints\":2}]";

TEST(Lists, JsonIsTheAnswerUnchanged) {
    EXPECT_EQ(shown({"-j", "network", "list"}, kNetworks), std::string(kNetworks) + "\n");
    EXPECT_EQ(shown({"-j", "network", "list"}, "[]"), "[]\n");
    EXPECT_EQ(shown({"-p", "network", "list"}, "[{\"name\":\"web\"}]"),
              "[\n  {\n    \"name\": \"web\"\n  }\n]\n");
    // Escaped, for terminals: still the same JSON.
    EXPECT_EQ(shown({"-j", "network", "list"}, "[\"\\u009b\"]"), "[\"\\u009b\"]\n");
}

TEST(Lists, Networks) {
    EXPECT_EQ(shown({"network"}, kNetworks),
              "NAME  SUBNETS                    GATEWAYS             MODE  ENDPOINTS  HOST-PORT  "
              "OPTIONS\n"
              "web   10.88.0.0/24,10.89.0.0/24  10.88.0.1,10.89.0.1  nat           2  cngw1      "
              "internal,icc-off\n");
    std::string more = shown({"-s", "network"}, kNetworks);
    EXPECT_NE(more.find("GATEWAY-MAC"), std::string::npos);
    EXPECT_NE(more.find("02:63:00:00:00:01"), std::string::npos);
    EXPECT_NE(more.find("5m"), std::string::npos);
}

TEST(Lists, OddAnswersDoNotStopThem) {
    EXPECT_EQ(shown({"sandbox"}, "[{\"name\":\"a\\u001b[31m\"},7,null,{\"path\":[1,{\"x\":2}]}]"),
              "NAME       ENDPOINTS  PATH\n"
              "a\\x1b[31m          -  -\n"
              "-                  -  -\n"
              "-                  -  -\n"
              "-                  -  1,{\"x\":2}\n");
}

TEST(Lists, EndpointInFull) {
    std::string text =
        shown({"endpoint", "show", "e"},
              "{\"id\":4,\"name\":\"e\",\"network\":\"n\",\"netns\":\"/run/netns/s\",\"ifname\":"
              "\"eth0\",\"addresses\":[\"10.88.0.2/24\"],\"mac\":\"02:00:00:00:00:02\","
              "\"default_route\":true,\"host_ifname\":\"cnet4\",\"ifindex\":7,\"state\":\"up\","
              "\"ports\":[\"0.0.0.0:8080->80/tcp\"]}");
    EXPECT_NE(text.find("PORTS          0.0.0.0:8080->80/tcp\n"), std::string::npos) << text;
    EXPECT_NE(text.find("DEFAULT-ROUTE  on\n"), std::string::npos) << text;
}

TEST(Lists, Ports) {
    EXPECT_EQ(shown({"port", "list"},
                    "[{\"id\":1,\"endpoint\":\"e\",\"host_ip\":\"0.0.0.0\",\"host_port\":8000,"
                    "\"host_port_end\":8009,\"port\":80,\"port_end\":89,\"protocol\":\"tcp\","
                    "\"allow_from\":[\"10.0.0.0/8\",\"fd00::/8\"]},"
                    "{\"id\":2,\"endpoint\":\"e\",\"host_ip\":\"::1\",\"host_port\":53,"
                    "\"host_port_end\":53,\"port\":53,\"port_end\":53,\"protocol\":\"udp\",\"allow_"
                    "from\":[]}]"),
              "ENDPOINT  HOST               PORT   PROTOCOL  ALLOW-FROM\n"
              "e         0.0.0.0:8000-8009  80-89  tcp       10.0.0.0/8,fd00::/8\n"
              "e         [::1]:53           53     udp       -\n");
}

TEST(Lists, Flows) {
    EXPECT_EQ(shown({"ct", "list"},
                    "[{\"protocol\":\"tcp\",\"state\":\"established\",\"type\":\"snat\","
                    "\"network\":\"n\",\"src\":\"10.88.0.2\",\"src_port\":40000,\"dst\":"
                    "\"203.0.113.10\",\"dst_port\":443,\"reply_src\":\"203.0.113.10\","
                    "\"reply_src_port\":443,\"reply_dst\":\"192.0.2.1\",\"reply_dst_port\":40000,"
                    "\"age_s\":65,\"idle_s\":5,\"expires_s\":86395}]"),
              "tcp  established  snat  10.88.0.2:40000 -> 203.0.113.10:443  reply "
              "203.0.113.10:443 -> 192.0.2.1:40000  n  expires 23h59m\n");
    EXPECT_EQ(shown({"ct", "list"},
                    "[{\"protocol\":\"icmp\",\"state\":\"new\",\"type\":\"snat\",\"network\":\"n\","
                    "\"src\":\"10.88.0.2\",\"src_port\":7,\"dst\":\"203.0.113.10\",\"dst_port\":0,"
                    "\"reply_src\":\"203.0.113.10\",\"reply_src_port\":0,\"reply_dst\":"
                    "\"192.0.2.1\",\"reply_dst_port\":8,\"expires_s\":60}]"),
              "icmp  new  snat  10.88.0.2 -> 203.0.113.10 id 7  reply 203.0.113.10 -> 192.0.2.1 "
              "id 8  n  expires 1m\n");
    EXPECT_EQ(shown({"ct", "list"}, "[]"), "");
    EXPECT_EQ(shown({"ct", "flush"}, "{\"flushed\":3}"), "flushed 3 flows\n");
}

TEST(Lists, DropsAreGroupedByHook) {
    auto counter = [](const char* hook, const char* reason, const char* kind, int packets) {
        return std::string("{\"hook\":\"") + hook + "\",\"reason\":\"" + reason +
               "\",\"class\":\"" + kind + "\",\"packets\":" + std::to_string(packets) +
               ",\"bytes\":9,\"meaning\":\"m\"}";
    };
    std::string answer = "[" + counter("endpoint", "switched", "forward", 5) + "," +
                         counter("uplink", "no_flow", "drop", 1) + "," +
                         counter("endpoint", "spoofed_mac", "drop", 1) + "," +
                         counter("endpoint", "spoofed_ip", "drop", 10) + "]";
    EXPECT_EQ(shown({"drops"}, answer), "HOOK      REASON       CLASS    PACKETS  BYTES  MEANING\n"
                                        "endpoint  spoofed_ip   drop          10      9  m\n"
                                        "endpoint  spoofed_mac  drop           1      9  m\n"
                                        "endpoint  switched     forward        5      9  m\n"
                                        "uplink    no_flow      drop           1      9  m\n");
}

TEST(Changes, SayWhatCameOut) {
    EXPECT_EQ(shown({"port", "publish", "e", "80"},
                    "{\"id\":1,\"endpoint\":\"e\",\"host_ip\":\"0.0.0.0\",\"host_port\":49153,"
                    "\"host_port_end\":49153,\"port\":80,\"port_end\":80,\"protocol\":\"tcp\"}"),
              "0.0.0.0:49153->80/tcp\n");
    EXPECT_EQ(shown({"network", "delete", "n"}, "{}"), "");
    EXPECT_EQ(shown({"-j", "network", "delete", "n"}, "{}"), "{}\n");
}

TEST(Status, ShowsTheDaemon) {
    std::string text = shown(
        {"status"}, "{\"version\":\"0.1.0\",\"abi_version\":1,\"pid\":42,\"uptime_s\":200,"
                    "\"root\":\"/\",\"kernel\":\"6.1.0\",\"attach\":\"tcx\",\"networks\":1,"
                    "\"sock\":{\"enabled\":true,\"cgroup\":\"/sys/fs/cgroup\",\"error\":null},"
                    "\"endpoints\":2,\"ports\":3,\"uplinks\":4,\"sandboxes\":5,\"connections\":6,"
                    "\"reconcile\":{\"runs\":7,\"repairs\":8,\"last_error\":null}}");
    EXPECT_NE(text.find("CNETD         0.1.0, pid 42, up 3m20s\n"), std::string::npos) << text;
    EXPECT_NE(text.find("REPAIRS       8 in 7 runs\n"), std::string::npos) << text;
    EXPECT_NE(text.find("LAST-ERROR    -\n"), std::string::npos) << text;
    EXPECT_NE(text.find("SOCK          /sys/fs/cgroup\n"), std::string::npos) << text;
}

TEST(Status, ShowsThePinsWithoutADaemon) {
    cnet::test::TemporaryDirectory directory;
    Outcome outcome = run_below(directory.path(), {"-j", "status"});
    EXPECT_EQ(outcome.status, kUnreachable);
    EXPECT_EQ(outcome.out, "{\"cnetd\":null,\"pins\":{\"path\":\"" + (directory / "bpf").string() +
                               "\",\"abi_version\":null,\"maps\":0,\"programs\":0,"
                               "\"attachments\":0}}\n");
    EXPECT_NE(outcome.err.find("is cnetd running?"), std::string::npos);
}

TEST(Pins, AbsentOnesAreNotFound) {
    cnet::test::TemporaryDirectory directory;
    for (const char* object : {"map", "prog"}) {
        Outcome outcome = run_below(directory.path(), {object, "list"});
        EXPECT_EQ(outcome.status, kNotFound);
        EXPECT_NE(outcome.err.find("are pinned below " + (directory / "bpf").string()),
                  std::string::npos)
            << outcome.err;
    }
}

TEST(SandboxExec, NeedsASandbox) {
    FakeServer server(
        [](const Seen&) { return http(200, "[{\"name\":\"s\",\"path\":\"/nonexistent\"}]"); });
    Outcome unknown = run_on(server, {"sandbox", "exec", "t", "--", "true"});
    EXPECT_EQ(unknown.status, kNotFound);
    EXPECT_EQ(unknown.err, "cnet-bpf: no sandbox 't'\n");
    Outcome vanished = run_on(server, {"sandbox", "exec", "s", "--", "true"});
    EXPECT_EQ(vanished.status, kNotFound);
    EXPECT_EQ(vanished.err.rfind("cnet-bpf: sandbox s: ", 0), 0u) << vanished.err;
}

TEST(SandboxExec, WithoutADaemonANameIsNoPath) {
    cnet::test::TemporaryDirectory directory;
    EXPECT_EQ(run_below(directory.path(), {"sandbox", "exec", "../../x", "--", "true"}).status,
              kRefused);
    EXPECT_EQ(run_below(directory.path(), {"sandbox", "exec", "x", "--", "true"}).status,
              kNotFound);
}

TEST(Watch, RepeatsUntilTheAnswerIsARefusal) {
    int answers = 0;
    FakeServer server(
        [&](const Seen&) { return ++answers < 3 ? http(200, "[]") : http(403, "{}"); });
    Outcome outcome = run_on(server, {"--watch", "0.1", "-j", "network"});
    EXPECT_EQ(outcome.status, kRefused);
    EXPECT_EQ(outcome.out, "[]\n[]\n");
}

TEST(Watch, OutlastsARestartOfTheDaemon) {
    int answers = 0;
    FakeServer server([&](const Seen&) -> std::string {
        switch (++answers) {
        case 1:
            return "";
        case 2:
            return http(200, "[]");
        default:
            return http(404, "{}");
        }
    });
    Outcome outcome = run_on(server, {"--watch", "0.1", "-j", "network"});
    EXPECT_EQ(outcome.status, kNotFound);
    EXPECT_EQ(outcome.out, "[]\n");
    EXPECT_NE(outcome.err.find("no whole answer on "), std::string::npos) << outcome.err;
}

TEST(JsonArray, IsTheSameDocumentPieceByPiece) {
    Json whole = Json::parse(R"([{"key":{"a":"x\ny"},"flags":[]},{"key":{"a":2},"flags":["b"]}])");
    for (bool pretty : {false, true}) {
        for (const Json& document : {Json::array(), whole}) {
            std::ostringstream pieces, at_once, err;
            Settings settings;
            settings.pretty = pretty;
            Paths paths;
            Api api("", "");
            Context context{settings, paths, api, pieces, err, {}};
            JsonArrayPrinter printer(context);
            for (const Json& element : document) {
                printer.add(element);
            }
            printer.finish();
            Context{settings, paths, api, at_once, err, {}}.print_json(document);
            EXPECT_EQ(pieces.str(), at_once.str());
        }
    }
}

TEST(Colour, OnlyWhereItIsWanted) {
    FakeServer server([](const Seen&) { return http(200, "[]"); });
    Environment terminal;
    terminal.root = server.root().string();
    terminal.terminal = true;
    auto coloured = [&](const std::vector<std::string>& words) {
        return run_with(terminal, words).out.find('\033') != std::string::npos;
    };
    EXPECT_TRUE(coloured({"network"}));
    EXPECT_FALSE(coloured({"--color", "never", "network"}));
    terminal.no_color = true;
    EXPECT_FALSE(coloured({"network"}));
    EXPECT_TRUE(coloured({"--color", "always", "network"}));
    terminal.no_color = false;
    terminal.terminal = false;
    EXPECT_FALSE(coloured({"network"}));
}

} // namespace
} // namespace cnet::cli
