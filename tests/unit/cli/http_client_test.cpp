#include "userspace/client/http_client.h"

#include <gtest/gtest.h>

#include "tests/unit/cli/fake_server.h"
#include "userspace/client/http_body.h"
#include "userspace/client/http_head.h"

namespace cnet::cli {
namespace {

using test::FakeServer;
using test::http;
using test::Seen;

client::HttpClient client_of(const std::filesystem::path& socket) {
    auto client = client::HttpClient::open(socket);
    CNET_CHECK(client);
    return std::move(*client);
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

TEST(HttpClient, SendsWhatItIsTold) {
    FakeServer server([](const Seen&) { return http(201, "{\"a\":1}"); });
    client::HttpClient client = client_of(server.socket());
    auto response = client.request("POST", "/v1/x?y=a%2Fb", "{\"k\":\"v\"}");
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 201);
    EXPECT_EQ(response->body, "{\"a\":1}");
    // The connection was closed by the server: another one is opened.
    EXPECT_TRUE(client.request("DELETE", "/v1/../x", ""));
    auto seen = server.seen();
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0].method, "POST");
    EXPECT_EQ(seen[0].target, "/v1/x?y=a%2Fb");
    EXPECT_EQ(seen[0].body, "{\"k\":\"v\"}");
    EXPECT_EQ(seen[1].method, "DELETE");
    EXPECT_EQ(seen[1].target, "/v1/../x");
    EXPECT_EQ(seen[1].body, "");
}

TEST(HttpClient, CarriesBigBodiesBothWays) {
    std::string big(3u << 20, 'x');
    FakeServer server([&](const Seen& seen) { return http(200, seen.body); });
    auto response = client_of(server.socket()).request("POST", "/v1/x", big);
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_TRUE(response->body == big);
}

TEST(HttpClient, AnHttpErrorIsAnAnswer) {
    FakeServer server([](const Seen&) { return http(404, "nope"); });
    auto response = client_of(server.socket()).request("GET", "/", "");
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 404);
    EXPECT_EQ(response->body, "nope");
}

TEST(HttpClient, SaysWhichSocketDoesNotAnswer) {
    cnet::test::TemporaryDirectory directory;
    auto missing = client_of(directory / "none.sock").request("GET", "/", "");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().errno_value(), ENOENT);
    EXPECT_EQ(missing.error().message(), "cannot connect to " + (directory / "none.sock").string() +
                                             ": No such file or directory");
}

TEST(HttpClient, SaysWhenTheServerDiesInBetween) {
    for (const char* answer :
         {"", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "HTTP/1.1 200 OK\r\n",
          "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nlong",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", CHUNKED "5\r\nshort",
          CHUNKED "5\r\nlonger\r\n0\r\n\r\n", CHUNKED "zz\r\n", CHUNKED "-1\r\nx",
          CHUNKED "fffffffffffffffff\r\n"}) {
        FakeServer server([&](const Seen&) { return answer; });
        auto response = client_of(server.socket()).request("GET", "/", "");
        ASSERT_FALSE(response);
        EXPECT_EQ(response.error().message().rfind(
                      "no whole answer on " + server.socket().string() + ": ", 0),
                  0u)
            << response.error().message();
    }
}

TEST(HttpClient, TakesABodyThatEndsWithTheConnection) {
    FakeServer server([](const Seen&) { return "HTTP/1.0 200 OK\r\n\r\nall of it"; });
    auto response = client_of(server.socket()).request("GET", "/", "");
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->body, "all of it");
}

TEST(HttpClient, ReadsHeadersInAnySpelling) {
    const auto head =
        client::parse_head("HTTP/1.1 503\r\ncONTENT-length:  12 \r\nconnection:CLOSE");
    ASSERT_TRUE(head);
    EXPECT_EQ(head->status, 503);
    EXPECT_EQ(head->content_length, 12u);
    EXPECT_FALSE(head->keeps_connection);
    EXPECT_TRUE(client::parse_head("HTTP/1.1 200 OK\r\nContent-Length: 0")->keeps_connection);
    EXPECT_FALSE(client::parse_head("HTTP/1.1 200 OK")->keeps_connection);
    EXPECT_FALSE(client::parse_head("HTTP/1.1 20"));
    EXPECT_FALSE(client::parse_head("HTTP/1.1 200 OK\r\nno colon"));
}

// However the bytes are cut on their way.
TEST(HttpBody, ChunksInPieces) {
    const std::string text = "4\r\nWiki\r\nA;x=y\r\npedia in\r\n\r\n0\r\nTrailer: 1\r\n\r\n";
    const auto head = client::parse_head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked");
    ASSERT_TRUE(head);
    for (size_t piece = 1; piece <= text.size(); piece++) {
        client::HttpBody body(*head);
        for (size_t at = 0; at < text.size(); at += piece) {
            EXPECT_FALSE(body.is_whole());
            EXPECT_TRUE(body.add(std::string_view(text).substr(at, piece)));
        }
        EXPECT_TRUE(body.is_whole());
        EXPECT_FALSE(body.add("more"));
        EXPECT_EQ(body.take(), "Wikipedia in\r\n");
    }
}

TEST(HttpClient, RefusesAPathThatNoSocketCanHave) {
    auto client = client::HttpClient::open("/" + std::string(120, 'a'));
    ASSERT_FALSE(client);
    EXPECT_NE(client.error().message().find("longer than"), std::string::npos);
}

} // namespace
} // namespace cnet::cli
