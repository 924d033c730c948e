#include <gtest/gtest.h>

#include <future>

#include "tests/unit/etcd/fake_member.h"
#include "userspace/etcd/client.h"

namespace cnet::etcd {
namespace {

using namespace std::chrono_literals;
using test::FakeMember;
using test::nobody;
using test::Reply;
using test::Seen;
using Reason = WatchEnd::Reason;

const std::string kCreated =
    R"({"result":{"header":{"cluster_id":"1","revision":"9"},"created":true}})"
    "\n";

std::string put(const std::string& key_base64, int64_t revision) {
    return R"({"kv":{"key":")" + key_base64 + R"(","mod_revision":")" + std::to_string(revision) +
           R"("}})";
}

std::string message(int64_t revision, const std::string& events, const std::string& more = "") {
    return R"({"result":{"header":{"revision":")" + std::to_string(revision) + "\"}" + more +
           R"(,"events":[)" + events + "]}}\n";
}

struct Watched {
    WatchEnd end;
    std::vector<WatchBatch> batches;
};

Watched watch(std::vector<std::string> endpoints, int64_t from = 1, std::stop_token stop = {},
              std::chrono::milliseconds silence = 60s) {
    ClientConfig config;
    config.endpoints = std::move(endpoints);
    config.watch_silence = silence;
    config.connect_timeout = 500ms;
    auto client = Client::open(config);
    CNET_CHECK(client);
    Watched watched;
    auto keep = [&](const WatchBatch& batch) { watched.batches.push_back(batch); };
    watched.end = client->watch("/cnet/", from, keep, stop);
    // The first says that the watch has begun.
    if (!watched.batches.empty()) {
        EXPECT_TRUE(watched.batches[0].events.empty());
        EXPECT_EQ(watched.batches[0].revision, from - 1);
        watched.batches.erase(watched.batches.begin());
    }
    return watched;
}

// Sends this much of a stream and closes.
FakeMember::Script stream(const std::string& text, size_t piece = std::string::npos) {
    return [=](const Seen&, Reply& reply) {
        reply.begin_stream();
        for (size_t at = 0; at < text.size(); at += std::min(piece, text.size()))
            reply.send(text.substr(at, piece));
        reply.close();
    };
}

TEST(EtcdWatch, AsksForThePrefixFromTheRevision) {
    FakeMember member(stream(kCreated));
    watch({member.endpoint()}, 5);
    auto seen = member.seen();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].path, "/v3/watch");
    EXPECT_EQ(seen[0].body,
              R"({"create_request":{"fragment":true,"key":"L2NuZXQv","progress_notify":true,)"
              R"("range_end":"L2NuZXQw","start_revision":"5"}})");
}

TEST(EtcdWatch, DeliversEventsHoweverTheyAreCut) {
    std::string text = kCreated + message(5, put("YQ==", 4) + "," + put("Yg==", 5)) +
                       message(6, R"({"type":"DELETE","kv":{"key":"YQ==","mod_revision":"6"}})");
    for (size_t piece : {size_t{1}, size_t{7}, text.size()}) {
        FakeMember member(stream(text, piece));
        Watched watched = watch({member.endpoint()});
        EXPECT_EQ(watched.end.reason, Reason::kBroken);
        EXPECT_EQ(watched.end.revision, 6);
        ASSERT_EQ(watched.batches.size(), 2u);
        EXPECT_EQ(watched.batches[0].revision, 5);
        ASSERT_EQ(watched.batches[0].events.size(), 2u);
        EXPECT_EQ(watched.batches[0].events[1].kv.key, "b");
        EXPECT_EQ(watched.batches[1].events[0].type, Event::Type::kDelete);
    }
}

TEST(EtcdWatch, DropsHalfALine) {
    std::string whole = message(5, put("YQ==", 5));
    FakeMember member(stream(kCreated + whole + message(6, put("YQ==", 6)).substr(0, 40)));
    Watched watched = watch({member.endpoint()});
    EXPECT_EQ(watched.end.reason, Reason::kBroken);
    EXPECT_EQ(watched.end.revision, 5);
    EXPECT_EQ(watched.batches.size(), 1u);
}

