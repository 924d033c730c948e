#include "userspace/base/file.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "tests/unit/base/temporary.h"

namespace cnet {
namespace {

class FileTest : public testing::Test {
protected:
    size_t files() const {
        size_t count = 0;
        for ([[maybe_unused]] const auto& entry :
             std::filesystem::directory_iterator(directory_.path()))
            ++count;
        return count;
    }

    test::TemporaryDirectory directory_;
};

TEST_F(FileTest, WritesReadsAndReplaces) {
    const auto path = directory_ / "f";
    const std::string binary("a\0b\n", 4);
    ASSERT_TRUE(write_file_atomically(path, "old"));
    ASSERT_TRUE(write_file_atomically(path, binary, 0600));
    EXPECT_EQ(*read_file(path), binary);
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
    EXPECT_EQ(files(), 1u);
}

TEST_F(FileTest, ReadsFilesOfTheKernelWhichHaveNoSize) {
    auto content = read_file("/proc/self/status");
    ASSERT_TRUE(content);
    EXPECT_EQ(content->rfind("Name:", 0), 0u);
}

TEST_F(FileTest, SaysWhatIsWrong) {
    EXPECT_EQ(read_file(directory_ / "absent").error().kind(), ErrorKind::kNotFound);
    EXPECT_EQ(read_file(directory_.path()).error().kind(), ErrorKind::kSystem);
    EXPECT_EQ(write_file_atomically(directory_ / "no" / "f", "x").error().kind(),
              ErrorKind::kNotFound);
    ASSERT_TRUE(write_file_atomically(directory_ / "f", "12345"));
    EXPECT_TRUE(read_file(directory_ / "f", 5));
    EXPECT_EQ(read_file(directory_ / "f", 4).error().kind(), ErrorKind::kInvalid);
}

TEST_F(FileTest, FailedWriteLeavesTheOldFileAndNoOther) {
    const auto path = directory_ / "taken";
    std::filesystem::create_directories(path / "by-a-directory");
    EXPECT_FALSE(write_file_atomically(path, "x"));
    EXPECT_TRUE(std::filesystem::is_directory(path));
    EXPECT_EQ(files(), 1u);
}

TEST_F(FileTest, LockNamesItsHolder) {
    const auto path = directory_ / "run" / "lock";
    {
        auto held = FileLock::acquire(path);
        ASSERT_TRUE(held) << held.error().message();
        auto second = FileLock::acquire(path);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().kind(), ErrorKind::kConflict);
        EXPECT_EQ(second.error().message(),
                  path.string() + " is held by process " + std::to_string(getpid()));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(FileLock::acquire(path));
}

TEST_F(FileTest, LockMovesWithItsObject) {
    const auto path = directory_ / "lock";
    std::optional<FileLock> kept;
    {
        auto held = FileLock::acquire(path);
        ASSERT_TRUE(held);
        kept.emplace(std::move(*held));
    }
    EXPECT_FALSE(FileLock::acquire(path));
    kept.reset();
    EXPECT_TRUE(FileLock::acquire(path));
}

TEST_F(FileTest, LockOfAKilledProcessIsFree) {
    const auto path = directory_ / "lock";
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // also when the test has given up
        auto held = FileLock::acquire(path);
        const char byte = held ? 1 : 0;
        if (write(ready[1], &byte, 1) == 1) pause();
        _exit(1);
    }
    char locked = 0;
    ASSERT_EQ(read(ready[0], &locked, 1), 1);
    EXPECT_EQ(locked, 1);
    auto refused = FileLock::acquire(path);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("process " + std::to_string(child)),
              std::string::npos);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_TRUE(FileLock::acquire(path));
}

} // namespace
} // namespace cnet
