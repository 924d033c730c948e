#include <bpf/bpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include "loader/inspect.h"
#include "loader/pin.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

using maps::HookDevice;

// Everything that must hold whichever way programs are attached.
class AttachTest : public LoaderTest, public testing::WithParamInterface<AttachKind> {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        if (lacks(GetParam())) GTEST_SKIP() << "this kernel has no tcx";
        settings_.attach_kind = GetParam();
        path_ = open(first_image(), settings_);
        ASSERT_NE(path_, nullptr);
    }

    uint32_t loaded(std::string_view name) {
        auto fd = path_->program(name);
        EXPECT_TRUE(static_cast<bool>(fd)) << fd.error().message();
        return fd ? prog_id(*fd) : 0;
    }

    std::vector<HookDevice> attachments() {
        auto found = path_->attachments();
        EXPECT_TRUE(static_cast<bool>(found)) << found.error().message();
        return found ? *found : std::vector<HookDevice>();
    }

    using Ids = std::vector<uint32_t>;
    using Places = std::vector<HookDevice>;

    DataPathSettings settings_;
    std::unique_ptr<DataPath> path_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, AttachTest, testing::Values(AttachKind::kTcx, AttachKind::kClsact),
                         [](const auto& kind) { return std::string(to_string(kind.param)); });

TEST_P(AttachTest, AttachesOnceAndDetaches) {
    EXPECT_EQ(path_->attach_kind(), GetParam());
    uint32_t device = make_veth("one");
    HookDevice where{CNET_HOOK_ENDPOINT, device};
    ASSERT_OK(path_->attach(where.hook, device, true));
    ASSERT_OK(path_->attach(where.hook, device, true));
    EXPECT_EQ(programs_on(where), Ids{loaded("cnet_endpoint")});
    EXPECT_EQ(attachments(), Places{where});

    ASSERT_OK(path_->detach(where.hook, device));
    ASSERT_OK(path_->detach(where.hook, device));
    EXPECT_EQ(programs_on(where), Ids{});
    EXPECT_EQ(attachments(), Places{});
}

TEST_P(AttachTest, BothSidesOfAnUplink) {
    uint32_t device = make_veth("one");
    HookDevice in{CNET_HOOK_UPLINK, device};
    HookDevice out{CNET_HOOK_UPLINK_EGRESS, device};
    ASSERT_OK(path_->attach(in.hook, device, true));
    ASSERT_OK(path_->attach(out.hook, device, true));
    EXPECT_EQ(programs_on(in), Ids{loaded("cnet_uplink")});
    EXPECT_EQ(programs_on(out), Ids{loaded("cnet_uplink_egress")});
    ASSERT_OK(path_->detach(in.hook, device));
    EXPECT_EQ(programs_on(in), Ids{});
    EXPECT_EQ(programs_on(out), Ids{loaded("cnet_uplink_egress")});
    EXPECT_EQ(attachments(), Places{out});
}

TEST_P(AttachTest, ANewProcessTakesOver) {
    uint32_t device = make_veth("one");
    HookDevice where{CNET_HOOK_HOSTPORT, device};
    ASSERT_OK(path_->attach(where.hook, device, true));
    uint32_t before = loaded("cnet_hostport");
    auto entries_before = on_device(device);
    path_.reset();
    EXPECT_EQ(programs_on(where), Ids{before}) << "the attachment must outlive the process";

    path_ = open(second_image(), settings_);
    ASSERT_NE(path_, nullptr);
    EXPECT_NE(loaded("cnet_hostport"), before);
    EXPECT_EQ(programs_on(where), Ids{loaded("cnet_hostport")});
    EXPECT_EQ(attachments(), Places{where});
    auto entries_after = on_device(device);
    ASSERT_EQ(entries_after.size(), entries_before.size());
    for (size_t i = 0; i < entries_after.size(); i++) {
        EXPECT_EQ(entries_after[i].link_id, entries_before[i].link_id) << "updated, not replaced";
    }
}

TEST_P(AttachTest, DevicesWithoutEthernetKeepTheirProgram) {
    ip("tuntap add mode tun name tun0");
    uint32_t device = ::if_nametoindex("tun0");
    HookDevice in{CNET_HOOK_UPLINK, device};
    HookDevice out{CNET_HOOK_UPLINK_EGRESS, device};
    ASSERT_OK(path_->attach(in.hook, device, false));
    ASSERT_OK(path_->attach(out.hook, device, false));
    EXPECT_EQ(programs_on(in), Ids{loaded("cnet_uplink_l3")});
    path_ = open(second_image(), settings_);
    ASSERT_NE(path_, nullptr);
    EXPECT_EQ(programs_on(in), Ids{loaded("cnet_uplink_l3")});
    EXPECT_EQ(programs_on(out), Ids{loaded("cnet_uplink_egr_l3")});
    EXPECT_EQ(path_->attach(CNET_HOOK_ENDPOINT, device, false).error().kind(), ErrorKind::kInvalid);
}

