#include "userspace/cnet-bpf/monitor_words.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "userspace/base/ip.h"

namespace cnet::cli {
namespace {

const MonitorNames kNames{{{"web", 7}}, {{"red", 3}}, {{7, "web"}}};

TEST(MonitorWords, Filter) {
    auto usual = parse_monitor({}, kNames, CNET_EVENT_DROP);
    ASSERT_TRUE(usual);
    EXPECT_EQ(usual->kinds & CNET_EVENT_PACKET, 0u);
    EXPECT_NE(usual->kinds & CNET_EVENT_DROP, 0u);
    auto all =
        parse_monitor({"drops", "packets", "endpoint", "web", "network", "red", "hook", "uplink",
                       "reason", "snat", "proto", "tcp", "addr", "10.0.0.1", "port", "443"},
                      kNames, CNET_EVENT_FLOW_NEW);
    ASSERT_TRUE(all) << all.error().message();
    EXPECT_EQ(all->kinds, unsigned{CNET_EVENT_DROP} | CNET_EVENT_PACKET);
    EXPECT_EQ(all->ifindex, 7u);
    EXPECT_EQ(all->network_id, 3u);
    EXPECT_EQ(all->hook, CNET_HOOK_UPLINK + 1u);
    EXPECT_EQ(all->reason, CNET_R_SNAT + 1u);
    EXPECT_EQ(all->l4_proto, IPPROTO_TCP);
    EXPECT_EQ(ntohs(all->port_be), 443);
    EXPECT_EQ(IpAddress::from_abi(all->addr).to_string(), "10.0.0.1");
}

TEST(MonitorWords, Refused) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"what"},
                                               {"port"},
                                               {"port", "0"},
                                               {"port", "65536"},
                                               {"addr", "x"},
                                               {"proto", "256"},
                                               {"hook", "moon"},
                                               {"reason", "none such"},
                                               {"endpoint", "db"},
                                               {"network", "db"}})
        EXPECT_FALSE(parse_monitor(words, kNames, CNET_EVENT_DROP)) << words[0];
}

TEST(MonitorWords, Shown) {
    cnet_event event{};
    event.kinds = CNET_EVENT_FLOW_NEW;
    event.ifindex = 7;
    event.network_id = 3;
    event.reason = CNET_R_SNAT;
    event.len = 74;
    event.tuple.l4_proto = IPPROTO_TCP;
    event.tuple.src = IpAddress::parse("fd00::2")->to_abi();
    event.tuple.dst = IpAddress::parse("fd00::9")->to_abi();
    event.tuple.dst_port_be = htons(443);
    event.reply = event.tuple;
    Json json = event_json(event, 1000000000, kNames);
    EXPECT_EQ(json["endpoint"], "web");
    EXPECT_EQ(json["network"], "red");
    EXPECT_EQ(json["events"], Json({"flow_new"}));
    EXPECT_EQ(json["becomes"]["src_port"], 443);
    EXPECT_NE(event_text(json).find("tcp fd00::2 -> [fd00::9]:443"), std::string::npos);
    event = {};
    EXPECT_NE(event_text(event_json(event, 0, {})).find("00:00:00:00:00:00 -> "),
              std::string::npos);
}

} // namespace
} // namespace cnet::cli
