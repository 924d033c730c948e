#include "userspace/cni/run.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/unit/base/temporary.h"
#include "tests/unit/cli/fake_server.h"

namespace cnet::cni {
namespace {

struct Printed {
    int status;
    Json out;
    std::string err;
};

Printed run_with(const Environment& environment, const std::string& input) {
    std::ostringstream out;
    std::ostringstream err;
    const int status = run(environment, input, out, err);
    return {status, Json::parse(out.str(), nullptr, false), err.str()};
}

Environment verb(const std::string& command, const std::string& root = "/nowhere") {
    return {command, "id", "/run/netns/x", "eth0", "", "", root};
}

TEST(Run, VersionNeedsNoDaemon) {
    auto said = run_with(verb("VERSION"), R"({"cniVersion":"0.4.0"})");
    EXPECT_EQ(said.status, 0);
    EXPECT_EQ(said.out.dump(),
              R"({"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]})");
    EXPECT_EQ(run_with(verb("VERSION"), "").out["cniVersion"], "1.1.0");
}

TEST(Run, WithoutAVerbItSaysWhatItIs) {
    auto said = run_with(verb(""), "");
    EXPECT_EQ(said.status, 0);
    EXPECT_TRUE(said.out.is_discarded());
    EXPECT_NE(said.err.find("1.1.0"), std::string::npos);
}

TEST(Run, ErrorsAreTheSpecifications) {
    auto said = run_with(verb("GC"), R"({"cniVersion":"1.0.0","name":"net"})");
    EXPECT_EQ(said.status, 1);
    EXPECT_EQ(said.out.dump(), R"({"cniVersion":"1.0.0","code":1,"msg":"config version does not )"
                               R"(allow GC","details":"config is \"1.0.0\""})");
    said = run_with(verb("ADD"), R"({"cniVersion":"0.1.0","name":"net"})");
    EXPECT_EQ(said.out["code"], 1);
    EXPECT_EQ(said.out["cniVersion"], "1.1.0");
}

TEST(Run, StatusDoesNotWaitForADaemon) {
    cnet::test::TemporaryDirectory directory;
    auto said = run_with(verb("STATUS", directory.path().string()),
                         R"({"cniVersion":"1.1.0","name":"net"})");
    EXPECT_EQ(said.status, 1);
    EXPECT_EQ(said.out["code"], 50);
}

TEST(Run, AnotherVersionsDaemon) {
    using cnet::cli::test::http;
    cnet::cli::test::FakeServer server([](const cnet::cli::test::Seen& seen) {
        return http(seen.target.starts_with("/v1/endpoints/") ? 404 : 200, "{}");
    });
    Environment environment = verb("ADD", server.root().string());
    environment.netns = "/proc/self/ns/net";
    auto said = run_with(environment, R"({"cniVersion":"1.0.0","name":"net"})");
    EXPECT_EQ(said.status, 1);
    EXPECT_EQ(said.out["code"], 102) << said.out;
}

} // namespace
} // namespace cnet::cni
