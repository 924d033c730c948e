#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <unistd.h>

#include "maps/maps.h"
#include "maps/pin_path.h"
#include "maps/reasons.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::maps {

namespace {

using loader::first_image;

TEST(Reasons, NamesAreUniqueAndFound) {
    std::set<std::string_view> names;
    for (uint32_t number = 0; number < CNET_R_COUNT; number++) {
        EXPECT_TRUE(names.insert(reason(number).name).second) << reason(number).name;
        EXPECT_EQ(parse_reason(reason(number).name), static_cast<cnet_reason>(number));
    }
    EXPECT_EQ(reason(CNET_R_SPOOFED_MAC).name, "spoofed_mac");
    EXPECT_EQ(reason(CNET_R_SPOOFED_MAC).reason_class, ReasonClass::kDrop);
    EXPECT_EQ(reason(CNET_R_TO_HOST).reason_class, ReasonClass::kPunt);
    EXPECT_EQ(reason(CNET_R_COUNT).name, "unknown");
    EXPECT_EQ(parse_reason("no_such_reason"), std::nullopt);
}

TEST(PinPath, HookDeviceNamesAreReadBack) {
    HookDevice where{CNET_HOOK_UPLINK_EGRESS, 12};
    EXPECT_EQ(link_pin("/b", where), "/b/links/uplink_egress-12");
    EXPECT_EQ(filter_pin("/b", where), "/b/filters/uplink_egress-12");
    EXPECT_EQ(parse_hook_device("uplink_egress-12"), where);
    for (const char* name : {"uplink_egress", "uplink_egress-", "uplink_egress-012", "-12", "x-12",
                             "uplink-99999999999", "uplink-1x", "new", ""}) {
        EXPECT_EQ(parse_hook_device(name), std::nullopt) << name;
    }
}

class MapsTest : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root: it creates BPF maps";
    }

    static UniqueFd create(bpf_map_type type, uint32_t value_size, uint32_t max_entries) {
        UniqueFd fd(
            bpf_map_create(type, "cnet_test", sizeof(uint32_t), value_size, max_entries, nullptr));
        EXPECT_TRUE(static_cast<bool>(fd)) << std::strerror(errno);
        return fd;
    }
};

TEST_F(MapsTest, UpdateLookUpErase) {
    auto map = TypedMap<uint32_t, uint64_t>::from_fd(create(BPF_MAP_TYPE_HASH, 8, 2));
    ASSERT_OK(map);
    ASSERT_OK(map->update(7, 70));
    auto value = map->lookup(7);
    ASSERT_OK(value);
    EXPECT_EQ(*value, 70u);
    auto absent = map->read_only().lookup(8);
    ASSERT_OK(absent);
    EXPECT_EQ(*absent, std::nullopt);

    EXPECT_EQ(map->update(7, 71, UpdateFlag::kNoExist).error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(map->update(8, 80, UpdateFlag::kExist).error().kind(), ErrorKind::kNotFound);
    ASSERT_OK(map->update(8, 80));
    auto full = map->update(9, 90);
    ASSERT_FALSE(static_cast<bool>(full));
    EXPECT_EQ(full.error().kind(), ErrorKind::kExhausted);
    EXPECT_EQ(full.error().message(), "map cnet_test: update: the map is full");

    ASSERT_OK(map->erase(7));
    ASSERT_OK(map->erase(7));
    auto count = map->count();
    ASSERT_OK(count);
    EXPECT_EQ(*count, 1u);
}

TEST_F(MapsTest, OpeningChecksTheLayout) {
    auto small = TypedMap<uint32_t, uint32_t>::from_fd(create(BPF_MAP_TYPE_HASH, 8, 2));
    ASSERT_FALSE(static_cast<bool>(small));
    EXPECT_EQ(small.error().kind(), ErrorKind::kInvalid);
    // A look-up would write one value a CPU.
    auto per_cpu = TypedMapRo<uint32_t, uint64_t>::from_fd(create(BPF_MAP_TYPE_PERCPU_ARRAY, 8, 2));
    ASSERT_FALSE(static_cast<bool>(per_cpu));
    EXPECT_EQ(per_cpu.error().kind(), ErrorKind::kInvalid);
    EXPECT_EQ((TypedMapRo<uint32_t, uint64_t>::open("/no/such/pin")).error().kind(),
              ErrorKind::kNotFound);
}

TEST_F(MapsTest, WalksSeeEveryEntryOnce) {
    constexpr uint32_t kEntries = 20000; // many batches
    auto map = TypedMap<uint32_t, uint64_t>::from_fd(create(BPF_MAP_TYPE_HASH, 8, kEntries));
    ASSERT_OK(map);
    for (uint32_t key = 0; key < kEntries; key++)
        ASSERT_OK(map->update(key, key * 3ull));

    auto entries = map->snapshot();
    ASSERT_OK(entries);
    std::map<uint32_t, uint64_t> seen(entries->begin(), entries->end());
    EXPECT_EQ(entries->size(), kEntries);
    ASSERT_EQ(seen.size(), kEntries);
    for (auto [key, value] : seen)
        ASSERT_EQ(value, key * 3ull);

    size_t by_key = 0;
    ASSERT_OK(for_each_by_key(map->fd(), map->info(), sizeof(uint64_t), [&](auto, auto) {
        by_key++;
        return true;
    }));
    EXPECT_EQ(by_key, kEntries);

    size_t until_stopped = 0;
    ASSERT_OK(map->for_each([&](uint32_t, uint64_t) { return ++until_stopped < 10; }));
    EXPECT_EQ(until_stopped, 10u);
}

TEST_F(MapsTest, AWalkMayEraseWhatItSees) {
    auto map = TypedMap<uint32_t, uint64_t>::from_fd(create(BPF_MAP_TYPE_HASH, 8, 5000));
    ASSERT_OK(map);
    for (uint32_t key = 0; key < 5000; key++)
        ASSERT_OK(map->update(key, key));
    ASSERT_OK(map->for_each(
        [&](uint32_t key, uint64_t) { EXPECT_TRUE(static_cast<bool>(map->erase(key))); }));
    auto count = map->count();
    ASSERT_OK(count);
    EXPECT_EQ(*count, 0u);
}

TEST_F(MapsTest, WalksAnEmptyMap) {
    auto map = TypedMap<uint32_t, uint64_t>::from_fd(create(BPF_MAP_TYPE_HASH, 8, 10));
    ASSERT_OK(map);
    auto entries = map->snapshot();
    ASSERT_OK(entries);
    EXPECT_TRUE(entries->empty());
}

class PinnedMapsTest : public loader::LoaderTest {};

TEST_F(PinnedMapsTest, BundlesOpenFromPinsAlone) {
    EXPECT_EQ(DataPathMapsRo::open(paths_.pins).error().kind(), ErrorKind::kNotFound);
    ASSERT_NE(open(first_image()), nullptr);
    auto maps = DataPathMaps::open(paths_.pins);
    ASSERT_OK(maps);
    cnet_fdb_key key{5, {2, 0, 0, 0, 0, 1}, {}};
    cnet_fdb_entry entry{};
    entry.ifindex = 42;
    ASSERT_OK(maps->fdb.update(key, entry));

    auto readers = DataPathMapsRo::open(paths_.pins);
    ASSERT_OK(readers);
    auto found = readers->fdb.lookup(key);
    ASSERT_OK(found);
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->ifindex, 42u);
    // Not only by type: the kernel refuses it too.
    auto written = update_raw(readers->fdb.fd(), "cnet_fdb", &key, &entry, UpdateFlag::kAny);
    EXPECT_EQ(written.error().kind(), ErrorKind::kDenied);
}

