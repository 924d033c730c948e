// From the maps of another version to this version's.
#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "loader/migrate.h"
#include "loader/pin.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/earlier.h"
#include "tests/unit/loader/fixture.h"
#include "tests/unit/loader/later.h"

namespace cnet::loader {

namespace {

constexpr uint32_t kSomePackets = 7;
constexpr uint32_t kReason = 3;

class MigrateTest : public LoaderTest {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        make_data_path(CNET_ABI_VERSION - 1, earlier_image());
        const std::vector<earlier_counter> packets(
            2 * static_cast<size_t>(libbpf_num_possible_cpus()), earlier_counter{kSomePackets});
        ASSERT_EQ(bpf_map_update_elem(open_pin(pin("cnet_counters")).get(), &kReason,
                                      packets.data(), BPF_ANY),
                  0);
    }

    // One of this version, with maps of another one in place of some of its own, and programs on a
    // device.
    void make_data_path(uint32_t version, const ObjectImage& others) {
        auto path = LoaderTest::open(first_image());
        ASSERT_NE(path, nullptr);
        device_ = make_veth("one");
        ASSERT_OK(path->attach(CNET_HOOK_UPLINK, device_, true));
        ASSERT_OK(path->maps().host_addr.update(cnet_addr{{1}}, {3, 0}));
        const cnet_meta meta{version, 0, (*path->maps().meta.lookup(0))->netns_cookie};
        ASSERT_OK(path->maps().meta.update(0, meta));
        make_maps(others);
    }

    std::filesystem::path pin(const char* map) const { return maps::map_pin(paths_.pins, map); }

    void make_maps(const ObjectImage& image) {
        std::unique_ptr<bpf_object, decltype(&bpf_object__close)> object(
            bpf_object__open_mem(image.bytes, image.size, nullptr), &bpf_object__close);
        ASSERT_NE(object, nullptr);
        ASSERT_EQ(bpf_object__load(object.get()), 0);
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object.get()) {
            if (bpf_map__is_internal(map)) continue;
            ASSERT_OK(remove_pin(pin(bpf_map__name(map)))); // where this version has it
            ASSERT_EQ(bpf_obj_pin(bpf_map__fd(map), pin(bpf_map__name(map)).c_str()), 0);
        }
    }

    static void add_flow(const std::filesystem::path& map, uint16_t port) {
        earlier_key forward{};
        forward.src[15] = 2;
        forward.l4_proto = 6;
        forward.zone = 9;
        forward.src_port_be = port;
        earlier_entry entry{};
        entry.other.dst[15] = 2;
        entry.other.dst_port_be = port;
        entry.network_id = 5;
        entry.no_more = 0xffffffff;
        entry.state = CNET_CT_ESTABLISHED;
        entry.kind = CNET_CT_FORWARD;
        entry.last_seen_ns = 1'000'000'007;
        ASSERT_EQ(bpf_map_update_elem(open_pin(map).get(), &forward, &entry, BPF_ANY), 0);
    }
    static cnet_ct_key flow(uint16_t port) {
        cnet_ct_key forward{};
        forward.src.bytes[15] = 2;
        forward.l4_proto = 6;
        forward.zone = 9;
        forward.src_port_be = port;
        return forward;
    }

    uint32_t device_ = 0;
};

TEST_F(MigrateTest, FieldsGoByTheirNames) {
    add_flow(pin("cnet_ct"), 80);
    auto path = open(second_image());
    ASSERT_NE(path, nullptr);
    auto entry = path->maps().ct.lookup(flow(80));
    ASSERT_OK(entry);
    ASSERT_TRUE(entry->has_value());
    cnet_ct_entry expected{};
    expected.last_seen_ns = 1'000'000'007;
    expected.kind = CNET_CT_FORWARD;
    expected.state = CNET_CT_ESTABLISHED;
    expected.other.dst.bytes[15] = 2;
    expected.other.dst_port_be = 80;
    expected.network_id = 5;
    EXPECT_EQ(std::memcmp(&**entry, &expected, sizeof(expected)), 0);
    EXPECT_TRUE(path->maps().host_addr.lookup(cnet_addr{{1}})->has_value());
    auto counted =
        path->maps().counters.total(CNET_HOOK_ENDPOINT, static_cast<cnet_reason>(kReason));
    ASSERT_OK(counted);
    EXPECT_EQ(counted->packets,
              uint64_t{kSomePackets} * static_cast<uint64_t>(libbpf_num_possible_cpus()));
    EXPECT_FALSE(std::filesystem::exists(maps::maps_aside_dir(paths_.pins)));
    const auto warnings = path->take_warnings();
    EXPECT_TRUE(std::any_of(warnings.begin(), warnings.end(), [](const std::string& one) {
        return one.find("its 1 entries of connections were taken along") != std::string::npos;
    }));
}

