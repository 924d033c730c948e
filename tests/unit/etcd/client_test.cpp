#include "userspace/etcd/client.h"

#include <gtest/gtest.h>

#include <future>

#include "tests/unit/etcd/fake_member.h"

namespace cnet::etcd {
namespace {

using namespace std::chrono_literals;
using test::FakeMember;
using test::nobody;
using test::Reply;
using test::Seen;

const std::string kHeader = R"("header":{"cluster_id":"1","revision":"7"})";
const std::string kDone = "{" + kHeader + R"(,"succeeded":true})";

std::string refusal(int code, const std::string& message) {
    return R"({"error":")" + message + R"(","message":")" + message + R"(","code":)" +
           std::to_string(code) + "}";
}

Client client_of(std::vector<std::string> endpoints, std::chrono::milliseconds timeout = 20s,
                 std::stop_token stop = {}) {
    ClientConfig config;
    config.endpoints = std::move(endpoints);
    config.request_timeout = timeout;
    auto client = Client::open(config, std::move(stop));
    CNET_CHECK(client);
    return std::move(*client);
}

Result<TxnResult> write_something(Client& client) {
    return client.txn({Compare::absent("a")}, {Put{"a", "1"}});
}

TEST(EtcdClient, RefusesConfigurationsThatCannotWork) {
    EXPECT_EQ(Client::open({}).error().kind(), ErrorKind::kInvalid);
    ClientConfig path;
    path.endpoints = {"http://127.0.0.1:1/x"};
    EXPECT_EQ(Client::open(path).error().kind(), ErrorKind::kInvalid);
    ClientConfig half;
    half.endpoints = {"https://127.0.0.1:1"};
    half.tls.cert = "/tmp/cert.pem";
    EXPECT_EQ(Client::open(half).error().kind(), ErrorKind::kInvalid);
}

TEST(EtcdClient, SendsATransactionAndReadsItsResult) {
    FakeMember member([](const Seen&, Reply& reply) { reply.json(200, kDone); });
    Client client = client_of({member.endpoint()});
    for (int i = 0; i < 2; i++) {
        auto result = write_something(client);
        ASSERT_TRUE(result) << result.error().message();
        EXPECT_TRUE(result->succeeded);
        EXPECT_EQ(result->revision, 7);
    }
    auto seen = member.seen();
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0].path, "/v3/kv/txn");
    EXPECT_NE(seen[0].body.find(R"("request_put":{"key":"YQ==","value":"MQ=="})"),
              std::string::npos)
        << seen[0].body;
    EXPECT_NE(seen[0].head.find("Grpc-Metadata-hasleader: true\r\n"), std::string::npos);
    EXPECT_EQ(seen[0].head.find("Authorization"), std::string::npos);
    EXPECT_EQ(seen[1].connection, 1) << "the connection is used again";
}

TEST(EtcdClient, GoesOnToAnotherMemberAndStaysThere) {
    FakeMember member([](const Seen&, Reply& reply) { reply.json(200, kDone); });
    FakeMember unused([](const Seen&, Reply& reply) { reply.json(200, kDone); });
    Client client = client_of({nobody(), member.endpoint(), unused.endpoint()});
    EXPECT_TRUE(write_something(client));
    EXPECT_TRUE(write_something(client));
    EXPECT_EQ(member.seen().size(), 2u);
    EXPECT_TRUE(unused.seen().empty());
}

TEST(EtcdClient, AsksNoProxy) {
    FakeMember member([](const Seen&, Reply& reply) { reply.json(200, kDone); });
    for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"})
        setenv(name, nobody().c_str(), 1);
    Client client = client_of({member.endpoint()});
    auto result = write_something(client);
    for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"})
        unsetenv(name);
    EXPECT_TRUE(result) << result.error().message();
}

