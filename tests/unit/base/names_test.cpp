#include "userspace/base/names.h"

#include <gtest/gtest.h>

#include <string>

namespace cnet {
namespace {

using namespace std::string_view_literals;

TEST(Names, Valid) {
    for (const auto name : {"a"sv, "web"sv, "Web-1_2.x"sv, "0"sv, "10"sv, "10.0.0"sv, "a.."sv})
        EXPECT_TRUE(valid_name(name)) << name;
    EXPECT_TRUE(valid_name(std::string(63, 'a')));
}

TEST(Names, Invalid) {
    for (const auto name :
         {""sv, "."sv, ".."sv, "-a"sv, "_a"sv, ".a"sv, "a b"sv, "a/b"sv, "../a"sv, "a\n"sv,
          "a\0b"sv, "\xc3\xa4"sv, "a\xc3\xa4"sv, "a:b"sv, "a;b"sv, "a$b"sv, "10.0.0.1"sv})
        EXPECT_FALSE(valid_name(name)) << name;
    EXPECT_FALSE(valid_name(std::string(64, 'a')));
}

TEST(Labels, Valid) {
    for (const auto label : {"a"sv, "db"sv, "Web-1_2"sv, "0"sv, "_srv"sv, "a--b"sv})
        EXPECT_TRUE(valid_label(label)) << label;
    EXPECT_TRUE(valid_label(std::string(63, 'a')));
}

TEST(Labels, Invalid) {
    for (const auto label :
         {""sv, "-"sv, "-a"sv, "a-"sv, "a.b"sv, "."sv, "a b"sv, "a\n"sv, "a\0b"sv, "\xc3\xa4"sv})
        EXPECT_FALSE(valid_label(label)) << label;
    EXPECT_FALSE(valid_label(std::string(64, 'a')));
}

TEST(Ifnames, Valid) {
    for (const auto name :
         {"e"sv, "eth0"sv, "..."sv, "-x"sv, "eth0.100"sv, "veth@1"sv, "123456789012345"sv})
        EXPECT_TRUE(valid_ifname(name)) << name;
}

TEST(Ifnames, Invalid) {
    for (const auto name : {""sv, "."sv, ".."sv, "a/b"sv, "a:1"sv, "a b"sv, "a\tb"sv, "a\n"sv,
                            "a\0"sv, "\x7f"sv, "1234567890123456"sv})
        EXPECT_FALSE(valid_ifname(name)) << name;
}

} // namespace
} // namespace cnet
