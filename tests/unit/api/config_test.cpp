#include "userspace/cnetd/config.h"

#include <gtest/gtest.h>

namespace cnet::daemon {
namespace {

std::string fault_of(std::string_view text) {
    auto config = parse_config(text, "cnetd.toml");
    return config ? "" : config.error().message();
}

TEST(Config, HasDefaults) {
    auto config = parse_config("", "cnetd.toml");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->log_level, LogLevel::kInfo);
    EXPECT_EQ(config->api_group, "cnet");
    EXPECT_EQ(config->reconcile_period_s, 30u);
    EXPECT_EQ(config->sweep_period_s, 5u);
    EXPECT_TRUE(config->auto_uplinks);
    EXPECT_TRUE(config->sock);
    EXPECT_EQ(config->sock_cgroup, "");
    EXPECT_TRUE(config->map_sizes.empty());
    EXPECT_EQ(config->timeouts.udp_established, control::Timeouts{}.udp_established);
}

TEST(Config, TakesEveryKey) {
    auto config = parse_config(R"(
[log]
level = "debug"
[maps]
cnet_ct = 1024
cnet_network = 64
[conntrack]
tcp_new_s = 1
tcp_established_s = 2
tcp_closing_s = 3
tcp_time_wait_s = 4
tcp_closed_s = 5
udp_new_s = 6
udp_established_s = 7
icmp_s = 8
fragment_s = 9
generic_s = 10
endpoint_flows = 0
[api]
group = "netops"
[reconcile]
period_s = 60
sweep_period_s = 1
[uplinks]
auto = false
[sock]
enabled = false
cgroup = "/sys/fs/cgroup/system.slice"
[names]
enabled = false
resolvers = ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"]
)",
                               "cnetd.toml");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_FALSE(config->sock);
    EXPECT_FALSE(config->names);
    EXPECT_EQ(config->resolvers.size(), 4u);
    for (const char* wrong : {"\"192.0.2.1\"", "[5]", "[\"resolver.example\"]", "[\"\"]"})
        EXPECT_FALSE(parse_config(std::string("[names]\nresolvers = ") + wrong, "f"));
    EXPECT_EQ(config->sock_cgroup, "/sys/fs/cgroup/system.slice");
    EXPECT_EQ(config->log_level, LogLevel::kDebug);
    EXPECT_EQ(config->map_sizes,
              (std::map<std::string, uint32_t>{
                  {"cnet_ct", 1024}, {"cnet_network", 64}, {"cnet_fdb_count", 64}}));
    const control::Timeouts& timeouts = config->timeouts;
    EXPECT_EQ(timeouts.tcp_new, 1u);
    EXPECT_EQ(timeouts.tcp_established, 2u);
    EXPECT_EQ(timeouts.tcp_closing, 3u);
    EXPECT_EQ(timeouts.tcp_time_wait, 4u);
    EXPECT_EQ(timeouts.tcp_closed, 5u);
    EXPECT_EQ(timeouts.udp_new, 6u);
    EXPECT_EQ(timeouts.udp_established, 7u);
    EXPECT_EQ(timeouts.icmp, 8u);
    EXPECT_EQ(timeouts.generic, 10u);
    EXPECT_EQ(timeouts.fragment, 9u);
    EXPECT_EQ(config->api_group, "netops");
    EXPECT_EQ(config->reconcile_period_s, 60u);
    EXPECT_EQ(config->sweep_period_s, 1u);
    EXPECT_FALSE(config->auto_uplinks);
}

TEST(Config, MetricsListenOnThisHostAlone) {
    auto listen = [](const std::string& text) {
        return parse_config("[metrics]\nlisten = \"" + text + "\"", "f");
    };
    for (const char* right : {"127.0.0.1:9465", "127.9.9.9:1", "[::1]:65535", "/run/cnet/m.sock"}) {
        auto config = listen(right);
        ASSERT_TRUE(config) << right;
        ASSERT_TRUE(config->metrics);
        EXPECT_EQ(config->metrics->text(), right);
    }
    for (const char* wrong :
         {"", "9465", "0.0.0.0:9465", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
          "127.0.0.1:9x", "[::]:9465", "localhost:9465", "m"})
        EXPECT_FALSE(listen(wrong)) << wrong;
    EXPECT_FALSE(parse_config("[metrics]\nlisten = 9465", "f"));
}