TEST(EtcdClient, SaysAtOnceThatNobodyIsThere) {
    std::string gone = nobody();
    Client client = client_of({gone, nobody()}, 60s);
    auto began = std::chrono::steady_clock::now();
    auto result = write_something(client);
    ASSERT_FALSE(result);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
    EXPECT_EQ(result.error().kind(), ErrorKind::kUnavailable);
    EXPECT_EQ(result.error().message().rfind("etcd at http://127.0.0.1:", 0), 0u)
        << result.error().message();
}

TEST(EtcdClient, WaitsForALeader) {
    std::atomic<int> asked = 0;
    auto script = [&](const Seen&, Reply& reply) {
        if (++asked < 6)
            reply.json(503, refusal(14, "etcdserver: no leader"));
        else
            reply.json(200, kDone);
    };
    FakeMember one(script);
    FakeMember two(script);
    Client client = client_of({one.endpoint(), two.endpoint()});
    auto result = write_something(client);
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(asked, 6);
    EXPECT_EQ(one.seen().size(), 3u);
}

TEST(EtcdClient, GivesUpWaitingForALeaderAtTheDeadline) {
    FakeMember member(
        [](const Seen&, Reply& reply) { reply.json(503, refusal(14, "etcdserver: no leader")); });
    Client client = client_of({member.endpoint()}, 1s);
    auto result = write_something(client);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::kUnavailable);
    EXPECT_EQ(result.error().message(), "etcd at " + member.endpoint() + ": etcdserver: no leader");
}

// Whatever comes after the request was sent, and is no answer, leaves open whether it was done.
TEST(EtcdClient, DoesNotRepeatATransactionThatWasPerhapsDone) {
    const FakeMember::Script ends[] = {
        [](const Seen&, Reply& reply) { reply.close(); },
        [](const Seen&, Reply& reply) {
            reply.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
            reply.close();
        },
        [](const Seen&, Reply& reply) {
            reply.json(503, refusal(14, "etcdserver: request timed out"));
        },
        [](const Seen&, Reply& reply) { reply.json(200, "{}"); },
        [](const Seen&, Reply& reply) { reply.json(502, "<html>"); },
    };
    for (const auto& end : ends) {
        FakeMember member(end);
        FakeMember other([](const Seen&, Reply& reply) { reply.json(200, kDone); });
        Client client = client_of({member.endpoint(), other.endpoint()});
        auto result = write_something(client);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().kind(), ErrorKind::kUnknown) << result.error().message();
        EXPECT_EQ(member.seen().size(), 1u);
        EXPECT_TRUE(other.seen().empty());
    }
}

TEST(EtcdClient, DoesNotLetAKeptConnectionRepeatATransaction) {
    std::atomic<int> asked = 0;
    FakeMember member([&](const Seen&, Reply& reply) {
        if (++asked == 1)
            reply.json(200, kDone);
        else
            reply.close();
    });
    Client client = client_of({member.endpoint()});
    EXPECT_TRUE(write_something(client));
    auto result = write_something(client);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::kUnknown) << result.error().message();
    EXPECT_EQ(member.seen().size(), 2u);
}

TEST(EtcdClient, RepeatsReadsElsewhere) {
    FakeMember dead([](const Seen&, Reply& reply) { reply.close(); });
    FakeMember stuck([](const Seen&, Reply& reply) { reply.hang(); });
    FakeMember member([](const Seen&, Reply& reply) { reply.json(200, "{" + kHeader + "}"); });
    Client client = client_of({dead.endpoint(), stuck.endpoint(), member.endpoint()}, 2s);
    auto range = client.range("/cnet/");
    ASSERT_TRUE(range) << range.error().message();
    EXPECT_EQ(range->revision, 7);
    EXPECT_TRUE(range->kvs.empty());
}