// What a message of old revisions says about the store's own revision must not be believed.
TEST(EtcdWatch, CountsRevisionsByTheEvents) {
    FakeMember member(stream(kCreated + message(9000, put("YQ==", 1000))));
    EXPECT_EQ(watch({member.endpoint()}).end.revision, 1000);
    FakeMember quiet(stream(kCreated + message(9000, "")));
    Watched progress = watch({quiet.endpoint()});
    EXPECT_EQ(progress.end.revision, 9000);
    ASSERT_EQ(progress.batches.size(), 1u);
    EXPECT_TRUE(progress.batches[0].events.empty());
}

TEST(EtcdWatch, ExpectsMoreOfARevisionAfterAFragment) {
    const std::string kMore = R"(,"fragment":true)";
    FakeMember member(stream(kCreated + message(8, put("YQ==", 7) + "," + put("Yg==", 8), kMore) +
                             message(8, put("Yw==", 8))));
    Watched watched = watch({member.endpoint()});
    ASSERT_EQ(watched.batches.size(), 2u);
    EXPECT_EQ(watched.batches[0].revision, 7);
    EXPECT_EQ(watched.batches[0].events.size(), 2u);
    EXPECT_EQ(watched.batches[1].revision, 8);
    EXPECT_EQ(watched.batches[1].events.size(), 1u);
}

TEST(EtcdWatch, IgnoresEventsOlderThanAskedFor) {
    FakeMember member(stream(kCreated + message(9, put("YQ==", 3) + "," + put("Yg==", 9))));
    Watched watched = watch({member.endpoint()}, 9);
    ASSERT_EQ(watched.batches.size(), 1u);
    ASSERT_EQ(watched.batches[0].events.size(), 1u);
    EXPECT_EQ(watched.batches[0].events[0].kv.key, "b");
}

TEST(EtcdWatch, TellsThatTheRevisionIsCompacted) {
    FakeMember member(stream(kCreated + R"({"result":{"header":{"revision":"90"},"canceled":true,)"
                                        R"("compact_revision":"80"}})"
                                        "\n"));
    FakeMember unused(stream(kCreated));
    Watched watched = watch({member.endpoint(), unused.endpoint()}, 5);
    EXPECT_EQ(watched.end.reason, Reason::kCompacted);
    EXPECT_EQ(watched.end.compact_revision, 80);
    EXPECT_EQ(watched.end.revision, 4);
    EXPECT_EQ(watched.end.error.kind(), ErrorKind::kNotFound);
    EXPECT_TRUE(unused.seen().empty());
}

TEST(EtcdWatch, BeginsAtAMemberThatCan) {
    FakeMember leaderless([](const Seen&, Reply& reply) {
        reply.json(503, R"({"error":{"grpc_code":14,"message":"etcdserver: no leader"}})");
    });
    FakeMember member(stream(kCreated + message(5, put("YQ==", 5))));
    Watched watched = watch({nobody(), leaderless.endpoint(), member.endpoint()});
    EXPECT_EQ(watched.end.revision, 5);
    EXPECT_EQ(leaderless.seen().size(), 1u);
    EXPECT_EQ(watched.end.error.message(), "etcd at " + member.endpoint() + ": it ended the watch");
}

TEST(EtcdWatch, SaysWhyItEnded) {
    const std::pair<std::string, std::string> ends[] = {
        {R"({"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}})"
         "\n",
         "etcdserver: no leader"},
        {R"({"result":{"header":{"revision":"9"},"canceled":true,"cancel_reason":"because"}})"
         "\n",
         "because"},
        {"rubbish\n", "an answer that is not understood: it is no JSON object"},
        {R"({"result":{"header":{"cluster_id":"2","revision":"9"}}})"
         "\n",
         "it is of cluster 2, while others have been of cluster 1"},
    };
    for (const auto& [line, why] : ends) {
        FakeMember member(stream(kCreated + line));
        Watched watched = watch({member.endpoint()});
        EXPECT_EQ(watched.end.reason, Reason::kBroken);
        EXPECT_EQ(watched.end.error.message(), "etcd at " + member.endpoint() + ": " + why);
    }
}

