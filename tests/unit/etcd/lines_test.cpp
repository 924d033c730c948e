#include "userspace/etcd/lines.h"

#include <gtest/gtest.h>

#include <vector>

namespace cnet::etcd {
namespace {

TEST(LineSplitter, GivesTheSameLinesHoweverTheyCome) {
    const std::string text = "one\n\ntwo words\nrest";
    for (size_t piece = 1; piece <= text.size(); piece++) {
        LineSplitter lines(9);
        std::vector<std::string> got;
        for (size_t at = 0; at < text.size(); at += piece) {
            auto fed = lines.feed(text.substr(at, piece), [&](std::string_view line) {
                got.emplace_back(line);
                return true;
            });
            ASSERT_EQ(fed, LineSplitter::Fed::kWell);
        }
        EXPECT_EQ(got, (std::vector<std::string>{"one", "", "two words"})) << piece;
        EXPECT_EQ(lines.rest(), "rest");
    }
}

TEST(LineSplitter, HoldsNoMoreThanItsLimit) {
    auto any = [](std::string_view) { return true; };
    LineSplitter lines(4);
    EXPECT_EQ(lines.feed("123", any), LineSplitter::Fed::kWell);
    EXPECT_EQ(lines.feed("45", any), LineSplitter::Fed::kTooLong);
    LineSplitter whole(4);
    EXPECT_EQ(whole.feed("1234\n12345\n", any), LineSplitter::Fed::kTooLong);
}

TEST(LineSplitter, EndsWithTheLineThatIsRefused) {
    int calls = 0;
    LineSplitter lines(9);
    auto fed = lines.feed("a\nb\n", [&](std::string_view) { return ++calls == 0; });
    EXPECT_EQ(fed, LineSplitter::Fed::kRefused);
    EXPECT_EQ(calls, 1);
}

} // namespace
} // namespace cnet::etcd
