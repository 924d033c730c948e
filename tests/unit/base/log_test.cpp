#include "userspace/base/log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace cnet {
namespace {

TEST(Log, Levels) {
    EXPECT_EQ(*parse_log_level("debug"), LogLevel::kDebug);
    EXPECT_EQ(*parse_log_level("info"), LogLevel::kInfo);
    EXPECT_EQ(*parse_log_level("warn"), LogLevel::kWarning);
    EXPECT_EQ(*parse_log_level("warning"), LogLevel::kWarning);
    EXPECT_EQ(*parse_log_level("error"), LogLevel::kError);
    for (const char* text : {"", "INFO", "trace", "info "})
        EXPECT_FALSE(parse_log_level(text));
}

TEST(Log, JournalStyleHasPriorities) {
    set_up_log(LogLevel::kInfo, LogStyle::kJournal);
    testing::internal::CaptureStderr();
    log_debug("unseen");
    log_info("one");
    log_warning("two");
    log_error("three");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "<6>one\n<4>two\n<3>three\n");
}

TEST(Log, PlainStyleHasTimeAndLevel) {
    set_up_log(LogLevel::kDebug, LogStyle::kPlain);
    testing::internal::CaptureStderr();
    log_debug("what");
    const auto line = testing::internal::GetCapturedStderr();
    EXPECT_NE(line.find(" debug: what\n"), std::string::npos) << line;
    EXPECT_EQ(line.rfind("20", 0), 0u) << line;
}

TEST(Log, OneMessageIsOneLine) {
    set_up_log(LogLevel::kInfo, LogStyle::kJournal);
    testing::internal::CaptureStderr();
    log_info("a\n<0>forged\x1b[31m {} %s \xc3\xa4");
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "<6>a\\x0a<0>forged\\x1b[31m {} %s \xc3\xa4\n");
}

TEST(Log, StyleIsTheJournalsWhenItsStreamIsStderr) {
    struct stat own {};
    ASSERT_EQ(fstat(STDERR_FILENO, &own), 0);
    const auto stream = std::to_string(own.st_dev) + ":" + std::to_string(own.st_ino);
    ASSERT_EQ(setenv("JOURNAL_STREAM", stream.c_str(), 1), 0);
    EXPECT_EQ(detect_log_style(), LogStyle::kJournal);
    ASSERT_EQ(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    EXPECT_EQ(detect_log_style(), LogStyle::kPlain);
    ASSERT_EQ(unsetenv("JOURNAL_STREAM"), 0);
    EXPECT_EQ(detect_log_style(), LogStyle::kPlain);
}

} // namespace
} // namespace cnet
