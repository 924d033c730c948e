// A daemon of the test's choice: HTTP on a unix socket below a directory that --root understands,
// one request a connection. Remembers what it was asked; the answers are raw, so that broken ones
// can be given too. An answer with "Connection: keep-alive" leaves the connection open.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/base/temporary.h"
#include "userspace/base/unique_fd.h"

namespace cnet::cli::test {

struct Seen {
    std::string method;
    std::string target;
    std::string body;
};

// A whole HTTP answer.
std::string http(int status, const std::string& body);

class FakeServer {
public:
    using Answer = std::function<std::string(const Seen&)>;

    explicit FakeServer(Answer answer);
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;
    ~FakeServer();

    std::filesystem::path root() const { return directory_.path(); }
    std::filesystem::path socket() const { return directory_ / "run/cnetd.sock"; }
    std::vector<Seen> seen() const;

private:
    void serve();
    // Whether the connection is to stay open.
    bool serve_one(int connection);

    cnet::test::TemporaryDirectory directory_;
    Answer answer_;
    UniqueFd listener_;
    UniqueFd stop_;
    mutable std::mutex mutex_; // of seen_
    std::vector<Seen> seen_;
    std::vector<UniqueFd> open_;
    std::thread thread_;
};

} // namespace cnet::cli::test
