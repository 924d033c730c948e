// Bridges that are adopted because Docker made them.
#include <gtest/gtest.h>

#include "tests/unit/base/temporary.h"
#include "userspace/store/sqlite_store.h"

namespace cnet::store {
namespace {

TEST(Adopted, DockersComeBackWhole) {
    const control::AdoptedBridge before{"br-1", 8, false, true, false, {{"0122", "front", "", ""}}};
    const control::AdoptedBridge after{
        "br-1",
        8,
        true,
        true,
        false,
        {{"0123", "back", "it is left", "a rule"}},
        {control::Gateway::kKept, *IpAddress::parse("192.0.2.7")},
        {control::Gateway::kRouted, *IpAddress::parse("2001:db8::7")},
        {"eth1", "vpn0"}};
    const control::AdoptedBridge named{"br-2", 9, false};
    const control::AdoptedBridge taken{"br-2", 9, false, true, false, {{"0124", "other", "", ""}}};
    test::TemporaryDirectory directory;
    {
        auto store = SqliteStore::open(directory.path());
        ASSERT_TRUE(store) << store.error().message();
        auto status = (*store)->commit(
            {PutAdopted{before}, PutAdopted{after}, PutAdopted{taken}, PutAdopted{named},
             SetAdoptsDocker{true}, SetAdoptsDocker{true},
             PutAdopted{{"br-3", 10, false, true, false, {{"0125", "gone", "", ""}}}},
             RemoveAdopted{"br-3"}});
        ASSERT_TRUE(status) << status.error().message();
    }
    auto store = SqliteStore::open(directory.path());
    ASSERT_TRUE(store) << store.error().message();
    auto loaded = (*store)->load();
    ASSERT_TRUE(loaded) << loaded.error().message();
    ASSERT_EQ(loaded->state.adopted.size(), 2u);
    EXPECT_EQ(loaded->state.adopted.at("br-1"), after);
    EXPECT_EQ(loaded->state.adopted.at("br-2"), named);
    EXPECT_TRUE(loaded->state.adopts_docker);
    ASSERT_TRUE((*store)->commit({SetAdoptsDocker{false}}));
    loaded = (*store)->load();
    ASSERT_TRUE(loaded);
    EXPECT_FALSE(loaded->state.adopts_docker);
}

} // namespace
} // namespace cnet::store
