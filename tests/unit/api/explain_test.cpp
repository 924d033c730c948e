// Packets in words become frames, and what the programs told of them becomes words again.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <nlohmann/json.hpp>

#include "maps/reasons.h"
#include "tests/unit/control/world.h"
#include "userspace/api/frame.h"
#include "userspace/api/handlers.h"

namespace cnet::api {
namespace {

using nlohmann::json;

FrameSpec spec(const char* protocol, const char* src, const char* dst) {
    FrameSpec spec;
    spec.protocol = protocol;
    spec.src = *IpAddress::parse(src);
    spec.dst = *IpAddress::parse(dst);
    spec.src_port = 40000;
    spec.dst_port = 443;
    return spec;
}

// A sum over everything that a checksum covers, the checksum too, is all ones.
uint16_t fold(const std::vector<uint8_t>& bytes, size_t from, size_t to, uint32_t sum = 0) {
    for (size_t i = from; i < to; i++)
        sum += (i - from) % 2 ? bytes[i] : static_cast<uint32_t>(bytes[i]) << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

TEST(Frame, ChecksumsAreRight) {
    for (const char* protocol : {"tcp", "udp", "icmp"}) {
        FrameSpec four = spec(protocol, "10.0.0.1", "10.0.0.2");
        four.size = 7;
        auto frame = make_frame(four);
        ASSERT_TRUE(frame);
        EXPECT_EQ(fold(*frame, 14, 34), 0xffff) << protocol;
        const bool icmp = std::string_view(protocol) == "icmp";
        uint32_t pseudo = icmp ? 0u : fold(*frame, 26, 34) + (*frame)[23];
        if (!icmp) pseudo += static_cast<uint32_t>(frame->size() - 34);
        EXPECT_EQ(fold(*frame, 34, frame->size(), pseudo), 0xffff) << protocol;
        auto six = make_frame(spec(protocol, "fd00::1", "fd00::2"));
        ASSERT_TRUE(six);
        pseudo = fold(*six, 22, 54) + (*six)[20] + static_cast<uint32_t>(six->size() - 54);
        EXPECT_EQ(fold(*six, 54, six->size(), pseudo), 0xffff) << protocol;
    }
}

TEST(Frame, WordsThatMakeNone) {
    EXPECT_FALSE(make_frame(spec("gre", "10.0.0.1", "10.0.0.2")));
    EXPECT_FALSE(make_frame(spec("tcp", "10.0.0.1", "fd00::2")));
    FrameSpec odd = spec("tcp", "10.0.0.1", "10.0.0.2");
    odd.flags = "syn,urgent";
    EXPECT_FALSE(make_frame(odd));
    odd.flags = "syn,ack";
    auto frame = make_frame(odd);
    ASSERT_TRUE(frame);
    EXPECT_EQ((*frame)[47], 0x12);
    EXPECT_EQ(make_frame(spec("arp", "10.0.0.1", "10.0.0.2"))->size(), 42u);
    EXPECT_EQ(make_frame(spec("arp", "fd00::1", "fd00::2"))->at(54), 135) << "a solicitation";
}

TEST(Hints, EveryDropHasOne) {
    for (uint32_t reason = 0; reason < CNET_R_COUNT; reason++) {
        const auto& what = maps::reason(reason);
        EXPECT_EQ(maps::hint(reason).empty(), what.reason_class != maps::ReasonClass::kDrop)
            << what.name;
    }
    EXPECT_TRUE(maps::hint(CNET_REASON_MAX).empty());
}

class ExplainTest : public test::World {
protected:
    void SetUp() override {
        World::SetUp();
        auto run = [this](cnet_hook hook, uint32_t ifindex,
                          const std::vector<uint8_t>& frame) -> Result<Explanation> {
            hook_ = hook;
            ifindex_ = ifindex;
            frame_ = frame;
            return Explanation{frame, steps_};
        };
        add_explain_routes(router_, *controller,
                           {run, [](const std::string&) { return MacAddress(); }});
    }

    json ask(const json& body, int status = 200) {
        Response response = router_.handle({"POST", "/v1/explain", {}, body.dump(), 0});
        EXPECT_EQ(response.status, status) << response.body;
        return json::parse(response.body);
    }

    static cnet_trace_step step(cnet_step kind, uint16_t detail = 0, uint32_t value = 0) {
        cnet_trace_step made{};
        made.step = static_cast<uint16_t>(kind);
        made.detail = detail;
        made.value = value;
        return made;
    }

    Router router_;
    cnet_hook hook_{};
    uint32_t ifindex_ = 0;
    std::vector<uint8_t> frame_;
    std::vector<cnet_trace_step> steps_;
};

TEST_F(ExplainTest, EveryStepHasWords) {
    const json frame = {{"in", "eth0"}, {"frame", std::string(28, '0')}};
    for (int kind = 1; kind < CNET_STEP_COUNT; kind++)
        steps_.push_back(step(static_cast<cnet_step>(kind)));
    steps_.back().detail = CNET_R_SPOOFED_IP;
    json answer = ask(frame);
    EXPECT_EQ(answer["steps"].size(), size_t{CNET_STEP_COUNT} - 2) << "the last is the verdict";
    for (const json& one : answer["steps"]) {
        EXPECT_NE(one["step"], "unknown");
        EXPECT_TRUE(one["text"].is_string());
    }
    EXPECT_EQ(answer["verdict"], "drop");
    EXPECT_EQ(answer["reason"], "spoofed_ip");
    EXPECT_EQ(answer["hint"], std::string(maps::hint(CNET_R_SPOOFED_IP)));
    EXPECT_EQ(hook_, CNET_HOOK_UPLINK);
    EXPECT_EQ(frame_.size(), 14u);
}

TEST_F(ExplainTest, Refused) {
    ask({{"protocol", "tcp"}}, 400);
    ask({{"from", "a"}, {"in", "b"}, {"protocol", "tcp"}}, 400);
    ask({{"from", "nobody"}, {"protocol", "tcp"}, {"dst", "10.0.0.1"}}, 404);
    ask({{"in", "nowhere"}, {"protocol", "tcp"}, {"src", "10.0.0.1"}}, 404);
    ask({{"in", "eth0"}, {"frame", "zz"}}, 400);
    ask({{"in", "eth0"}, {"protocol", "tcp"}}, 400);
    Response response = router_.handle({"POST", "/v1/explain", {}, "{}", 1000});
    EXPECT_EQ(response.status, 403) << "only root";
}

} // namespace
} // namespace cnet::api
