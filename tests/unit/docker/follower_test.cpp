// When Docker is looked at, by an engine of the test's choice.
#include <gtest/gtest.h>

#include <poll.h>

#include <algorithm>

#include "tests/unit/cli/fake_server.h"
#include "userspace/docker/adopt_follower.h"

namespace cnet::test {
namespace {

using cli::test::FakeServer;
using cli::test::http;
using cli::test::Seen;

constexpr int kPatienceMs = 20'000;
constexpr const char* kOneEvent = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n"
                                  "3\r\n{}\n\r\n";

std::string answer(const Seen& seen) {
    if (seen.target.starts_with("/events")) return kOneEvent;
    return http(200, seen.target == "/info" ? "{}" : "[]");
}

size_t looks(const FakeServer& engine) {
    const auto seen = engine.seen();
    return static_cast<size_t>(std::ranges::count_if(
        seen, [](const Seen& one) { return one.target == "/containers/json"; }));
}

// Docker still lists as running what has just ended, and tells nothing when it no longer does.
TEST(AdoptFollower, LooksAgainAfterTheLastEvent) {
    FakeServer engine(answer);
    auto follower = docker::AdoptFollower::open(engine.socket());
    ASSERT_TRUE(follower);
    (*follower)->start();
    pollfd news{(*follower)->fd(), POLLIN, 0};
    while (looks(engine) < 4 && poll(&news, 1, kPatienceMs) == 1)
        (*follower)->take();
    EXPECT_GE(looks(engine), 4u);
}

} // namespace
} // namespace cnet::test
