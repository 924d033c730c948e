// Maps whose size in the settings is another one than what they were made with.
#include <algorithm>
#include <bpf/bpf.h>

#include "loader/migrate.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

constexpr uint32_t kSize = 2;

DataPathSettings sized(uint32_t entries) {
    DataPathSettings settings;
    settings.max_entries["cnet_ct"] = entries;
    return settings;
}

cnet_ct_key flow(uint16_t port) {
    cnet_ct_key key{};
    key.src_port_be = port;
    return key;
}

bool warns(DataPath& path, const std::string& words) {
    const auto warnings = path.take_warnings();
    return std::any_of(warnings.begin(), warnings.end(), [&](const std::string& one) {
        return one.find(words) != std::string::npos;
    });
}

// Programs on a device, and as many connections as there is room for.
class ResizeTest : public LoaderTest {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        auto path = LoaderTest::open(first_image(), sized(kSize));
        ASSERT_NE(path, nullptr);
        device_ = make_veth("one");
        ASSERT_OK(path->attach(CNET_HOOK_UPLINK, device_, true));
        for (uint16_t port = 1; port <= kSize; port++) {
            cnet_ct_entry entry{};
            entry.network_id = port;
            ASSERT_OK(path->maps().ct.update(flow(port), entry));
        }
    }

    static void expect_flows(DataPath& path) {
        for (uint16_t port = 1; port <= kSize; port++) {
            auto entry = path.maps().ct.lookup(flow(port));
            ASSERT_OK(entry);
            ASSERT_TRUE(entry->has_value()) << port;
            EXPECT_EQ((*entry)->network_id, port);
        }
    }

    std::filesystem::path aside() const { return maps::maps_aside_dir(paths_.pins); }

    uint32_t device_ = 0;
};

TEST_F(ResizeTest, TheNewMapHasWhatTheOldOneHeld) {
    const auto before = on_device(device_);
    auto path = open(second_image(), sized(1000));
    ASSERT_NE(path, nullptr);
    EXPECT_EQ(path->maps().ct.info().max_entries, 1000u);
    expect_flows(*path);
    EXPECT_TRUE(warns(*path, "cnet_ct 2 entries instead of 1000"));
    EXPECT_FALSE(std::filesystem::exists(aside()));
    const auto after = on_device(device_);
    ASSERT_EQ(after.size(), before.size());
    for (size_t i = 0; i < before.size(); i++)
        EXPECT_EQ(after[i].link_id, before[i].link_id) << "was it detached meanwhile?";
}

TEST_F(ResizeTest, OfTheSameSizeItIsTheSameMap) {
    auto path = open(second_image(), sized(1000));
    ASSERT_NE(path, nullptr);
    const uint32_t id = path->maps().ct.info().id;
    path = open(first_image(), sized(1000));
    ASSERT_NE(path, nullptr);
    EXPECT_EQ(path->maps().ct.info().id, id);
    EXPECT_FALSE(warns(*path, "sizes"));
}

TEST_F(ResizeTest, WhatDoesNotFitKeepsItsSize) {
    auto path = open(second_image(), sized(1));
    ASSERT_NE(path, nullptr);
    EXPECT_EQ(path->maps().ct.info().max_entries, kSize);
    expect_flows(*path);
    EXPECT_TRUE(warns(*path, "maps keep their sizes, cnet_ct 2 entries instead of 1: take the "
                             "entries of map cnet_ct along"));
    EXPECT_FALSE(std::filesystem::exists(aside()));
}

// Programs of the change before may still add to the maps that it set aside.
TEST_F(ResizeTest, OneChangeIsFinishedBeforeTheNext) {
    std::filesystem::create_directory(aside());
    auto path = open(second_image(), sized(1000));
    ASSERT_NE(path, nullptr);
    EXPECT_EQ(path->maps().ct.info().max_entries, kSize);
    EXPECT_TRUE(warns(*path, "restart cnetd"));
    path = open(second_image(), sized(1000));
    ASSERT_NE(path, nullptr);
    EXPECT_EQ(path->maps().ct.info().max_entries, 1000u);
    expect_flows(*path);
}

TEST_F(ResizeTest, ADryDataPathTakesThemAsTheyAre) {
    DataPathSettings settings = sized(1000);
    settings.dry_run = true;
    auto path = open(second_image(), settings);
    ASSERT_NE(path, nullptr);
    EXPECT_EQ(path->maps().ct.info().max_entries, kSize);
    EXPECT_FALSE(warns(*path, "sizes"));
}

} // namespace

} // namespace cnet::loader