TEST(EtcdWatch, GoesOnElsewhereWhenTheMemberIsSilent) {
    FakeMember silent([](const Seen&, Reply& reply) {
        reply.begin_stream();
        reply.send(kCreated + message(5, put("YQ==", 5)));
        reply.hang();
        reply.close();
    });
    FakeMember other(stream(kCreated + message(6, put("Yg==", 6))));
    Watched watched = watch({silent.endpoint(), other.endpoint()}, 1, {}, 500ms);
    EXPECT_EQ(watched.end.reason, Reason::kBroken);
    EXPECT_EQ(watched.end.revision, 6);
    ASSERT_EQ(watched.batches.size(), 3u);
    EXPECT_EQ(watched.batches[0].events[0].kv.key, "a");
    EXPECT_TRUE(watched.batches[1].events.empty());
    EXPECT_EQ(watched.batches[2].events[0].kv.key, "b");
    auto seen = other.seen();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_NE(seen[0].body.find(R"("start_revision":"6")"), std::string::npos) << seen[0].body;
}

TEST(EtcdWatch, HoldsALineOfBoundedLength) {
    FakeMember member([](const Seen&, Reply& reply) {
        reply.begin_stream();
        std::string endless(1u << 20, 'x');
        for (int i = 0; i < 40; i++)
            reply.send(endless);
        reply.close();
    });
    Watched watched = watch({member.endpoint()});
    EXPECT_EQ(watched.end.reason, Reason::kBroken);
    EXPECT_NE(watched.end.error.message().find("more than 32 MiB"), std::string::npos)
        << watched.end.error.message();
}

TEST(EtcdWatch, StopsAtOnce) {
    std::promise<void> begun;
    FakeMember member([&](const Seen&, Reply& reply) {
        reply.begin_stream();
        reply.send(kCreated);
        begun.set_value();
        reply.hang();
        reply.close();
    });
    std::stop_source source;
    std::chrono::steady_clock::time_point asked;
    std::jthread stopper([&] {
        begun.get_future().wait();
        // Until libcurl has none of the timers left that a connection begins with.
        std::this_thread::sleep_for(700ms);
        asked = std::chrono::steady_clock::now();
        source.request_stop();
    });
    Watched watched = watch({member.endpoint()}, 1, source.get_token());
    auto took = std::chrono::steady_clock::now() - asked;
    EXPECT_EQ(watched.end.reason, Reason::kStopped);
    EXPECT_LT(took, 1s);
}

TEST(EtcdWatch, GetsANewTokenOnce) {
    std::atomic<int> logins = 0;
    FakeMember member([&](const Seen& seen, Reply& reply) {
        if (seen.path == "/v3/auth/authenticate") {
            reply.json(200, R"({"token":"t)" + std::to_string(++logins) + "\"}");
            return;
        }
        reply.begin_stream();
        if (seen.head.find("Authorization: t2") != std::string::npos)
            reply.send(kCreated + message(5, put("YQ==", 5)));
        else
            reply.send(R"({"result":{"header":{"revision":"9"},"created":true,"canceled":true,)"
                       R"("cancel_reason":"rpc error: code = Unauthenticated desc = )"
                       R"(etcdserver: invalid auth token"}})"
                       "\n");
        reply.close();
    });
    ClientConfig config;
    config.endpoints = {member.endpoint()};
    config.user = "cnet";
    auto client = Client::open(config);
    ASSERT_TRUE(client);
    auto end = client->watch("/cnet/", 1, [](const WatchBatch&) {}, {});
    EXPECT_EQ(end.revision, 5) << end.error.message();
    EXPECT_EQ(logins, 2);
}

} // namespace
} // namespace cnet::etcd