TEST_P(AttachTest, ADeviceThatIsGone) {
    uint32_t device = make_veth("one");
    ASSERT_OK(path_->attach(CNET_HOOK_ENDPOINT, device, true));
    ip("link del one");
    EXPECT_EQ(attachments(), Places{});
    ASSERT_OK(path_->detach(CNET_HOOK_ENDPOINT, device));
    EXPECT_EQ(path_->attach(CNET_HOOK_ENDPOINT, device, true).error().kind(), ErrorKind::kNotFound);
    EXPECT_TRUE(list_pins(maps::link_dir(paths_.pins))->empty());
    EXPECT_TRUE(list_pins(maps::filter_dir(paths_.pins))->empty());
}

TEST_P(AttachTest, AnIndexThatIsUsedAgain) {
    uint32_t device = make_veth("one", 77);
    HookDevice where{CNET_HOOK_ENDPOINT, device};
    ASSERT_OK(path_->attach(where.hook, device, true));
    ip("link del one");
    ASSERT_EQ(make_veth("two", 77), device);
    EXPECT_EQ(attachments(), Places{}) << "the new device has nothing of the old one's";
    EXPECT_EQ(programs_on(where), Ids{});
    ASSERT_OK(path_->attach(where.hook, device, true));
    EXPECT_EQ(programs_on(where), Ids{loaded("cnet_endpoint")});
    EXPECT_EQ(attachments(), Places{where});
}

TEST_P(AttachTest, AnIndexThatIsUsedAgainBeforeARestart) {
    uint32_t device = make_veth("one", 77);
    HookDevice where{CNET_HOOK_ENDPOINT, device};
    ASSERT_OK(path_->attach(where.hook, device, true));
    path_.reset();
    ip("link del one");
    ASSERT_EQ(make_veth("two", 77), device);
    path_ = open(first_image(), settings_);
    ASSERT_NE(path_, nullptr);
    EXPECT_EQ(programs_on(where), Ids{}) << "a stranger must not be given our program";
    ASSERT_OK(path_->attach(where.hook, device, true));
    EXPECT_EQ(programs_on(where), Ids{loaded("cnet_endpoint")});
}

TEST_P(AttachTest, TheOtherKindIsTakenAwayWhenOneIsForced) {
    if (lacks(AttachKind::kTcx)) GTEST_SKIP() << "this kernel has no tcx";
    uint32_t device = make_veth("one");
    HookDevice where{CNET_HOOK_ENDPOINT, device};
    ASSERT_OK(path_->attach(where.hook, device, true));
    settings_.attach_kind = GetParam() == AttachKind::kTcx ? AttachKind::kClsact : AttachKind::kTcx;
    path_ = open(second_image(), settings_);
    ASSERT_NE(path_, nullptr);
    ASSERT_OK(path_->attach(where.hook, device, true));
    EXPECT_EQ(programs_on(where), Ids{loaded("cnet_endpoint")});
    ASSERT_OK(path_->detach(where.hook, device));
    EXPECT_EQ(programs_on(where), Ids{});
}

TEST_P(AttachTest, ReleaseLeavesNothing) {
    uint32_t device = make_veth("one");
    uint32_t other = make_veth("two");
    ASSERT_OK(path_->attach(CNET_HOOK_UPLINK, device, true));
    ASSERT_OK(path_->attach(CNET_HOOK_UPLINK_EGRESS, device, true));
    ASSERT_OK(path_->attach(CNET_HOOK_ENDPOINT, other, true));
    EXPECT_EQ(attachments().size(), 3u);
    ASSERT_OK(path_->release());
    for (HookDevice where :
         {HookDevice{CNET_HOOK_UPLINK, device}, HookDevice{CNET_HOOK_UPLINK_EGRESS, device},
          HookDevice{CNET_HOOK_ENDPOINT, other}}) {
        EXPECT_EQ(programs_on(where), Ids{}) << maps::hook_device_name(where);
    }
    EXPECT_FALSE(std::filesystem::exists(paths_.pins));
    EXPECT_NE(std::system("tc qdisc show | grep -q clsact"), 0) << "our qdisc is still there";
}

class TcxTest : public LoaderTest {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        if (lacks(AttachKind::kTcx)) GTEST_SKIP() << "this kernel has no tcx";
    }
};

TEST_F(TcxTest, StraysOfOursAreRemovedAndOthersStay) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    uint32_t device = make_veth("one");
    auto ours = path->program("cnet_endpoint");
    auto elsewhere = path->program("cnet_uplink");
    ASSERT_OK(ours);
    ASSERT_OK(elsewhere);
    // A link that no pin holds, a program without a link, and one that does not belong on this
    // hook.
    auto link = tcx_link_create(device, TcxSide::kIngress, *ours);
    ASSERT_OK(link);
    auto stranger = tcx_link_create(device, TcxSide::kIngress, *elsewhere);
    ASSERT_OK(stranger);
    auto second = open(second_image());
    ASSERT_NE(second, nullptr);
    ASSERT_EQ(bpf_prog_attach(*second->program("cnet_endpoint"), static_cast<int>(device),
                              static_cast<bpf_attach_type>(TcxSide::kIngress), 0),
              0);
    ASSERT_EQ(on_device(device).size(), 3u);

    ASSERT_OK(second->attach(CNET_HOOK_ENDPOINT, device, true));
    auto left = on_device(device);
    ASSERT_EQ(left.size(), 2u);
    EXPECT_EQ(left[0].prog_id, prog_id(*elsewhere));
    EXPECT_EQ(left[1].prog_id, prog_id(*second->program("cnet_endpoint")));
    auto warnings = second->take_warnings();
    ASSERT_FALSE(warnings.empty());
    EXPECT_NE(warnings.back().find("removed 2 stray programs"), std::string::npos)
        << warnings.back();

    // Detaching takes strays too.
    auto again = tcx_link_create(device, TcxSide::kIngress, *ours);
    ASSERT_OK(again);
    ASSERT_OK(second->detach(CNET_HOOK_ENDPOINT, device));
    left = on_device(device);
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].prog_id, prog_id(*elsewhere));
}

