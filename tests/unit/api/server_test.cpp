#include "live_server.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <vector>

namespace cnet::api {
namespace {

// Answers with what it was asked.
Response echo(const Request& request) {
    return {200, request.method + ' ' + request.path + ' ' + request.body, {}};
}

std::string post(std::string_view body) {
    return "POST /v1/things HTTP/1.1\r\nHost: \r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + std::string(body);
}

constexpr std::string_view kGet = "GET /v1/things HTTP/1.1\r\nHost: cnet\r\n\r\n";
constexpr uid_t kOtherUid = 65534;

// In a thread that is not root; a process that is not root has no need to change.
std::unique_ptr<Client> connect_as_other(const std::filesystem::path& path) {
    return std::async(std::launch::async,
                      [&path] {
                          if (geteuid() == 0)
                              syscall(SYS_setresuid, kOtherUid, kOtherUid, kOtherUid);
                          return std::make_unique<Client>(path);
                      })
        .get();
}

uid_t other_uid() {
    return geteuid() == 0 ? kOtherUid : geteuid();
}

TEST(Server, AnswersJson) {
    LiveServer server(echo);
    Client client(server.path());
    std::string answer = client.ask(kGet);
    EXPECT_EQ(status_of(answer), 200);
    EXPECT_NE(answer.find("Content-Type: application/json\r\n"), std::string::npos);
    EXPECT_EQ(body_of(answer), "GET /v1/things ");
}

// Gives out the parts, and then the end, or an error.
Response in_pieces(std::vector<std::string> parts, bool breaks) {
    return {200, {}, {}, [parts = std::move(parts), breaks]() mutable -> Result<std::string> {
                if (parts.empty() && breaks) return Error(ErrorKind::kSystem, "broken");
                if (parts.empty()) return std::string();
                std::string part = parts.front();
                parts.erase(parts.begin());
                return part;
            }};
}

TEST(Server, SendsABodyThatIsMadeMeanwhile) {
    const std::string large(300'000, 'x');
    LiveServer server([&](const Request&) { return in_pieces({"one", large, "two"}, false); });
    Client client(server.path());
    std::string answer = client.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(status_of(answer), 200);
    EXPECT_NE(answer.find("Transfer-Encoding: chunked"), std::string::npos);
    EXPECT_NE(answer.find("3\r\none\r\n"), std::string::npos);
    EXPECT_EQ(std::count(answer.begin(), answer.end(), 'x'), 300'000);
    EXPECT_TRUE(answer.ends_with("3\r\ntwo\r\n0\r\n\r\n"));
}

TEST(Server, BreaksOffABodyThatFails) {
    LiveServer server([](const Request&) { return in_pieces({"one"}, true); });
    Client client(server.path());
    std::string answer = client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(answer.find("one"), std::string::npos);
    EXPECT_FALSE(answer.ends_with("0\r\n\r\n")) << "nobody shall take it for the whole";
}

TEST(Server, KeepsTheConnectionForTheNextRequest) {
    LiveServer server(echo);
    Client client(server.path());
    EXPECT_EQ(body_of(client.ask(post("one"))), "POST /v1/things one");
    EXPECT_EQ(body_of(client.ask(post("two"))), "POST /v1/things two");
}

TEST(Server, NeedsNoHostAndNoContentType) {
    LiveServer server(echo);
    EXPECT_EQ(status_of(Client(server.path()).ask("GET /v1/things HTTP/1.1\r\nHost:\r\n\r\n")),
              200);
    EXPECT_EQ(status_of(Client(server.path()).ask("GET /v1/things HTTP/1.1\r\n\r\n")), 200);
    EXPECT_EQ(status_of(Client(server.path()).ask("GET /v1/things HTTP/1.0\r\n\r\n")), 200);
}

TEST(Server, PassesQueryAndEscapesUntouched) {
    Request seen;
    LiveServer server([&seen](const Request& request) {
        seen = request;
        return Response{};
    });
    Client(server.path()).ask("GET /v1/a%00b?network=x%2fy&empty HTTP/1.1\r\nHost: \r\n\r\n");
    EXPECT_EQ(seen.path, "/v1/a%00b");
    EXPECT_EQ(seen.query,
              (std::map<std::string, std::string>{{"network", "x%2fy"}, {"empty", ""}}));
}

TEST(Server, SaysWhoIsAsking) {
    std::atomic<uid_t> seen{kNobody};
    LiveServer server([&seen](const Request& request) {
        seen = request.peer_uid;
        return Response{};
    });
    Client(server.path()).ask(kGet);
    EXPECT_EQ(seen, geteuid());
    connect_as_other(server.path())->ask(kGet);
    EXPECT_EQ(seen, other_uid());
}

TEST(Server, TakesABodyOfOneMebibyteAndNoMore) {
    LiveServer server([](const Request& request) {
        return Response{200, std::to_string(request.body.size()), {}};
    });
    EXPECT_EQ(body_of(Client(server.path()).ask(post(std::string(kBodyLimit, 'x')))), "1048576");
    std::string answer = Client(server.path()).ask(post(std::string(kBodyLimit + 1, 'x')));
    EXPECT_EQ(status_of(answer), 413);
    EXPECT_EQ(body_of(answer), R"({"error":{"kind":"too_large","message":)"
                               R"("the request's body is larger than 1 MiB"}})");
}

TEST(Server, RefusesAHugeBodyBeforeItIsSent) {
    LiveServer server(echo);
    EXPECT_EQ(status_of(Client(server.path())
                            .ask("POST /v1/things HTTP/1.1\r\nHost: \r\n"
                                 "Content-Length: 99999999999\r\n\r\n")),
              413);
    EXPECT_EQ(status_of(Client(server.path())
                            .ask("POST /v1/things HTTP/1.1\r\nHost: \r\n"
                                 "Expect: 100-continue\r\n"
                                 "Content-Length: 1048577\r\n\r\n")),
              413);
}

TEST(Server, CountsAChunkedBody) {
    LiveServer server(echo);
    std::string request =
        "POST /v1/things HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 17; ++i)
        request += "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
    EXPECT_EQ(status_of(Client(server.path()).ask(request + "0\r\n\r\n")), 413);
}

TEST(Server, EndsAChunkedBodyThatNeverEnds) {
    LiveServer server(echo);
    Client client(server.path());
    client.send_text("POST /v1/things HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n");
    std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
    int sent = 0;
    while (sent < 10'000 && client.send_text(chunk))
        ++sent;
    EXPECT_LT(sent, 1000);
}

TEST(Server, ReachesTheHandlerWithoutABody) {
    LiveServer server(echo);
    EXPECT_EQ(body_of(Client(server.path()).ask(post(""))), "POST /v1/things ");
}

TEST(Server, SurvivesWhatIsNotHttp) {
    LiveServer server(echo);
    Client nonsense(server.path());
    nonsense.send_text(std::string(2000, '\0') + "\r\n\r\n");
    Client hang_up(server.path());
    hang_up.send_text("POST /v1/things HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf");
    hang_up = Client(server.path());
    EXPECT_EQ(status_of(Client(server.path()).ask(kGet)), 200);
}

TEST(Server, ServesOthersWhileOneClientStalls) {
    LiveServer server(echo);
    Client stalled(server.path());
    stalled.send_text("POST /v1/things HTTP/1.1\r\nHost: \r\nContent-Length: 5\r\n\r\nab");
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(status_of(Client(server.path()).ask(kGet)), 200);
    stalled.send_text("cde");
    EXPECT_EQ(body_of(stalled.receive()), "POST /v1/things abcde");
}

TEST(Server, CutsOffARequestThatTakesTooLong) {
    ServerOptions options;
    options.idle_timeout = std::chrono::hours(1);
    options.request_timeout = std::chrono::seconds(1);
    LiveServer server(echo, options);
    Client silent(server.path());
    Client stalled(server.path());
    stalled.send_text("POST /v1/things HTTP/1.1\r\nHost: \r\nContent-Length: 5\r\n\r\nab");
    EXPECT_EQ(silent.receive(), "");
    EXPECT_EQ(stalled.receive(), "");
}

TEST(Server, DropsIdleConnectionsToServeWhoWaits) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can take up every place";
    ServerOptions options;
    options.max_connections = 4;
    options.idle_timeout = std::chrono::seconds(1);
    LiveServer server(echo, options);
    std::vector<std::unique_ptr<Client>> idle;
    for (int i = 0; i < 4; ++i)
        idle.push_back(std::make_unique<Client>(server.path()));
    EXPECT_EQ(status_of(Client(server.path()).ask(kGet)), 200);
}

TEST(Server, KeepsHalfOfThePlacesForRoot) {
    ServerOptions options;
    options.max_connections = 4;
    LiveServer server(echo, options);
    std::vector<std::unique_ptr<Client>> readers;
    for (int i = 0; i < 3; ++i)
        readers.push_back(connect_as_other(server.path()));
    EXPECT_EQ(status_of(readers[0]->ask(kGet)), 200);
    EXPECT_EQ(status_of(readers[1]->ask(kGet)), 200);
    EXPECT_EQ(readers[2]->ask(kGet), "");
    if (geteuid() == 0) {
        EXPECT_EQ(status_of(Client(server.path()).ask(kGet)), 200);
    }
}

TEST(Server, ServesManyAtOnce) {
    constexpr int kThreads = 32;
    constexpr int kRequests = 50;
    LiveServer server(echo);
    std::atomic<int> served{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < kRequests; ++i) {
                std::string body = std::to_string(t) + ':' + std::to_string(i);
                std::string answer = Client(server.path()).ask(post(body));
                if (body_of(answer) == "POST /v1/things " + body) ++served;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(served, kThreads * kRequests);
}

TEST(Server, SendsAnAnswerLargerThanTheSocketHolds) {
    LiveServer server([](const Request&) { return Response{200, std::string(8u << 20, 'x'), {}}; });
    EXPECT_EQ(body_of(Client(server.path()).ask(kGet)).size(), 8u << 20);
}

class ListenUnix : public testing::Test {
protected:
    ListenUnix() {
        char name[] = "/tmp/cnet-api-XXXXXX";
        directory_ = mkdtemp(name);
    }
    ~ListenUnix() override { std::filesystem::remove_all(directory_); }

    std::filesystem::path directory_;
};

TEST_F(ListenUnix, SetsModeAndGroup) {
    auto path = directory_ / "s";
    ASSERT_TRUE(listen_unix(path, {0660, getgid()}));
    struct stat info {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0660u);
    EXPECT_EQ(info.st_gid, getgid());
}

TEST_F(ListenUnix, ReplacesAStaleSocket) {
    auto path = directory_ / "s";
    ASSERT_TRUE(listen_unix(path, {}));
    auto again = listen_unix(path, {});
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_TRUE(Client(path).connected());
}

void run_for_news(Server& server) {
    pollfd news{server.poll_fd(), POLLIN, 0};
    ASSERT_EQ(poll(&news, 1, kPatienceMs), 1);
    server.run();
}

int ask(Server& server, Client& client) {
    client.send_text(kGet);
    while (!client.has_answer() && !testing::Test::HasFatalFailure())
        run_for_news(server);
    return status_of(client.receive());
}

TEST_F(ListenUnix, WhoIsConnectedIsAnsweredBeforeTheEndAndOthersByTheNext) {
    auto path = directory_ / "s";
    auto listener = listen_unix(path, {});
    ASSERT_TRUE(listener) << listener.error().message();
    UniqueFd kept(dup(listener->get())); // as systemd does
    auto server = Server::open(std::move(*listener), echo);
    ASSERT_TRUE(server) << server.error().message();
    Client idle(path);
    EXPECT_EQ(ask(**server, idle), 200);
    Client early(path);
    run_for_news(**server);
    early.send_text(kGet);
    (*server)->finish(std::chrono::milliseconds(kPatienceMs));
    Client late(path);
    server->reset();
    EXPECT_EQ(status_of(early.receive()), 200);
    EXPECT_EQ(idle.receive(), "");

    auto next = Server::open(std::move(kept), echo);
    ASSERT_TRUE(next) << next.error().message();
    EXPECT_EQ(ask(**next, late), 200);
    Client silent(path);
    run_for_news(**next);
    (*next)->finish(std::chrono::milliseconds(10)); // it is not waited for any longer
    next->reset();
    EXPECT_EQ(silent.receive(), "");
}

TEST_F(ListenUnix, LeavesAFileThatIsNoSocket) {
    auto path = directory_ / "s";
    UniqueFd file(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    auto listener = listen_unix(path, {});
    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().message(), path.string() + " exists and is not a socket");
    EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(ListenUnix, RefusesAPathThatIsTooLong) {
    auto listener = listen_unix(directory_ / std::string(120, 'x'), {});
    ASSERT_FALSE(listener);
    EXPECT_NE(listener.error().message().find("longer than 107 bytes"), std::string::npos);
}

} // namespace
} // namespace cnet::api
