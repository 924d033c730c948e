#include "userspace/cnet-bpf/text.h"

#include <gtest/gtest.h>

namespace cnet::cli {
namespace {

TEST(Printable, LeavesOrdinaryTextAlone) {
    EXPECT_EQ(printable("web-1.example"), "web-1.example");
    EXPECT_EQ(printable("Zürich 日本 ✓"), "Zürich 日本 ✓");
}

TEST(Printable, EscapesWhatSteersATerminal) {
    EXPECT_EQ(printable("\033[2Jgone"), "\\x1b[2Jgone");
    EXPECT_EQ(printable("a\nb\tc\rd\x7f"), "a\\x0ab\\x09c\\x0dd\\x7f");
    EXPECT_EQ(printable(std::string_view("nul\0", 4)), "nul\\x00");
    EXPECT_EQ(printable("csi \u009b31m"), "csi \\u009b31m");
    EXPECT_EQ(printable("\u202egnp.exe"), "\\u202egnp.exe");
}

TEST(Printable, EscapesWhatIsNotUtf8) {
    EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
    EXPECT_EQ(printable("cut \xe2\x82"), "cut \\xe2\\x82");
    EXPECT_EQ(printable("overlong \xc0\x9b"), "overlong \\xc0\\x9b");
    EXPECT_EQ(printable("overlong \xe0\x82\x9b"), "overlong \\xe0\\x82\\x9b");
    EXPECT_EQ(printable("surrogate \xed\xa0\x80"), "surrogate \\xed\\xa0\\x80");
}

TEST(Clip, CountsCharactersNotBytes) {
    EXPECT_EQ(display_width("Zürich"), 6u);
    EXPECT_EQ(clip("Zürich", 6), "Zürich");
    EXPECT_EQ(clip("Zürich", 3), "Zü…");
    EXPECT_EQ(clip("abc", 1), "…");
    EXPECT_EQ(clip("abc", 0), "");
}

TEST(Human, Seconds) {
    EXPECT_EQ(human_seconds(0), "0s");
    EXPECT_EQ(human_seconds(59), "59s");
    EXPECT_EQ(human_seconds(200), "3m20s");
    EXPECT_EQ(human_seconds(7500), "2h5m");
    EXPECT_EQ(human_seconds(86400), "1d");
    EXPECT_EQ(human_seconds(3 * 86400 + 4 * 3600 + 59), "3d4h");
}

TEST(Human, Bytes) {
    EXPECT_EQ(human_bytes(0), "0B");
    EXPECT_EQ(human_bytes(1023), "1023B");
    EXPECT_EQ(human_bytes(1536), "1.5KiB");
    EXPECT_EQ(human_bytes(20u << 20), "20MiB");
    EXPECT_EQ(human_bytes((1u << 20) - 1), "1.0MiB");
    EXPECT_EQ(human_bytes(~0ull), "16EiB");
}

TEST(Number, IsDigitsAlone) {
    EXPECT_EQ(parse_number("0"), 0u);
    EXPECT_EQ(parse_number("18446744073709551615"), ~0ull);
    for (const char* wrong : {"", "-1", "+1", " 1", "1 ", "0x10", "1.5", "18446744073709551616"}) {
        EXPECT_FALSE(parse_number(wrong)) << wrong;
    }
}

TEST(UrlEncode, MakesOnePathPartOfAnything) {
    EXPECT_EQ(url_encode("web-1_a.b~c"), "web-1_a.b~c");
    EXPECT_EQ(url_encode("a/b?c=d&e#f %"), "a%2Fb%3Fc%3Dd%26e%23f%20%25");
    EXPECT_EQ(url_encode("ü\n"), "%C3%BC%0A");
}

} // namespace
} // namespace cnet::cli
