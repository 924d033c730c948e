#include "userspace/base/ip.h"

#include <gtest/gtest.h>

#include <set>

namespace cnet {
namespace {

IpAddress ip(std::string_view text) {
    auto parsed = IpAddress::parse(text);
    EXPECT_TRUE(parsed) << text;
    return *parsed;
}

IpPrefix prefix(std::string_view text) {
    auto parsed = IpPrefix::parse(text);
    EXPECT_TRUE(parsed) << text;
    return *parsed;
}

TEST(IpAddress, ParsesAndPrintsCanonically) {
    for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
                             "2001:db8::a:0:0:1", "ff02::1"})
        EXPECT_EQ(ip(text).to_string(), text);
    EXPECT_EQ(ip("2001:0DB8:0:0:0:0:0:1").to_string(), "2001:db8::1");
}

TEST(IpAddress, RefusesWhatIsNotExactlyAnAddress) {
    using namespace std::string_view_literals;
    for (const auto text :
         {""sv,          " "sv,          "10.0.0"sv,         "10.0.0.256"sv, "10.0.0.1 "sv,
          " 10.0.0.1"sv, "010.0.0.1"sv,  "10.0.0.1/24"sv,    "10.0.0.1.2"sv, "0x0a000001"sv,
          "1"sv,         "[::1]"sv,      "fe80::1%eth0"sv,   ":::"sv,        "1::2::3"sv,
          "12345::"sv,   "10.0.0.1\0"sv, "10.0.0.1\0junk"sv, "localhost"sv,  "-1.0.0.0"sv,
          "+1.0.0.0"sv,  "10.0.0.1\n"sv}) {
        auto parsed = IpAddress::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().kind(), ErrorKind::kInvalid);
    }
}

TEST(IpAddress, MappedFormIsRefusedWithTheRightOne) {
    auto parsed = IpAddress::parse("::ffff:10.0.0.1");
    ASSERT_FALSE(parsed);
    EXPECT_NE(parsed.error().message().find("write 10.0.0.1"), std::string::npos);
    EXPECT_FALSE(IpAddress::parse("::ffff:a00:1"));
}

TEST(IpAddress, MessagesAreShortAndPrintable) {
    auto parsed = IpAddress::parse(std::string(5000, '\x1b'));
    ASSERT_FALSE(parsed);
    EXPECT_LT(parsed.error().message().size(), 120u);
    EXPECT_EQ(parsed.error().message().find('\x1b'), std::string::npos);
}

TEST(IpAddress, IsTheAbisForm) {
    const auto abi = ip("10.1.2.3").to_abi();
    const uint8_t expected[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
    EXPECT_EQ(std::memcmp(abi.bytes, expected, sizeof(expected)), 0);
    EXPECT_EQ(IpAddress::from_abi(abi), ip("10.1.2.3"));
    EXPECT_EQ(IpAddress::from_v4(0x0a010203), ip("10.1.2.3"));
    EXPECT_EQ(ip("10.1.2.3").v4_host_order(), 0x0a010203u);
    EXPECT_EQ(IpAddress::from_abi(ip("2001:db8::1").to_abi()), ip("2001:db8::1"));
}

TEST(IpAddress, FromBytesTakesTwoSizes) {
    const uint8_t bytes[16] = {192, 0, 2, 1};
    EXPECT_EQ(*IpAddress::from_bytes(bytes, 4), ip("192.0.2.1"));
    EXPECT_FALSE(IpAddress::from_bytes(bytes, 16)->is_v4());
    for (const size_t size : {0u, 3u, 5u, 8u, 15u})
        EXPECT_FALSE(IpAddress::from_bytes(bytes, size)) << size;
}

TEST(IpAddress, Classes) {
    EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
    EXPECT_TRUE(ip("::").is_unspecified());
    EXPECT_TRUE(IpAddress().is_unspecified());
    EXPECT_FALSE(ip("::1").is_unspecified());
    EXPECT_FALSE(ip("0.0.0.1").is_unspecified());

    EXPECT_TRUE(ip("127.0.0.1").is_loopback());
    EXPECT_TRUE(ip("127.255.0.9").is_loopback());
    EXPECT_TRUE(ip("::1").is_loopback());
    EXPECT_FALSE(ip("::2").is_loopback());
    EXPECT_FALSE(ip("128.0.0.1").is_loopback());
    EXPECT_FALSE(ip("1::1").is_loopback());

    EXPECT_TRUE(ip("224.0.0.1").is_multicast());
    EXPECT_TRUE(ip("239.255.255.255").is_multicast());
    EXPECT_TRUE(ip("ff02::1").is_multicast());
    EXPECT_FALSE(ip("240.0.0.0").is_multicast());
    EXPECT_FALSE(ip("223.255.255.255").is_multicast());
    EXPECT_FALSE(ip("fe80::1").is_multicast());
}

TEST(IpAddress, OrdersNumericallyWithinAFamily) {
    const std::set<IpAddress> sorted{ip("10.0.0.10"), ip("10.0.0.9"), ip("9.255.0.0")};
    EXPECT_EQ(sorted.begin()->to_string(), "9.255.0.0");
    EXPECT_EQ(sorted.rbegin()->to_string(), "10.0.0.10");
}

TEST(IpPrefix, ParsesAndKeepsHostBits) {
    for (const char* text :
         {"10.0.0.2/24", "0.0.0.0/0", "10.0.0.1/32", "::/0", "fd00::5/64", "::1/128"})
        EXPECT_EQ(prefix(text).to_string(), text);
}

TEST(IpPrefix, RefusesBadLengths) {
    for (const char* text :
         {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08",
          "10.0.0.0/8 ", "10.0.0.0/ 8", "10.0.0.0/0x8", "10.0.0.0/24/24", "10.0.0.0/255.0.0.0",
          "::/129", "::/4294967296", "/24", "/", "10.0.0/24", "::ffff:10.0.0.0/120"}) {
        auto parsed = IpPrefix::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().kind(), ErrorKind::kInvalid);
    }
}

