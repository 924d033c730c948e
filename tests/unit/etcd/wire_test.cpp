#include "userspace/etcd/wire.h"

#include <gtest/gtest.h>

#include "userspace/etcd/transport.h"

namespace cnet::etcd {
namespace {

TEST(PrefixEnd, IsTheFirstKeyBeyond) {
    EXPECT_EQ(prefix_end("/cnet/"), "/cnet0");
    EXPECT_EQ(prefix_end("a\xff\xff"), "b");
    // All keys.
    EXPECT_EQ(prefix_end(""), std::string(1, '\0'));
    EXPECT_EQ(prefix_end("\xff"), std::string(1, '\0'));
}

TEST(Endpoint, IsSchemeHostAndPort) {
    for (const char* good :
         {"http://127.0.0.1:2379", "https://etcd-1.example.org:2379", "https://[fd00::1]:2379"})
        EXPECT_TRUE(check_endpoint(good)) << good;
    for (const char* bad :
         {"", "127.0.0.1:2379", "http://127.0.0.1", "http://127.0.0.1:2379/", "http://a:1/v3",
          "ftp://a:1", "http://u:p@a:1", "http://a:1?b", "http://a:1#b", "http://:2379",
          "http://a:99999", "http://fd00::1:2379", "http://a b:1", "unix://x:1"})
        EXPECT_FALSE(check_endpoint(bad)) << bad;
    EXPECT_EQ(check_endpoint("etcd").error().message(),
              "\"etcd\" is no endpoint of etcd: http://HOST:PORT or https://HOST:PORT");
}

TEST(Wire, WritesTransactions) {
    KeyValue read{"k", "v", 5, 7, 2, 0};
    Json request = txn_request(
        {Compare::absent("a"),
         Compare::exists("b"),
         Compare::unchanged(read),
         {"c", "d", Compare::Target::kVersion, Compare::Relation::kLess, 3},
         {"e", "", Compare::Target::kLease, Compare::Relation::kNotEqual, 9},
         {"f", "", Compare::Target::kValue, Compare::Relation::kEqual, 0, "g"}},
        {Put{"a", "1"}, Put{"b", "", 1234567890123456789}, Delete{"c"}, Delete{"d", "e"}},
        {Get{"a"}, Get{"a", "b"}});
    EXPECT_EQ(request, Json::parse(R"({
        "compare": [
            {"key": "YQ==", "target": "CREATE", "result": "EQUAL", "create_revision": "0"},
            {"key": "Yg==", "target": "CREATE", "result": "GREATER", "create_revision": "0"},
            {"key": "aw==", "target": "MOD", "result": "EQUAL", "mod_revision": "7"},
            {"key": "Yw==", "range_end": "ZA==", "target": "VERSION", "result": "LESS",
             "version": "3"},
            {"key": "ZQ==", "target": "LEASE", "result": "NOT_EQUAL", "lease": "9"},
            {"key": "Zg==", "target": "VALUE", "result": "EQUAL", "value": "Zw=="}],
        "success": [
            {"request_put": {"key": "YQ==", "value": "MQ=="}},
            {"request_put": {"key": "Yg==", "value": "", "lease": "1234567890123456789"}},
            {"request_delete_range": {"key": "Yw=="}},
            {"request_delete_range": {"key": "ZA==", "range_end": "ZQ=="}}],
        "failure": [
            {"request_range": {"key": "YQ=="}},
            {"request_range": {"key": "YQ==", "range_end": "Yg=="}}]})"));
}

TEST(Wire, ReadsTransactions) {
    auto result = read_txn(Json::parse(R"({"header": {"revision": "12"}, "succeeded": true,
        "responses": [{"response_put": {"header": {"revision": "12"}}},
                      {"response_range": {"kvs": [{"key": "YQ==", "value": "MQ==",
                          "create_revision": "3", "mod_revision": "4", "version": "2",
                          "lease": "7587899063598296071"}], "count": "1"}},
                      {"response_range": {"header": {"revision": "12"}}}]})"));
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_TRUE(result->succeeded);
    EXPECT_EQ(result->revision, 12);
    ASSERT_EQ(result->gets.size(), 2u);
    EXPECT_EQ(result->gets[0], (std::vector<KeyValue>{{"a", "1", 3, 4, 2, 7587899063598296071}}));
    EXPECT_TRUE(result->gets[1].empty());
    auto failed = read_txn(Json::parse(R"({"header": {"revision": "12"}})"));
    ASSERT_TRUE(failed);
    EXPECT_FALSE(failed->succeeded);
}

TEST(Wire, RefusesAnswersThatItDoesNotUnderstand) {
    for (const char* answer :
         {R"({})", R"({"header": {"revision": "x"}})", R"({"header": {"revision": "1 "}})",
          R"({"header": {"revision": "9223372036854775808"}})",
          R"({"header": {"revision": "1"}, "responses": {}})",
          R"({"header": {"revision": "1"}, "responses": [{"response_range": {"kvs": 1}}]})",
          R"({"header": {"revision": "1"},
              "responses": [{"response_range": {"kvs": [{"key": "?"}]}}]})"})
        EXPECT_FALSE(read_txn(Json::parse(answer))) << answer;
    for (const char* text : {"", "[]", "1", "{", "not found", "{\"a\":}"})
        EXPECT_FALSE(parse_answer(text)) << text;
}

TEST(Wire, ReadsEveryShapeOfARefusal) {
    Refusal plain = read_refusal(Json::parse(R"({"error": "no", "message": "no", "code": 14})"));
    EXPECT_EQ(plain.code, 14);
    EXPECT_EQ(plain.message, "no");
    Refusal streamed = read_refusal(
        Json::parse(R"({"error": {"grpc_code": 5, "http_code": 404, "message": "gone"}})"));
    EXPECT_EQ(streamed.code, 5);
    EXPECT_EQ(streamed.message, "gone");
    Refusal newer = read_refusal(Json::parse(R"({"code": 7, "message": "no", "details": []})"));
    EXPECT_EQ(newer.code, 7);
    EXPECT_EQ(newer.message, "no");
    EXPECT_EQ(read_refusal(Json::parse(R"({"error": {"code": 8, "message": ""}})")).code, 8);
    EXPECT_EQ(read_refusal(Json::parse(R"({"error": 1})")).code, 2);
    EXPECT_EQ(read_refusal(Json::parse(R"({"header": {}})")).code, 0);
}

TEST(Wire, ReadsWatchMessages) {
    auto message = read_watch_message(Json::parse(R"({"header": {"revision": "9"},
        "fragment": true, "events": [
            {"kv": {"key": "YQ==", "value": "MQ==", "create_revision": "8", "mod_revision": "8",
                    "version": "1"}},
            {"type": "DELETE", "kv": {"key": "Yg==", "mod_revision": "9"}}]})"));
    ASSERT_TRUE(message) << message.error().message();
    EXPECT_EQ(message->store_revision, 9);
    EXPECT_TRUE(message->fragment);
    ASSERT_EQ(message->events.size(), 2u);
    EXPECT_EQ(message->events[0].type, Event::Type::kPut);
    EXPECT_EQ(message->events[0].kv, (KeyValue{"a", "1", 8, 8, 1, 0}));
    EXPECT_EQ(message->events[1].type, Event::Type::kDelete);
    EXPECT_EQ(message->events[1].kv, (KeyValue{"b", "", 0, 9, 0, 0}));
    EXPECT_FALSE(read_watch_message(Json::parse(R"({"header": {"revision": "9"},
        "events": [{}]})")));
}

// Whatever comes is an answer or a refusal, and never more than that.
TEST(Wire, TakesRubbish) {
    const std::string good[] = {
        R"({"header":{"cluster_id":"1","revision":"9"},"fragment":true,"events":[{"type":"PUT",)"
        R"("kv":{"key":"YQ==","value":"MQ==","mod_revision":"8"}}],"compact_revision":"3"})",
        R"({"header":{"revision":"12"},"succeeded":true,"more":true,"kvs":[{"key":"YQ=="}],)"
        R"("responses":[{"response_range":{"kvs":[{"key":"YQ==","lease":"7"}]}}]})",
        R"({"error":{"grpc_code":5,"http_code":404,"message":"gone"},"code":4,"message":"x"})"};
    int read = 0;
    for (const std::string& text : good) {
        for (size_t at = 0; at < text.size(); at++) {
            for (char c : {'"', '{', '}', '[', '0', ':', 'z', '\0', '\xff'}) {
                std::string bad = text;
                bad[at] = c;
                auto answer = parse_answer(bad);
                if (!answer) continue;
                read_refusal(*answer);
                read += read_txn(*answer) ? 1 : 0;
                read += read_page(*answer) ? 1 : 0;
                read += read_watch_message(*answer) ? 1 : 0;
            }
        }
    }
    EXPECT_GT(read, 0);
}

} // namespace
} // namespace cnet::etcd
