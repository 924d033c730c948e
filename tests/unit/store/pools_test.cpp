// Networks with a subnet for each host.
#include <gtest/gtest.h>

#include "tests/unit/base/temporary.h"
#include "userspace/store/sqlite_store.h"

namespace cnet::store {
namespace {

TEST(Pools, TheyAndWhoHasWhichPartComeBackWhole) {
    control::Network pods;
    pods.id = 5;
    pods.name = "pods";
    pods.pool = control::HostPool{*IpPrefix::parse("10.244.0.0/16"), 24};
    const IpPrefix part = *IpPrefix::parse("10.244.7.0/24");
    const IpPrefix gone = *IpPrefix::parse("10.244.8.0/24");
    pods.subnets = {{gone, *IpAddress::parse("10.244.8.1"), {}}};
    const control::HostSubnet subnet{5, part, "b", *IpAddress::parse("192.0.2.7"),
                                     *MacAddress::parse("0a:58:0a:f4:07:00")};
    test::TemporaryDirectory directory;
    {
        auto store = SqliteStore::open(directory.path());
        ASSERT_TRUE(store) << store.error().message();
        auto status = (*store)->commit(
            {PutNetwork{pods}, PutHostSubnet{{5, part, "a", subnet.vtep, subnet.mac}},
             PutHostSubnet{subnet}, PutHostSubnet{{5, gone, "c", subnet.vtep, subnet.mac}},
             RemoveHostSubnet{5, gone}});
        ASSERT_TRUE(status) << status.error().message();
    }
    auto store = SqliteStore::open(directory.path());
    ASSERT_TRUE(store) << store.error().message();
    const auto loaded = (*store)->load();
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->state.networks.at(5), pods);
    ASSERT_EQ(loaded->state.host_subnets.size(), 1u);
    EXPECT_EQ(loaded->state.host_subnets.at({5, part}), subnet);
}

} // namespace
} // namespace cnet::store