TEST_F(MigrateTest, AttachmentsStay) {
    const auto before = on_device(device_);
    auto path = open(second_image());
    ASSERT_NE(path, nullptr);
    const auto after = on_device(device_);
    ASSERT_EQ(after.size(), before.size());
    for (size_t i = 0; i < before.size(); i++) {
        EXPECT_EQ(after[i].link_id, before[i].link_id);
        EXPECT_NE(after[i].prog_id, before[i].prog_id);
    }
}

TEST_F(MigrateTest, WhatDoesNotFitLeavesAllAsItWas) {
    add_flow(pin("cnet_ct"), 80);
    add_flow(pin("cnet_ct"), 81);
    const auto before = programs_on({CNET_HOOK_UPLINK, device_});
    DataPathSettings settings;
    settings.max_entries["cnet_ct"] = 1;
    const Error error = open_error(second_image(), settings);
    EXPECT_EQ(error.kind(), ErrorKind::kExhausted) << error.message();
    EXPECT_NE(error.message().find("map cnet_ct"), std::string::npos) << error.message();
    EXPECT_EQ(programs_on({CNET_HOOK_UPLINK, device_}), before);
    EXPECT_FALSE(std::filesystem::exists(maps::maps_aside_dir(paths_.pins)));
    auto path = open(second_image());
    ASSERT_NE(path, nullptr);
    EXPECT_TRUE(path->maps().ct.lookup(flow(81))->has_value());
}

TEST_F(MigrateTest, ProgramsThatAreRefusedLeaveAllAsItWas) {
    add_flow(pin("cnet_ct"), 80);
    open_error(refused_image());
    EXPECT_FALSE(std::filesystem::exists(maps::maps_aside_dir(paths_.pins)));
    auto path = open(second_image());
    ASSERT_NE(path, nullptr);
    EXPECT_TRUE(path->maps().ct.lookup(flow(80))->has_value());
}

// By programs of the version before, which were still attached somewhere; and a crash came between.
TEST_F(MigrateTest, WhatCameMeanwhileFollows) {
    add_flow(pin("cnet_ct"), 80);
    auto aside = maps::maps_aside_dir(paths_.pins);
    ASSERT_OK(set_maps_aside(paths_.pins));
    const UniqueFd earlier = open_pin(aside / "cnet_ct");
    auto path = open(second_image());
    ASSERT_NE(path, nullptr);
    auto changed = **path->maps().ct.lookup(flow(80));
    changed.state = CNET_CT_CLOSING;
    ASSERT_OK(path->maps().ct.update(flow(80), changed));
    path.reset();
    std::filesystem::create_directory(aside);
    ASSERT_EQ(bpf_obj_pin(earlier.get(), (aside / "cnet_ct").c_str()), 0);
    add_flow(aside / "cnet_ct", 81);
    path = open(second_image());
    ASSERT_NE(path, nullptr);
    EXPECT_TRUE(path->maps().ct.lookup(flow(81))->has_value());
    EXPECT_EQ((*path->maps().ct.lookup(flow(80)))->state, CNET_CT_CLOSING) << "it was newer";
    EXPECT_FALSE(std::filesystem::exists(aside));
}

// It would be of the other set's entries, and of a count of changes that begins anew.
TEST_F(MigrateTest, WhatProgramsRememberStaysBehind) {
    ASSERT_OK(set_maps_aside(paths_.pins));
    const std::filesystem::path aside = maps::maps_aside_dir(paths_.pins);
    for (const char* name : {"cnet_memo", "cnet_new"}) {
        const UniqueFd from(bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, 8, 1, nullptr));
        const UniqueFd to(bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, 8, 1, nullptr));
        const uint32_t first = 0;
        const uint64_t remembered = 7;
        ASSERT_EQ(bpf_map_update_elem(from.get(), &first, &remembered, BPF_ANY), 0);
        ASSERT_EQ(bpf_obj_pin(from.get(), (aside / name).c_str()), 0);
        ASSERT_EQ(bpf_obj_pin(to.get(), pin(name).c_str()), 0);
    }
    ASSERT_OK(take_entries_along(paths_.pins));
    for (const auto& [name, expected] : {std::pair("cnet_memo", 0u), std::pair("cnet_new", 7u)}) {
        const uint32_t first = 0;
        uint64_t value = 0;
        ASSERT_EQ(bpf_map_lookup_elem(open_pin(pin(name)).get(), &first, &value), 0);
        EXPECT_EQ(value, expected) << name;
    }
}

TEST_F(MigrateTest, ADryDataPathSaysToRestart) {
    DataPathSettings settings;
    settings.dry_run = true;
    const Error error = open_error(second_image(), settings);
    EXPECT_EQ(error.kind(), ErrorKind::kConflict);
    EXPECT_NE(error.message().find("restart cnetd"), std::string::npos) << error.message();
}

