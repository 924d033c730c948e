#include "userspace/cnet-bpf/table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace cnet::cli {
namespace {

std::string print(const Table& table, const Screen& screen = {}) {
    std::ostringstream out;
    table.print(out, screen);
    return out.str();
}

TEST(Table, AlignsColumnsWithoutTrailingBlanks) {
    Table table({{"NAME"}, {"COUNT", Align::kRight}, {"NOTE"}});
    table.add({{"web"}, {"7"}, {"first"}});
    table.add({{"database"}, {"12345678"}, {"x"}});
    EXPECT_EQ(print(table), "NAME         COUNT  NOTE\n"
                            "web              7  first\n"
                            "database  12345678  x\n");
}

TEST(Table, ShowsADashForNothing) {
    Table table({{"NAME"}, {"NOTE"}});
    table.add({{"web"}, {""}});
    EXPECT_EQ(print(table), "NAME  NOTE\nweb   -\n");
}

TEST(Table, HasItsHeaderEvenWhenEmpty) {
    EXPECT_EQ(print(Table({{"NAME"}, {"NOTE"}})), "NAME  NOTE\n");
    EXPECT_EQ(print(Table({{"NAME"}, {"NOTE"}}, Table::Header::kHidden)), "");
}

TEST(Table, AlignsByCharactersNotBytes) {
    Table table({{"NAME"}, {"NOTE"}});
    table.add({{"Zürich"}, {"a"}});
    table.add({{"Berlin"}, {"b"}});
    EXPECT_EQ(print(table), "NAME    NOTE\nZürich  a\nBerlin  b\n");
}

TEST(Table, EscapesCells) {
    Table table({{"NAME"}, {"NOTE"}});
    table.add({{"a\033[31m"}, {"b\nc"}});
    EXPECT_EQ(print(table), "NAME       NOTE\na\\x1b[31m  b\\x0ac\n");
}

TEST(Table, ShrinksTheWidestOfThoseThatMay) {
    Table table({{"NAME", Align::kLeft, true}, {"MAC"}, {"PATH", Align::kLeft, true}});
    table.add({{"a-long-name"}, {"02:00:00:00:00:01"}, {"/run/netns/a-long-path"}});
    EXPECT_EQ(print(table, {46}), "NAME         MAC                PATH\n"
                                  "a-long-name  02:00:00:00:00:01  /run/netns/a-…\n");
    // Too narrow even so: a column never loses its header nor its last eight characters.
    EXPECT_EQ(print(table, {20}), "NAME      MAC                PATH\n"
                                  "a-long-…  02:00:00:00:00:01  /run/ne…\n");
    // Into a file everything is whole.
    EXPECT_EQ(print(table, {0}), "NAME         MAC                PATH\n"
                                 "a-long-name  02:00:00:00:00:01  /run/netns/a-long-path\n");
}

TEST(Table, ColoursDoNotCountAsWidth) {
    Table table({{"S"}, {"NOTE"}});
    table.add({{"down", Style::kBad}, {"x"}});
    table.add({{"up"}, {"y"}});
    EXPECT_EQ(print(table, {0, true}), "\033[1mS\033[0m     \033[1mNOTE\033[0m\n"
                                       "\033[31mdown\033[0m  x\n"
                                       "up    y\n");
}

} // namespace
} // namespace cnet::cli