TEST(EtcdClient, HasOneDeadline) {
    FakeMember stuck([](const Seen&, Reply& reply) { reply.hang(); });
    Client client = client_of({stuck.endpoint()}, 500ms);
    auto write = write_something(client);
    ASSERT_FALSE(write);
    EXPECT_EQ(write.error().kind(), ErrorKind::kUnknown);
    EXPECT_EQ(write.error().message(), "etcd at " + stuck.endpoint() + ": no answer in time");
    auto read = client.range("/");
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind(), ErrorKind::kUnavailable);
}

TEST(EtcdClient, StopsAtOnce) {
    std::promise<void> asked;
    FakeMember stuck([&](const Seen&, Reply& reply) {
        asked.set_value();
        reply.hang();
    });
    std::stop_source source;
    Client client = client_of({stuck.endpoint(), nobody()}, 600s, source.get_token());
    std::jthread stopper([&] {
        asked.get_future().wait();
        source.request_stop();
    });
    auto result = client.range("/");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::kUnavailable);
}

TEST(EtcdClient, TellsRefusalsApart) {
    const std::tuple<int, std::string, ErrorKind> refusals[] = {
        {3, "etcdserver: duplicate key given in txn request", ErrorKind::kInvalid},
        {5, "etcdserver: requested lease not found", ErrorKind::kNotFound},
        {7, "etcdserver: permission denied", ErrorKind::kDenied},
        {8, "etcdserver: mvcc: database space exceeded", ErrorKind::kExhausted},
        {11, "etcdserver: mvcc: required revision has been compacted", ErrorKind::kNotFound},
        {3, "etcdserver: user name is empty", ErrorKind::kDenied},
        {9, "etcdserver: something", ErrorKind::kSystem},
    };
    for (const auto& [code, message, kind] : refusals) {
        FakeMember member([&, code = code, message = message](const Seen&, Reply& reply) {
            reply.json(400, refusal(code, message));
        });
        Client client = client_of({member.endpoint()});
        auto result = write_something(client);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().kind(), kind) << message;
        EXPECT_EQ(member.seen().size(), 1u);
    }
}

TEST(EtcdClient, LogsInAndAgainWhenItsTokenIsNoLongerGood) {
    std::atomic<int> logins = 0;
    FakeMember member([&](const Seen& seen, Reply& reply) {
        if (seen.path == "/v3/auth/authenticate") {
            EXPECT_EQ(seen.body, R"({"name":"cnet","password":"se\"cret"})");
            reply.json(200, R"({"token":"t)" + std::to_string(++logins) + "\"}");
        } else if (seen.head.find("Authorization: t2\r\n") != std::string::npos) {
            reply.json(200, kDone);
        } else {
            reply.json(401, refusal(16, "etcdserver: invalid auth token"));
        }
    });
    ClientConfig config;
    config.endpoints = {member.endpoint()};
    config.user = "cnet";
    config.password = "se\"cret";
    auto client = Client::open(config);
    ASSERT_TRUE(client);
    for (int i = 0; i < 2; i++) {
        auto result = write_something(*client);
        ASSERT_TRUE(result) << result.error().message();
    }
    EXPECT_EQ(logins, 2);
}

TEST(EtcdClient, SaysThatItsPasswordIsRefused) {
    FakeMember member([&](const Seen&, Reply& reply) {
        reply.json(400,
                   refusal(3, "etcdserver: authentication failed, invalid user ID or password"));
    });
    ClientConfig config;
    config.endpoints = {member.endpoint()};
    config.user = "cnet";
    auto client = Client::open(config);
    ASSERT_TRUE(client);
    auto result = write_something(*client);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::kDenied);
    EXPECT_EQ(member.seen().size(), 1u);
}

TEST(EtcdClient, RefusesAnEndpointOfAnotherCluster) {
    FakeMember one([](const Seen& seen, Reply& reply) {
        if (seen.connection == 1 && seen.path == "/v3/kv/txn")
            reply.json(200, kDone);
        else
            reply.close();
    });
    FakeMember other([](const Seen&, Reply& reply) {
        reply.json(200, R"({"header":{"cluster_id":"2","revision":"7"}})");
    });
    Client client = client_of({one.endpoint(), other.endpoint()});
    ASSERT_TRUE(write_something(client));
    auto result = client.range("/");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(result.error().message(), "etcd at " + other.endpoint() +
                                            ": it is of cluster 2, while others have been of "
                                            "cluster 1");
}

