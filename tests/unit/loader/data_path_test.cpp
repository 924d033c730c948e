#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "loader/pin.h"
#include "loader/probe.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

class DataPathTest : public LoaderTest {
protected:
    static bool mentions(const std::vector<std::string>& warnings, std::string_view text) {
        for (const std::string& warning : warnings) {
            if (warning.find(text) != std::string::npos) return true;
        }
        return false;
    }
};

TEST_F(DataPathTest, MapsSurviveAProcess) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    ASSERT_OK(path->maps().host_addr.update(cnet_addr{{1}}, {3, 0}));
    path = open(second_image());
    ASSERT_NE(path, nullptr);
    auto entry = path->maps().host_addr.lookup(cnet_addr{{1}});
    ASSERT_OK(entry);
    ASSERT_TRUE(entry->has_value());
    EXPECT_EQ((*entry)->ifindex, 3u);
}

TEST_F(DataPathTest, AnotherNetworkNamespaceMeansRebuild) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    uint32_t device = make_veth("one");
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    ASSERT_OK(path->maps().host_addr.update(cnet_addr{{1}}, {3, 0}));
    path.reset();
    enter_new_netns();
    ASSERT_EQ(make_veth("one", device), device);

    path = open(first_image());
    ASSERT_NE(path, nullptr);
    EXPECT_TRUE(mentions(path->take_warnings(), "belong to another network namespace"));
    EXPECT_FALSE(path->maps().host_addr.lookup(cnet_addr{{1}})->has_value());
    EXPECT_TRUE(path->attachments()->empty());
    EXPECT_TRUE(programs_on({CNET_HOOK_ENDPOINT, device}).empty());
    auto meta = path->maps().meta.lookup(0);
    ASSERT_OK(meta);
    EXPECT_EQ((*meta)->abi_version, uint32_t{CNET_ABI_VERSION});
}

TEST_F(DataPathTest, AHalfMadeSetOfMapsIsMadeAgain) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    ASSERT_OK(path->maps().host_addr.update(cnet_addr{{1}}, {3, 0}));
    path.reset();
    std::filesystem::remove(maps::map_pin(paths_.pins, "cnet_meta"));
    path = open(first_image());
    ASSERT_NE(path, nullptr);
    EXPECT_FALSE(path->maps().host_addr.lookup(cnet_addr{{1}})->has_value());
}

TEST_F(DataPathTest, MapsThatWereNeverFinishedAreMadeAgain) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    ASSERT_OK(path->maps().host_addr.update(cnet_addr{{1}}, {3, 0}));
    ASSERT_OK(path->maps().meta.update(0, cnet_meta{}));
    path = open(first_image());
    ASSERT_NE(path, nullptr);
    EXPECT_FALSE(path->maps().host_addr.lookup(cnet_addr{{1}})->has_value());
    EXPECT_FALSE(mentions(path->take_warnings(), "another network namespace"));
}

TEST_F(DataPathTest, ACallFromAnotherNamespaceTouchesNothing) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    uint32_t device = make_veth("one");
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    UniqueFd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    enter_new_netns();
    EXPECT_FALSE(static_cast<bool>(path->attachments()));
    EXPECT_FALSE(static_cast<bool>(path->attach(CNET_HOOK_ENDPOINT, device, true)));
    EXPECT_FALSE(static_cast<bool>(path->detach(CNET_HOOK_ENDPOINT, device)));
    EXPECT_FALSE(static_cast<bool>(path->release()));
    ASSERT_EQ(::setns(home.get(), CLONE_NEWNET), 0) << std::strerror(errno);
    EXPECT_EQ(path->attachments()->size(), 1u);
}

TEST_F(DataPathTest, ProgramsOfAnEarlierVersionAreUnpinned) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    ASSERT_OK(replace_pin(*path->program("cnet_gc"), maps::prog_pin(paths_.pins, "cnet_old")));
    path = open(second_image());
    ASSERT_NE(path, nullptr);
    auto names = list_pins(maps::prog_dir(paths_.pins));
    ASSERT_OK(names);
    EXPECT_EQ(*names,
              (std::vector<std::string>{"cnet_endpoint", "cnet_gc", "cnet_hostport", "cnet_uplink",
                                        "cnet_uplink_egr_l3", "cnet_uplink_egress",
                                        "cnet_uplink_l3", "cnet_uplink_xdp"}));
}

