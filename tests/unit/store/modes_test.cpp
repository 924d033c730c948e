// Modes of networks.
#include <gtest/gtest.h>

#include "tests/unit/base/temporary.h"
#include "userspace/store/sqlite_store.h"

namespace cnet::store {
namespace {

TEST(Modes, EachComesBack) {
    test::TemporaryDirectory directory;
    auto store = SqliteStore::open(directory.path());
    ASSERT_TRUE(store) << store.error().message();
    using control::Mode;
    for (Mode mode : {Mode::kNat, Mode::kRouted, Mode::kIsolated, Mode::kRoutedPublished}) {
        control::Network one;
        one.id = 1;
        one.name = "web";
        one.mode = mode;
        ASSERT_TRUE((*store)->commit({PutNetwork{one}}));
        EXPECT_EQ((*store)->load()->state.networks.at(1), one);
    }
}

} // namespace
} // namespace cnet::store