TEST(EtcdClient, ReadsARangeInPagesAtOneRevision) {
    const std::string kFirst = R"({"header":{"cluster_id":"1","revision":"7"},"more":true,)"
                               R"("kvs":[{"key":"YQ==","value":"MQ=="},{"key":"Yg=="}]})";
    const std::string kSecond = R"({"header":{"cluster_id":"1","revision":"9"},)"
                                R"("kvs":[{"key":"Yw=="}]})";
    FakeMember member([&](const Seen& seen, Reply& reply) {
        reply.json(200, seen.body.find("revision") == std::string::npos ? kFirst : kSecond);
    });
    Client client = client_of({member.endpoint()});
    auto range = client.range("");
    ASSERT_TRUE(range) << range.error().message();
    EXPECT_EQ(range->revision, 7);
    ASSERT_EQ(range->kvs.size(), 3u);
    EXPECT_EQ(range->kvs[2].key, "c");
    auto seen = member.seen();
    ASSERT_EQ(seen.size(), 2u);
    // All keys, and then from behind "b".
    EXPECT_EQ(seen[0].body, R"({"key":"AA==","limit":"500","range_end":"AA=="})");
    EXPECT_EQ(seen[1].body, R"({"key":"YgA=","limit":"500","range_end":"AA==","revision":"7"})");
}

TEST(EtcdClient, BeginsARangeAgainThatIsCompactedWhileItIsRead) {
    std::atomic<int> asked = 0;
    FakeMember member([&](const Seen&, Reply& reply) {
        int number = ++asked;
        if (number == 2)
            reply.json(400, refusal(11, "etcdserver: mvcc: required revision has been compacted"));
        else
            reply.json(200,
                       number == 1
                           ? R"({"header":{"revision":"7"},"more":true,"kvs":[{"key":"YQ=="}]})"
                           : R"({"header":{"revision":"8"},"kvs":[{"key":"Yg=="}]})");
    });
    Client client = client_of({member.endpoint()});
    auto range = client.range("");
    ASSERT_TRUE(range) << range.error().message();
    EXPECT_EQ(range->revision, 8);
    ASSERT_EQ(range->kvs.size(), 1u);
    EXPECT_EQ(range->kvs[0].key, "b");
}

TEST(EtcdClient, KeepsLeases) {
    FakeMember member([&](const Seen& seen, Reply& reply) {
        if (seen.path == "/v3/lease/grant")
            reply.json(200, "{" + kHeader + R"(,"ID":"7587899063598296071","TTL":"30"})");
        else if (seen.path == "/v3/lease/revoke")
            reply.json(404, refusal(5, "etcdserver: requested lease not found"));
        else if (seen.body == R"({"ID":"7587899063598296071"})")
            reply.json(200, R"({"result":{)" + kHeader + R"(,"ID":"1","TTL":"30"}})" + "\n");
        else
            reply.json(200, R"({"result":{)" + kHeader + R"(,"ID":"2"}})" + "\n");
    });
    Client client = client_of({member.endpoint()});
    auto lease = client.grant_lease(30);
    ASSERT_TRUE(lease) << lease.error().message();
    EXPECT_EQ(*lease, 7587899063598296071);
    auto ttl = client.keep_alive(*lease);
    ASSERT_TRUE(ttl) << ttl.error().message();
    EXPECT_EQ(*ttl, 30);
    auto gone = client.keep_alive(2);
    ASSERT_TRUE(gone) << gone.error().message();
    EXPECT_EQ(*gone, 0);
    EXPECT_TRUE(client.revoke_lease(2));
}

} // namespace
} // namespace cnet::etcd
