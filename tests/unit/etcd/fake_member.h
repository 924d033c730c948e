// A member of an etcd cluster as the test scripts it: HTTP on a port of the loopback. Remembers
// what it was asked. Answers are raw, in as many pieces as the script likes.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "userspace/base/unique_fd.h"

namespace cnet::etcd::test {

struct Seen {
    std::string path;
    std::string head; // the headers
    std::string body;
    int connection = 0; // 1 is the first
};

// Where a script puts its answer.
class Reply {
public:
    Reply(int socket, std::stop_token stop) : socket_(socket), stop_(std::move(stop)) {}

    void send(std::string_view bytes) const;
    // A whole answer, after which the connection goes on.
    void json(int status, const std::string& body) const;
    // The head of an answer that goes on until the connection ends.
    void begin_stream() const;
    // Until the client closes, or the member ends.
    void hang() const;
    void close() { open_ = false; }
    bool open() const { return open_; }

private:
    int socket_;
    std::stop_token stop_;
    bool open_ = true;
};

class FakeMember {
public:
    using Script = std::function<void(const Seen&, Reply&)>;

    explicit FakeMember(Script script);
    FakeMember(const FakeMember&) = delete;
    FakeMember& operator=(const FakeMember&) = delete;
    ~FakeMember();

    std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
    std::vector<Seen> seen() const;

private:
    void accept_all(const std::stop_token& stop);
    void serve(int socket, int number, const std::stop_token& stop);

    Script script_;
    uint16_t port_ = 0;
    UniqueFd listener_;        // sets port_
    mutable std::mutex mutex_; // of seen_
    std::vector<Seen> seen_;
    std::jthread thread_; // ends first
};

// An endpoint at which nobody listens.
std::string nobody();

} // namespace cnet::etcd::test