TEST_F(PinnedMapsTest, SlotsAreSharedMemory) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    auto reader = SlotTableRo::open(map_pin(paths_.pins, "cnet_slot"));
    ASSERT_OK(reader);
    const uint32_t first = CNET_SLOT_INDEX(CNET_L4_UDP, 65000);
    SlotTable& slots = path->maps().slot;
    slots.set_range(first, 100, 9);
    slots.set_binding(SlotTable::size() - 1, CNET_BINDING_BY_ADDR);
    EXPECT_EQ(reader->binding(first - 1), CNET_BINDING_NONE);
    EXPECT_EQ(reader->binding(first), 9u);
    EXPECT_EQ(reader->binding(first + 99), 9u);
    EXPECT_EQ(reader->binding(first + 100), CNET_BINDING_NONE);
    EXPECT_EQ(reader->binding(SlotTable::size() - 1), CNET_BINDING_BY_ADDR);

    // What BPF has written next to a binding stays.
    auto raw = TypedMap<uint32_t, cnet_slot>::open(map_pin(paths_.pins, "cnet_slot"));
    ASSERT_OK(raw);
    ASSERT_OK(raw->update(first, cnet_slot{9, 3}));
    slots.set_binding(first, 10);
    EXPECT_EQ(slots.binding(first), 10u);
    EXPECT_EQ(reader->nat_refs(first), 3u);
}

TEST_F(PinnedMapsTest, CountersSumTheCpus) {
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    Counters& counters = path->maps().counters;
    UniqueFd fd = open_pin(map_pin(paths_.pins, "cnet_counters"));
    std::vector<cnet_counter> per_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
    for (size_t cpu = 0; cpu < per_cpu.size(); cpu++)
        per_cpu[cpu] = {cpu + 1, 100};
    uint32_t index = CNET_COUNTER_INDEX(CNET_HOOK_UPLINK, CNET_R_DNAT);
    ASSERT_EQ(bpf_map_update_elem(fd.get(), &index, per_cpu.data(), 0), 0);

    auto totals = counters.totals();
    ASSERT_OK(totals);
    ASSERT_EQ(totals->size(), size_t{CNET_COUNTER_COUNT});
    EXPECT_EQ((*totals)[index].packets, per_cpu.size() * (per_cpu.size() + 1) / 2);
    EXPECT_EQ((*totals)[index].bytes, per_cpu.size() * 100);
    EXPECT_EQ((*totals)[index + 1].packets, 0u);
    auto one = counters.total(CNET_HOOK_UPLINK, CNET_R_DNAT);
    ASSERT_OK(one);
    EXPECT_EQ(one->bytes, per_cpu.size() * 100);

    ASSERT_OK(counters.reset());
    totals = counters.totals();
    ASSERT_OK(totals);
    EXPECT_EQ((*totals)[index].packets, 0u);
}

} // namespace

} // namespace cnet::maps