TEST(IpPrefix, FirstAndLast) {
    const struct {
        const char* prefix;
        const char* network;
        const char* last;
    } cases[] = {
        {"10.1.2.3/24", "10.1.2.0", "10.1.2.255"},
        {"10.1.2.3/0", "0.0.0.0", "255.255.255.255"},
        {"10.1.2.3/32", "10.1.2.3", "10.1.2.3"},
        {"10.1.2.3/31", "10.1.2.2", "10.1.2.3"},
        {"172.31.255.9/12", "172.16.0.0", "172.31.255.255"},
        {"10.1.255.3/23", "10.1.254.0", "10.1.255.255"},
        {"2001:db8:1:2::5/64", "2001:db8:1:2::", "2001:db8:1:2:ffff:ffff:ffff:ffff"},
        {"2001:db8::f5/125", "2001:db8::f0", "2001:db8::f7"},
        {"::5/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"::5/128", "::5", "::5"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(prefix(c.prefix).network().to_string(), c.network) << c.prefix;
        EXPECT_EQ(prefix(c.prefix).last().to_string(), c.last) << c.prefix;
    }
}

TEST(IpPrefix, ContainsAddresses) {
    EXPECT_TRUE(prefix("10.1.2.3/24").contains(ip("10.1.2.255")));
    EXPECT_FALSE(prefix("10.1.2.3/24").contains(ip("10.1.3.0")));
    EXPECT_TRUE(prefix("0.0.0.0/0").contains(ip("255.0.0.1")));
    EXPECT_TRUE(prefix("fd00::/8").contains(ip("fdff::1")));
    EXPECT_FALSE(prefix("fd00::/8").contains(ip("fe00::1")));
}

TEST(IpPrefix, FamiliesNeverContainEachOther) {
    EXPECT_FALSE(prefix("::/0").contains(ip("10.0.0.1")));
    EXPECT_FALSE(prefix("0.0.0.0/0").contains(ip("::1")));
    EXPECT_FALSE(prefix("::/0").overlaps(prefix("10.0.0.0/8")));
    EXPECT_FALSE(prefix("::/0").contains(prefix("10.0.0.0/8")));
}

TEST(IpPrefix, ContainsAndOverlapsPrefixes) {
    const auto wide = prefix("10.0.0.0/8");
    const auto narrow = prefix("10.88.0.1/16");
    EXPECT_TRUE(wide.contains(narrow));
    EXPECT_FALSE(narrow.contains(wide));
    EXPECT_FALSE(prefix("10.0.0.0/16").contains(wide));
    EXPECT_TRUE(wide.overlaps(narrow));
    EXPECT_TRUE(narrow.overlaps(wide));
    EXPECT_TRUE(wide.contains(wide));
    EXPECT_FALSE(prefix("10.0.0.0/9").overlaps(prefix("10.128.0.0/9")));
}

TEST(MacAddress, ParsesAndPrints) {
    auto mac = MacAddress::parse("02:AB:cd:00:00:ff");
    ASSERT_TRUE(mac);
    EXPECT_EQ(mac->to_string(), "02:ab:cd:00:00:ff");
    EXPECT_FALSE(mac->is_multicast());
    EXPECT_FALSE(mac->is_zero());
    EXPECT_TRUE(MacAddress().is_zero());
    EXPECT_TRUE(MacAddress::parse("ff:ff:ff:ff:ff:ff")->is_multicast());
    EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_multicast());
}

TEST(MacAddress, RefusesEverythingElse) {
    for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:00:00", "02-00-00-00-00-01",
                             "2:0:0:0:0:1", "02:00:00:00:00:0g", "02:00:00:00:00:1", "020000000001",
                             "02:00:00:00:00:01 ", "02:00:00:00:00:+1", "02:00:00:00:00001"}) {
        auto parsed = MacAddress::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().kind(), ErrorKind::kInvalid);
    }
}

} // namespace
} // namespace cnet
