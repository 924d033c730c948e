#include "loader/libbpf_log.h"
#include "loader/pin.h"
#include "maps/map_fd.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

class ObjectTest : public LoaderTest {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        std::vector<std::string> warnings;
        ASSERT_OK(prepare_pins(paths_, warnings));
        settings_.pins = paths_.pins;
    }

    OtherSizes other_sizes_;
    ObjectSettings settings_{};
};

TEST_F(ObjectTest, SizesComeFromTheSettings) {
    settings_.max_entries["cnet_ct"] = 1000;
    auto object = Object::load(first_image(), settings_, other_sizes_);
    ASSERT_OK(object);
    auto fd = maps::open_pinned_map(maps::map_pin(paths_.pins, "cnet_ct"), maps::Access::kReadOnly);
    ASSERT_OK(fd);
    EXPECT_EQ(maps::map_info(fd->get())->max_entries, 1000u);
    EXPECT_TRUE(other_sizes_.empty());
}

TEST_F(ObjectTest, AnExistingMapIsUsedAndItsSizeTold) {
    settings_.max_entries["cnet_ct"] = 1000;
    ASSERT_OK(Object::load(first_image(), settings_, other_sizes_));
    auto fd = maps::open_pinned_map(maps::map_pin(paths_.pins, "cnet_ct"), maps::Access::kReadOnly);
    ASSERT_OK(fd);
    const uint32_t id = maps::map_info(fd->get())->id;

    settings_.max_entries["cnet_ct"] = 2000;
    ASSERT_OK(Object::load(second_image(), settings_, other_sizes_));
    ASSERT_EQ(other_sizes_.size(), 1u);
    EXPECT_EQ(other_sizes_["cnet_ct"].pinned, 1000u);
    EXPECT_EQ(other_sizes_["cnet_ct"].wanted, 2000u);
    fd = maps::open_pinned_map(maps::map_pin(paths_.pins, "cnet_ct"), maps::Access::kReadOnly);
    ASSERT_OK(fd);
    EXPECT_EQ(maps::map_info(fd->get())->id, id);
}

TEST_F(ObjectTest, AnotherLayoutIsRefused) {
    ASSERT_OK(Object::load(first_image(), settings_, other_sizes_));
    auto object = Object::load(other_layout_image(), settings_, other_sizes_);
    ASSERT_FALSE(static_cast<bool>(object));
    EXPECT_EQ(object.error().kind(), ErrorKind::kConflict);
    EXPECT_NE(object.error().message().find(
                  "key 16, value 8 bytes, flags 1 instead of type 1, key 4, value 512"),
              std::string::npos)
        << object.error().message();
}

TEST_F(ObjectTest, ARefusedProgramComesWithTheVerifiersReason) {
    auto object = Object::load(refused_image(), settings_, other_sizes_);
    ASSERT_FALSE(static_cast<bool>(object));
    EXPECT_NE(object.error().message().find("invalid access to packet"), std::string::npos)
        << object.error().message();
    EXPECT_LT(object.error().message().size(), 2500u);
}

TEST_F(ObjectTest, AnObjectWithoutConfigurationCannotRunDry) {
    settings_.config.dry_run = 1;
    auto object = Object::load(other_layout_image(), settings_, other_sizes_);
    ASSERT_FALSE(static_cast<bool>(object));
    EXPECT_EQ(object.error().message(),
              "load the BPF object other_layout: it has no cnet_cfg, so it cannot run dry");
}

TEST(LibbpfLogTest, TheTailIsWholeLines) {
    LibbpfLog log;
    EXPECT_EQ(log.tail(), "");
    bpf_object* none = bpf_object__open_file("/no/such/object", nullptr);
    EXPECT_EQ(none, nullptr);
    EXPECT_NE(log.tail().find("/no/such/object"), std::string::npos);
    EXPECT_EQ(log.tail().back() == '\n', false);
}

} // namespace

} // namespace cnet::loader