TEST(Config, NamesTheLineOfWhatItDoesNotKnow) {
    EXPECT_EQ(fault_of("[log]\nlevel = \"info\"\nlevle = \"info\"\n"),
              "cnetd.toml:3: unknown key [log] levle");
    EXPECT_EQ(fault_of("\n[lgo]\n"), "cnetd.toml:2: unknown section or key \"lgo\"");
    EXPECT_EQ(fault_of("level = 1\n"), "cnetd.toml:1: unknown section or key \"level\"");
    EXPECT_EQ(fault_of("[maps]\ncnet_slot = 10\n"), "cnetd.toml:2: unknown key [maps] cnet_slot");
    EXPECT_EQ(fault_of("log = 1\n"), "cnetd.toml:1: \"log\" must be a section");
}

TEST(Config, NamesTheLineOfAWrongValue) {
    EXPECT_EQ(fault_of("[log]\nlevel = \"loud\"\n"),
              "cnetd.toml:2: [log] level must be \"debug\", \"info\", \"warning\" or \"error\"");
    EXPECT_EQ(fault_of("[reconcile]\nperiod_s = 0\n"),
              "cnetd.toml:2: [reconcile] period_s must be a whole number from 1 to 86400");
    EXPECT_EQ(fault_of("[reconcile]\nperiod_s = \"5\"\n"),
              "cnetd.toml:2: [reconcile] period_s must be a whole number from 1 to 86400");
    EXPECT_EQ(fault_of("[maps]\n\ncnet_ct = 99999999999\n"),
              "cnetd.toml:3: [maps] cnet_ct must be a whole number from 1 to 16777216");
    EXPECT_EQ(fault_of("[uplinks]\nauto = 1\n"),
              "cnetd.toml:2: [uplinks] auto must be true or false");
    EXPECT_EQ(fault_of("[api]\ngroup = true\n"), "cnetd.toml:2: [api] group must be a string");
}

TEST(Config, NamesTheLineOfBadSyntax) {
    EXPECT_EQ(fault_of("[log]\nlevel = \n").rfind("cnetd.toml:2: ", 0), 0u);
}

TEST(Config, SaysWhenThereIsNoFile) {
    auto config = load_config("/nonexistent/cnetd.toml");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().kind(), ErrorKind::kNotFound);
}

TEST(Config, Overlay) {
    auto config = parse_config(
        "[overlay]\nport = 8472\nrouted_port = 8473\naddress = [\"192.0.2.1\", \"2001:db8::1\"]",
        "t");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->overlay.port, 8472);
    EXPECT_EQ(config->overlay.routed_port, 8473);
    EXPECT_EQ(config->overlay.address4->to_string(), "192.0.2.1");
    EXPECT_EQ(config->overlay.address6->to_string(), "2001:db8::1");
    for (const char* wrong :
         {"port = 0", "port = 65536", "address = \"here\"",
          "address = [\"192.0.2.1\", \"192.0.2.2\"]", "vni_range = [1, 2]", "vni_range = \"7\"",
          "vni_range = \"0-7\"", "vni_range = \"8-7\"", "vni_range = \"1-16777216\"",
          "vni_range = \"1 - 7\"", "vni_range = \"1-7-9\"", "vni_range = \"-\""})
        EXPECT_FALSE(parse_config(std::string("[overlay]\n") + wrong, "t")) << wrong;
}

TEST(Config, VniRange) {
    auto unstated = parse_config("", "t");
    ASSERT_TRUE(unstated);
    EXPECT_EQ(unstated->vni_range.first, 4096u);
    EXPECT_EQ(unstated->vni_range.last, 16777215u);
    auto stated = parse_config("[overlay]\nvni_range = \"7-7\"", "t");
    ASSERT_TRUE(stated) << stated.error().message();
    EXPECT_EQ(stated->vni_range.first, 7u);
    EXPECT_EQ(stated->vni_range.last, 7u);
}

} // namespace
} // namespace cnet::daemon
