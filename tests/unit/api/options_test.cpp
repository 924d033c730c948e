#include "userspace/cnetd/options.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

namespace cnet::daemon {
namespace {

Invocation parse(std::vector<const char*> words) {
    words.insert(words.begin(), "cnetd");
    return parse_command_line(static_cast<int>(words.size()), const_cast<char**>(words.data()));
}

TEST(Options, DefaultsToTheSystem) {
    Invocation invocation = parse({});
    EXPECT_FALSE(invocation.exit_status);
    EXPECT_EQ(invocation.options.paths().socket, "/run/cnet/cnetd.sock");
    EXPECT_FALSE(invocation.options.config);
    EXPECT_FALSE(invocation.options.log_level);
}

TEST(Options, MovesEverythingBelowTheRoot) {
    Options options = parse({"--root", "/srv/host1/"}).options;
    EXPECT_EQ(options.root, "/srv/host1");
    EXPECT_EQ(options.paths().socket, "/srv/host1/run/cnetd.sock");
    EXPECT_EQ(parse({"--root", "host1"}).options.root, std::filesystem::current_path() / "host1");
    EXPECT_EQ(parse({"--root", "/"}).options.paths().socket, "/run/cnet/cnetd.sock");
}

TEST(Options, TakesTheRootFromTheEnvironment) {
    setenv("CNET_ROOT", "/srv/host2", 1);
    EXPECT_EQ(parse({}).options.root, "/srv/host2");
    EXPECT_EQ(parse({"--root", "/srv/host3"}).options.root, "/srv/host3");
    setenv("CNET_ROOT", "", 1);
    EXPECT_EQ(parse({}).options.root, "/");
    unsetenv("CNET_ROOT");
}

TEST(Options, TakesConfigAndLogLevel) {
    Options options = parse({"--config", "x.toml", "--log-level", "debug"}).options;
    EXPECT_EQ(options.config, "x.toml");
    EXPECT_EQ(options.log_level, LogLevel::kDebug);
}

TEST(Options, EndsWithOneForWhatIsWrong) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(parse({"--log-level", "loud"}).exit_status, 1);
    EXPECT_EQ(parse({"--rot", "/"}).exit_status, 1);
    EXPECT_EQ(parse({"extra"}).exit_status, 1);
    EXPECT_FALSE(testing::internal::GetCapturedStderr().empty());
}

TEST(Options, EndsWithZeroForVersionAndHelp) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(parse({"--version"}).exit_status, 0);
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "cnetd " CNET_VERSION "\n");
    testing::internal::CaptureStdout();
    EXPECT_EQ(parse({"--help"}).exit_status, 0);
    EXPECT_NE(testing::internal::GetCapturedStdout().find("--root"), std::string::npos);
}

} // namespace
} // namespace cnet::daemon
