// The XDP program of an uplink: natively or not at all, and nobody else's touched.
#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include "loader/inspect.h"
#include "loader/pin.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

using maps::HookDevice;

class XdpTest : public LoaderTest, public testing::WithParamInterface<AttachKind> {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        if (lacks(GetParam())) GTEST_SKIP() << "this kernel has no tcx";
        settings_.attach_kind = GetParam();
        path_ = open(first_image(), settings_);
        ASSERT_NE(path_, nullptr);
        device_ = make_veth("one");
    }

    Status attach(uint32_t device) { return path_->attach(CNET_HOOK_UPLINK_XDP, device, true); }

    uint32_t loaded() { return prog_id(*path_->program("cnet_uplink_xdp")); }

    // 0 without one; natively or the test fails.
    static uint32_t on(uint32_t device) {
        bpf_xdp_query_opts query{};
        query.sz = sizeof(query);
        EXPECT_EQ(bpf_xdp_query(static_cast<int>(device), 0, &query), 0);
        EXPECT_EQ(query.skb_prog_id, 0u);
        return query.drv_prog_id;
    }

    static uint32_t link_id(const std::filesystem::path& pin) {
        UniqueFd fd = open_pin(pin);
        bpf_link_info info{};
        uint32_t size = sizeof(info);
        EXPECT_EQ(bpf_obj_get_info_by_fd(fd.get(), &info, &size), 0);
        return info.id;
    }

    std::filesystem::path pin() const {
        return maps::link_pin(paths_.pins, {CNET_HOOK_UPLINK_XDP, device_});
    }

    using Places = std::vector<HookDevice>;

    DataPathSettings settings_;
    std::unique_ptr<DataPath> path_;
    uint32_t device_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Kinds, XdpTest, testing::Values(AttachKind::kTcx, AttachKind::kClsact),
                         [](const auto& kind) { return std::string(to_string(kind.param)); });

TEST_P(XdpTest, BesideTheTcProgramAndGoneBeforeIt) {
    const HookDevice tc{CNET_HOOK_UPLINK, device_}, xdp{CNET_HOOK_UPLINK_XDP, device_};
    ASSERT_OK(path_->attach(tc.hook, device_, true));
    ASSERT_OK(attach(device_));
    ASSERT_OK(attach(device_));
    EXPECT_EQ(on(device_), loaded());
    auto all = *path_->attachments();
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, (Places{tc, xdp}));
    auto listed = list_attached(paths_.pins);
    ASSERT_OK(listed);
    EXPECT_EQ(std::count_if(listed->begin(), listed->end(),
                            [](const Attached& one) { return one.kind == AttachKind::kXdp; }),
              1);
    ASSERT_OK(path_->detach(xdp.hook, device_));
    ASSERT_OK(path_->detach(xdp.hook, device_));
    EXPECT_EQ(on(device_), 0u);
    EXPECT_EQ(*path_->attachments(), Places{tc});
}

TEST_P(XdpTest, ANewProcessTakesOver) {
    ASSERT_OK(attach(device_));
    const uint32_t before = loaded(), link = link_id(pin());
    path_.reset();
    EXPECT_EQ(on(device_), before);
    path_ = open(second_image(), settings_);
    ASSERT_NE(path_, nullptr);
    EXPECT_NE(loaded(), before);
    EXPECT_EQ(on(device_), loaded());
    EXPECT_EQ(link_id(pin()), link) << "updated, not replaced";
    ASSERT_OK(path_->release());
    EXPECT_EQ(on(device_), 0u);
}

TEST_P(XdpTest, ADeviceThatIsGone) {
    ASSERT_OK(attach(device_));
    ip("link del one");
    EXPECT_EQ(*path_->attachments(), Places{});
    EXPECT_FALSE(std::filesystem::exists(pin())) << "a pin that holds nothing";
    EXPECT_EQ(attach(device_).error().kind(), ErrorKind::kNotFound);
    ASSERT_OK(path_->detach(CNET_HOOK_UPLINK_XDP, device_));
    const uint32_t again = make_veth("one", device_);
    ASSERT_EQ(again, device_);
    ASSERT_OK(attach(again));
    EXPECT_EQ(on(again), loaded());
}

TEST_P(XdpTest, NeverGenericNorOverAnothers) {
    ip("link add flat type bridge");
    const uint32_t flat = ::if_nametoindex("flat");
    EXPECT_EQ(attach(flat).error().kind(), ErrorKind::kInvalid);
    EXPECT_EQ(on(flat), 0u);
    EXPECT_EQ(path_->attach(CNET_HOOK_UPLINK_XDP, device_, false).error().kind(),
              ErrorKind::kInvalid)
        << "no Ethernet header";
    const int theirs = *path_->program("cnet_uplink_xdp");
    for (uint32_t mode : {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE}) {
        ASSERT_EQ(bpf_xdp_attach(static_cast<int>(device_), theirs, mode, nullptr), 0);
        EXPECT_EQ(attach(device_).error().kind(), ErrorKind::kConflict);
        ASSERT_EQ(bpf_xdp_detach(static_cast<int>(device_), mode, nullptr), 0);
    }
    ASSERT_OK(attach(device_));
    EXPECT_NE(bpf_xdp_attach(static_cast<int>(device_), theirs, XDP_FLAGS_DRV_MODE, nullptr), 0);
}

} // namespace

} // namespace cnet::loader