TEST_F(DataPathTest, PinsThatWereTakenAwayComeBack) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    const auto device = make_veth("one");
    ASSERT_OK(path->attach(CNET_HOOK_UPLINK, device, true));
    ASSERT_OK(path->maps().host_addr.update(cnet_addr{{1}}, {3, 0}));
    const auto maps = list_pins(maps::map_dir(paths_.pins));
    const auto programs = list_pins(maps::prog_dir(paths_.pins));
    path->take_warnings();
    ASSERT_OK(path->restore_pins());
    EXPECT_TRUE(path->take_warnings().empty()) << "nothing was gone";
    for (const bool mount : {false, true}) {
        if (mount) {
            ASSERT_EQ(::umount2(paths_.pins.c_str(), MNT_DETACH), 0);
        } else {
            ASSERT_OK(remove_all_pins(paths_.pins));
        }
        ASSERT_OK(path->restore_pins());
        EXPECT_TRUE(mentions(path->take_warnings(), "were gone and are back"));
        EXPECT_EQ(*list_pins(maps::map_dir(paths_.pins)), *maps);
        EXPECT_EQ(*list_pins(maps::prog_dir(paths_.pins)), *programs);
        EXPECT_TRUE(path->attachments()->empty());
        ASSERT_OK(path->attach(CNET_HOOK_UPLINK, device, true));
        EXPECT_EQ(path->attachments()->size(), 1u);
    }
    path = open(second_image());
    ASSERT_NE(path, nullptr);
    EXPECT_TRUE(path->maps().host_addr.lookup(cnet_addr{{1}})->has_value()) << "other maps";
}

TEST_F(DataPathTest, SettingsThatCannotBe) {
    DataPathSettings settings;
    settings.max_entries["cnet_slot"] = 10;
    EXPECT_EQ(open_error(first_image(), settings).kind(), ErrorKind::kInvalid);
    settings.max_entries = {{"cnet_ct", 0}};
    EXPECT_EQ(open_error(first_image(), settings).kind(), ErrorKind::kInvalid);
    settings.max_entries = {{"cnet_tc", 10}};
    EXPECT_EQ(open_error(first_image(), settings).message(), "there is no map cnet_tc");
    EXPECT_FALSE(std::filesystem::exists(paths_.pins));
}

TEST_F(DataPathTest, TheCollectorGetsItsCandidates) {
    DataPathSettings settings;
    settings.fib_cache_ms = 777;
    auto path = open(first_image(), settings);
    ASSERT_NE(path, nullptr);
    auto run = [&](auto candidates) {
        auto deleted = path->collect(candidates);
        EXPECT_TRUE(static_cast<bool>(deleted)) << deleted.error().message();
        return deleted ? *deleted : 9999;
    };
    EXPECT_EQ(run(std::vector<cnet_gc_ct>{}), 0u);
    EXPECT_EQ(run(std::vector<cnet_gc_ct>(CNET_GC_BATCH_MAX)), unsigned{CNET_GC_BATCH_MAX});
    EXPECT_EQ(run(std::vector<cnet_gc_fdb>(7)), 7u);
    EXPECT_EQ(run(std::vector<cnet_gc_fdb>(2)), 0u) << "dry_run must not be set";
    EXPECT_EQ(run(std::vector<cnet_gc_fdb>(1)), 1u) << "fib_cache_ms must be in .rodata";
    EXPECT_EQ(path->collect(std::vector<cnet_gc_ct>(CNET_GC_BATCH_MAX + 1)).error().kind(),
              ErrorKind::kInvalid);
}

TEST_F(DataPathTest, ADryOneChangesNothing) {
    DataPathSettings dry;
    dry.dry_run = true;
    EXPECT_EQ(open_error(first_image(), dry).kind(), ErrorKind::kNotFound);
    EXPECT_FALSE(std::filesystem::exists(paths_.pins));

    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    uint32_t device = make_veth("one");
    ASSERT_OK(path->attach(CNET_HOOK_ENDPOINT, device, true));
    auto before = programs_on({CNET_HOOK_ENDPOINT, device});
    auto second = open(second_image(), dry);
    ASSERT_NE(second, nullptr);
    auto dry_run = second->collect(std::vector<cnet_gc_fdb>(2));
    ASSERT_OK(dry_run);
    EXPECT_EQ(*dry_run, 1u) << "dry_run must be in .rodata";
    EXPECT_EQ(second->attach(CNET_HOOK_ENDPOINT, device, true).error().kind(), ErrorKind::kInvalid);
    ASSERT_OK(second->release());
    EXPECT_EQ(programs_on({CNET_HOOK_ENDPOINT, device}), before);
    UniqueFd pinned = open_pin(maps::prog_pin(paths_.pins, "cnet_endpoint"));
    EXPECT_EQ(prog_id(pinned.get()), before[0]);
}

TEST_F(DataPathTest, WithoutPermissionItSaysSo) {
    // In a child, because capabilities do not come back.
    EXPECT_EXIT(
        {
            if (::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
            auto features = probe_kernel();
            if (features) ::_exit(3);
            std::fputs(features.error().message().c_str(), stderr);
            ::_exit(features.error().kind() == ErrorKind::kDenied ? 0 : 4);
        },
        testing::ExitedWithCode(0), "not permitted to use BPF");
}

} // namespace

} // namespace cnet::loader