TEST_F(TcxTest, ALinkDetachedByOthersIsMadeAgain) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    uint32_t device = make_veth("one");
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    UniqueFd link = open_pin(maps::link_pin(paths_.pins, {CNET_HOOK_ENDPOINT, device}));
    ASSERT_EQ(bpf_link_detach(link.get()), 0);
    EXPECT_TRUE(path->attachments()->empty());
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    EXPECT_EQ(on_device(device).size(), 1u);
    EXPECT_EQ(path->attachments()->size(), 1u);
}

TEST_F(TcxTest, ADeviceThatMovedAwayIsNotTheOneWithItsIndex) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    UniqueFd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    enter_new_netns();
    UniqueFd away(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::setns(home.get(), CLONE_NEWNET), 0) << std::strerror(errno);
    uint32_t device = make_veth("one", 77);
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    ip("link set one netns /proc/" + std::to_string(::getpid()) + "/fd/" +
       std::to_string(away.get()));
    ASSERT_EQ(make_veth("two", 77), device);

    EXPECT_TRUE(path->attachments()->empty());
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    EXPECT_EQ(on_device(device).size(), 1u);
    ASSERT_EQ(::setns(away.get(), CLONE_NEWNET), 0) << std::strerror(errno);
    EXPECT_NE(::if_nametoindex("one"), 0u);
    EXPECT_TRUE(on_device(::if_nametoindex("one")).empty()) << "it took our program along";
}

class ClsactTest : public LoaderTest {
protected:
    std::unique_ptr<DataPath> open_by_clsact() {
        DataPathSettings settings;
        settings.attach_kind = AttachKind::kClsact;
        return open(first_image(), settings);
    }
};

TEST_F(ClsactTest, AQdiscOfOthersAndTheirFiltersStay) {
    auto path = open_by_clsact();
    ASSERT_NE(path, nullptr);
    make_veth("theirs");
    make_veth("shared");
    ASSERT_EQ(std::system("tc qdisc add dev theirs clsact"), 0);
    ASSERT_OK(path->attach(CNET_HOOK_UPLINK, ::if_nametoindex("theirs"), true));
    ASSERT_OK(path->attach(CNET_HOOK_UPLINK, ::if_nametoindex("shared"), true));
    std::string program = maps::prog_pin(paths_.pins, "cnet_hostport");
    ASSERT_EQ(
        std::system(
            ("tc filter add dev shared egress prio 7 bpf da object-pinned " + program).c_str()),
        0);
    ASSERT_OK(path->release());
    EXPECT_EQ(std::system("tc qdisc show dev theirs | grep -q clsact"), 0);
    EXPECT_EQ(std::system("tc filter show dev shared egress | grep -q 'pref 7 '"), 0);
    EXPECT_NE(std::system("tc filter show dev shared ingress | grep -q bpf"), 0);
}

TEST_F(ClsactTest, AQdiscOfOursGoesAlsoWhenItsPinWasLost) {
    auto path = open_by_clsact();
    ASSERT_NE(path, nullptr);
    uint32_t device = make_veth("one");
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    std::filesystem::remove_all(maps::filter_dir(paths_.pins));
    ASSERT_OK(make_pin_directories(paths_.pins));
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    ASSERT_OK(path->release());
    EXPECT_NE(std::system("tc qdisc show | grep -q clsact"), 0) << "our qdisc is still there";
}

TEST_F(ClsactTest, AFilterRemovedByOthersIsMadeAgain) {
    auto path = open_by_clsact();
    ASSERT_NE(path, nullptr);
    uint32_t device = make_veth("one");
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    ASSERT_EQ(list_attached(paths_.pins)->size(), 1u);
    ASSERT_EQ(std::system("tc qdisc del dev one clsact"), 0);
    EXPECT_TRUE(list_attached(paths_.pins)->empty()) << "the pin alone says nothing of the device";
    auto detached = list_detached(paths_.pins);
    ASSERT_OK(detached);
    EXPECT_EQ(*detached, (std::vector<maps::HookDevice>{{CNET_HOOK_ENDPOINT, device}}));
    EXPECT_TRUE(path->attachments()->empty());
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    EXPECT_EQ(path->attachments()->size(), 1u);
}

} // namespace

} // namespace cnet::loader