// A version to come left the maps, and this one takes over: a downgrade.
class DowngradeTest : public MigrateTest {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        make_data_path(CNET_ABI_VERSION + 1, later_image());
    }

    // Every byte of what this version does not know is set.
    static later_key key(uint32_t zone, uint16_t port) {
        later_key made{};
        made.src[15] = 2;
        made.dst[0] = 0xfd;
        made.l4_proto = 6;
        made.zone = zone;
        made.src_port_be = port;
        made.more = 0xff;
        return made;
    }
    static later_entry entry(cnet_ct_kind kind, const later_key& other) {
        later_entry made;
        std::memset(&made, 0xff, sizeof(made));
        made.created_ns = 1'000'000'001;
        made.last_seen_ns = 1'000'000'007;
        made.state = CNET_CT_ESTABLISHED;
        made.flags = CNET_CT_FIN_REPLY;
        made.kind = kind;
        made.type = CNET_CT_SNAT;
        made.other = other;
        made.network_id = 5;
        made.binding_id = 6;
        made.fib_mtu = 1400;
        made.fib_ifindex = 7;
        std::memset(made.fib_nexthop, 9, sizeof(made.fib_nexthop));
        made.fib_checked_ns = 1'000'000'003;
        return made;
    }
    static cnet_ct_key expected_key(uint32_t zone, uint16_t port) {
        cnet_ct_key made{};
        made.src.bytes[15] = 2;
        made.dst.bytes[0] = 0xfd;
        made.l4_proto = 6;
        made.zone = zone;
        made.src_port_be = port;
        return made;
    }
    static cnet_ct_entry expected_entry(cnet_ct_kind kind, const cnet_ct_key& other) {
        cnet_ct_entry made{};
        made.created_ns = 1'000'000'001;
        made.last_seen_ns = 1'000'000'007;
        made.state = CNET_CT_ESTABLISHED;
        made.flags = CNET_CT_FIN_REPLY;
        made.kind = kind;
        made.type = CNET_CT_SNAT;
        made.other = other;
        made.network_id = 5;
        made.binding_id = 6;
        made.fib_mtu = 1400;
        made.fib_ifindex = 7;
        std::memset(&made.fib_nexthop, 9, sizeof(made.fib_nexthop));
        made.fib_checked_ns = 1'000'000'003;
        return made;
    }
    void add(const later_key& at, const later_entry& value) {
        ASSERT_EQ(bpf_map_update_elem(open_pin(pin("cnet_ct")).get(), &at, &value, BPF_ANY), 0);
    }
};

// Both entries of a flow, which name each other, with all that this version knows of them.
TEST_F(DowngradeTest, FlowsStay) {
    add(key(9, 80), entry(CNET_CT_FORWARD, key(CNET_ZONE_WORLD, 81)));
    add(key(CNET_ZONE_WORLD, 81), entry(CNET_CT_REVERSE, key(9, 80)));
    const auto before = on_device(device_);
    auto path = open(second_image());
    ASSERT_NE(path, nullptr);
    const cnet_ct_key forward = expected_key(9, 80), reverse = expected_key(CNET_ZONE_WORLD, 81);
    const std::pair<cnet_ct_key, cnet_ct_entry> both[] = {
        {forward, expected_entry(CNET_CT_FORWARD, reverse)},
        {reverse, expected_entry(CNET_CT_REVERSE, forward)}};
    for (const auto& [at, expected] : both) {
        auto found = path->maps().ct.lookup(at);
        ASSERT_OK(found);
        ASSERT_TRUE(found->has_value()) << at.zone;
        EXPECT_EQ(std::memcmp(&**found, &expected, sizeof(expected)), 0) << at.zone;
    }
    EXPECT_EQ((*path->maps().meta.lookup(0))->abi_version, CNET_ABI_VERSION);
    const auto after = on_device(device_);
    ASSERT_EQ(after.size(), before.size());
    for (size_t i = 0; i < before.size(); i++)
        EXPECT_EQ(after[i].link_id, before[i].link_id);
}

// And of what only the later one has nothing is left.
TEST_F(DowngradeTest, CountersStayAndWhatIsNotKnownGoes) {
    const std::vector<later_counter> counted(static_cast<size_t>(libbpf_num_possible_cpus()),
                                             later_counter{~0ull, 100, kSomePackets});
    const uint32_t beyond = CNET_COUNTER_COUNT + 1;
    for (const uint32_t* index : {&kReason, &beyond})
        ASSERT_EQ(bpf_map_update_elem(open_pin(pin("cnet_counters")).get(), index, counted.data(),
                                      BPF_ANY),
                  0);
    ASSERT_GE(open_pin(pin("cnet_later")).get(), 0);
    auto path = open(second_image());
    ASSERT_NE(path, nullptr);
    auto total = path->maps().counters.total(CNET_HOOK_ENDPOINT, static_cast<cnet_reason>(kReason));
    ASSERT_OK(total);
    EXPECT_EQ(total->packets, kSomePackets * counted.size());
    EXPECT_EQ(total->bytes, 100 * counted.size());
    EXPECT_TRUE(path->maps().host_addr.lookup(cnet_addr{{1}})->has_value());
    EXPECT_LT(open_pin(pin("cnet_later")).get(), 0);
    EXPECT_FALSE(std::filesystem::exists(maps::maps_aside_dir(paths_.pins)));
}

} // namespace

} // namespace cnet::loader
