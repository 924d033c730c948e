#include <gtest/gtest.h>

#include <set>

#include "userspace/control/ipam.h"

namespace cnet::control {

namespace {

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

Subnet subnet(const char* prefix, const char* gateway, const char* range = nullptr) {
    Subnet s{*IpPrefix::parse(prefix), ip(gateway), std::nullopt};
    if (range) s.ip_range = *IpPrefix::parse(range);
    return s;
}

class Pool {
public:
    explicit Pool(Subnet s) : subnet_(std::move(s)) {}
    std::string take() {
        auto address = next_address(
            subnet_, [&](const IpAddress& a) { return taken.contains(a); }, last_);
        if (!address) return address.error().message();
        last_ = *address;
        taken.insert(*address);
        return address->to_string();
    }
    std::set<IpAddress> taken;

private:
    Subnet subnet_;
    std::optional<IpAddress> last_;
};

TEST(Ipam, SkipsNetworkGatewayAndBroadcast) {
    Pool pool(subnet("10.0.0.0/29", "10.0.0.3"));
    for (const char* expected : {"10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6",
                                 "no free address is left in 10.0.0.0/29"}) {
        EXPECT_EQ(pool.take(), expected);
    }
}

TEST(Ipam, GoesRoundBeforeItGivesAFreedAddressAgain) {
    Pool pool(subnet("10.0.0.0/29", "10.0.0.1"));
    EXPECT_EQ(pool.take(), "10.0.0.2");
    EXPECT_EQ(pool.take(), "10.0.0.3");
    pool.taken.erase(ip("10.0.0.2"));
    EXPECT_EQ(pool.take(), "10.0.0.4");
    EXPECT_EQ(pool.take(), "10.0.0.5");
    EXPECT_EQ(pool.take(), "10.0.0.6");
    EXPECT_EQ(pool.take(), "10.0.0.2");
}

TEST(Ipam, StaysInTheRange) {
    Pool pool(subnet("10.0.0.0/24", "10.0.0.1", "10.0.0.252/30"));
    for (const char* expected : {"10.0.0.252", "10.0.0.253", "10.0.0.254"})
        EXPECT_EQ(pool.take(), expected);
    EXPECT_EQ(pool.take(), "no free address is left in 10.0.0.252/30");
}

TEST(Ipam, Ipv6HasNoBroadcast) {
    Pool pool(subnet("fd00::/126", "fd00::1"));
    EXPECT_EQ(pool.take(), "fd00::2");
    EXPECT_EQ(pool.take(), "fd00::3");
    EXPECT_EQ(pool.take(), "no free address is left in fd00::/126");
}

TEST(Ipam, ALargePoolIsNotWalked) {
    Pool pool(subnet("fd00::/64", "fd00::1"));
    for (int i = 0; i < 100; i++)
        pool.take();
    EXPECT_EQ(pool.take(), "fd00::66");
}

TEST(Ipam, ExplicitAddresses) {
    const Subnet s = subnet("10.0.0.0/24", "10.0.0.1", "10.0.0.128/25");
    EXPECT_TRUE(check_address(s, ip("10.0.0.9")))
        << "outside of the range is for explicit addresses";
    EXPECT_EQ(check_address(s, ip("10.0.0.1")).error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(check_address(s, ip("10.0.0.0")).error().kind(), ErrorKind::kInvalid);
    EXPECT_EQ(check_address(s, ip("10.0.0.255")).error().kind(), ErrorKind::kInvalid);
}

TEST(Ipam, DefaultPoolsAreDockers) {
    const auto pools = default_pools();
    ASSERT_EQ(pools.size(), 15u + 16u);
    EXPECT_EQ(pools.front().to_string(), "172.17.0.0/16");
    EXPECT_EQ(pools[14].to_string(), "172.31.0.0/16");
    EXPECT_EQ(pools[15].to_string(), "192.168.0.0/20");
    EXPECT_EQ(pools.back().to_string(), "192.168.240.0/20");
}

} // namespace

} // namespace cnet::control
