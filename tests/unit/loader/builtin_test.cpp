// The programs that ship: they load, fit every hook, and the collector understands what loader
// sends it.
#include "loader/pin.h"
#include "maps/map_fd.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

class BuiltinTest : public LoaderTest, public testing::WithParamInterface<AttachKind> {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        if (lacks(GetParam())) GTEST_SKIP() << "this kernel has no tcx";
    }
};

INSTANTIATE_TEST_SUITE_P(Kinds, BuiltinTest, testing::Values(AttachKind::kTcx, AttachKind::kClsact),
                         [](const auto& kind) { return std::string(to_string(kind.param)); });

TEST_P(BuiltinTest, EveryHookAttaches) {
    DataPathSettings settings;
    settings.attach_kind = GetParam();
    auto path = DataPath::open(paths_, settings);
    ASSERT_OK(path);
    uint32_t device = make_veth("one");
    uint32_t inner = make_veth("two");
    ASSERT_OK((*path)->attach(CNET_HOOK_ENDPOINT, inner, true));
    ASSERT_OK((*path)->attach(CNET_HOOK_HOSTPORT, inner, true));
    ASSERT_OK((*path)->attach(CNET_HOOK_UPLINK, device, true));
    ASSERT_OK((*path)->attach(CNET_HOOK_UPLINK_EGRESS, device, true));
    ASSERT_OK((*path)->attach(CNET_HOOK_UPLINK, device, false));
    ASSERT_OK((*path)->attach(CNET_HOOK_UPLINK_EGRESS, device, false));
    path = DataPath::open(paths_, settings);
    ASSERT_OK(path);
    settings.dry_run = true;
    ASSERT_OK(DataPath::open(paths_, settings));
    ASSERT_OK((*path)->release());
}

TEST_P(BuiltinTest, ProgramsForWhatFewHaveAreLoadedOnDemand) {
    const std::vector<std::string> rare = {"cnet_bridge", "cnet_bridgeport", "cnet_uplink_egr_l3",
                                           "cnet_uplink_l3"};
    const auto pinned = [&](const std::string& name) {
        return std::filesystem::exists(maps::prog_pin(paths_.pins, name));
    };
    DataPathSettings settings;
    settings.attach_kind = GetParam();
    auto path = DataPath::open(paths_, settings);
    ASSERT_OK(path);
    EXPECT_TRUE(pinned("cnet_endpoint") && pinned("cnet_uplink") && pinned("cnet_uplink_egress"));
    for (const std::string& name : rare)
        EXPECT_FALSE(pinned(name)) << name;
    const uint32_t device = make_veth("one");
    const UniqueFd map = open_pin(maps::map_pin(paths_.pins, "cnet_port"));
    ASSERT_OK(remove_pin(maps::map_pin(paths_.pins, "cnet_port")));
    ASSERT_OK((*path)->attach(CNET_HOOK_BRIDGE_PORT, device, true));
    ASSERT_OK((*path)->attach(CNET_HOOK_UPLINK, make_veth("two"), false));
    EXPECT_TRUE(pinned("cnet_bridgeport") && pinned("cnet_uplink_l3"));
    EXPECT_FALSE(pinned("cnet_uplink_egr_l3")) << "only what is needed";
    auto again =
        maps::open_pinned_map(maps::map_pin(paths_.pins, "cnet_port"), maps::Access::kReadOnly);
    ASSERT_OK(again);
    EXPECT_EQ(maps::map_info(again->get())->id, maps::map_info(map.get())->id)
        << "on the maps that the others have";
    // What is attached is replaced by the next process, which loads the same.
    const auto before = programs_on({CNET_HOOK_BRIDGE_PORT, device});
    path = DataPath::open(paths_, settings);
    ASSERT_OK(path);
    EXPECT_TRUE(pinned("cnet_bridgeport"));
    EXPECT_NE(programs_on({CNET_HOOK_BRIDGE_PORT, device}), before);
    ASSERT_OK((*path)->detach(CNET_HOOK_BRIDGE_PORT, device));
    path = DataPath::open(paths_, settings);
    ASSERT_OK(path);
    EXPECT_FALSE(pinned("cnet_bridgeport"));
    ASSERT_OK((*path)->release());
}

TEST_P(BuiltinTest, TheCollectorDeletesWhatIsStillAsItWasSeen) {
    DataPathSettings settings;
    settings.attach_kind = GetParam();
    auto opened = DataPath::open(paths_, settings);
    ASSERT_OK(opened);
    DataPath& path = **opened;
    std::vector<cnet_gc_fdb> candidates;
    for (uint8_t i = 0; i < CNET_GC_BATCH_MAX; i++) {
        cnet_fdb_key key{1, {2, 0, 0, 0, 0, i}, {}};
        cnet_fdb_entry entry{};
        entry.last_seen_ns = 1000u + i;
        ASSERT_OK(path.maps().fdb.update(key, entry));
        // Every second entry has been seen again since.
        candidates.push_back({key, 0, i % 2 == 0 ? 1000u + i : 999u});
    }
    ASSERT_OK(path.maps().fdb_count.update(1, CNET_GC_BATCH_MAX));
    auto deleted = path.collect(candidates);
    ASSERT_OK(deleted);
    EXPECT_EQ(*deleted, unsigned{CNET_GC_BATCH_MAX / 2});
    auto left = path.maps().fdb.count();
    ASSERT_OK(left);
    EXPECT_EQ(*left, size_t{CNET_GC_BATCH_MAX / 2});
    auto none = path.collect(std::vector<cnet_gc_ct>(3));
    ASSERT_OK(none);
    EXPECT_EQ(*none, 0u);
}

} // namespace

} // namespace cnet::loader
