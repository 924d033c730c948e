#include "tests/unit/etcd/fake_member.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <deque>

#include "userspace/base/result.h"

namespace cnet::etcd::test {
namespace {

constexpr int kLookMs = 10; // how often a thread that waits looks whether to end

// False when the test is over before there is something to read.
bool readable(int socket, const std::stop_token& stop) {
    pollfd wait{socket, POLLIN, 0};
    while (!stop.stop_requested())
        if (poll(&wait, 1, kLookMs) > 0) return true;
    return false;
}

// One request of a connection that may carry several; empty at its end.
std::string read_request(int socket, const std::stop_token& stop) {
    std::string request;
    size_t wanted = std::string::npos;
    char buffer[65536];
    while (request.size() < wanted && readable(socket, stop)) {
        ssize_t got = recv(socket, buffer, sizeof buffer, 0);
        if (got <= 0) return "";
        request.append(buffer, static_cast<size_t>(got));
        size_t end = request.find("\r\n\r\n");
        if (wanted != std::string::npos || end == std::string::npos) continue;
        size_t length = request.find("Content-Length: ");
        wanted = end + 4 + (length < end ? std::stoul(request.substr(length + 16)) : 0);
    }
    return request.size() == wanted ? request : "";
}

UniqueFd listen_on_loopback(uint16_t& port) {
    UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof address;
    CNET_CHECK(bind(listener.get(), plain, length) == 0);
    CNET_CHECK(getsockname(listener.get(), plain, &length) == 0);
    port = ntohs(address.sin_port);
    return listener;
}

} // namespace

void Reply::send(std::string_view bytes) const {
    while (!bytes.empty()) {
        ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes.remove_prefix(static_cast<size_t>(sent));
    }
}

void Reply::json(int status, const std::string& body) const {
    send("HTTP/1.1 " + std::to_string(status) + " Said\r\nContent-Type: application/json\r\n" +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

void Reply::begin_stream() const {
    send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
}

void Reply::hang() const {
    char byte;
    if (readable(socket_, stop_)) static_cast<void>(recv(socket_, &byte, 1, 0));
}

FakeMember::FakeMember(Script script)
    : script_(std::move(script)), listener_(listen_on_loopback(port_)) {
    CNET_CHECK(listen(listener_.get(), 16) == 0);
    thread_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
}

FakeMember::~FakeMember() = default;

std::vector<Seen> FakeMember::seen() const {
    std::lock_guard lock(mutex_);
    return seen_;
}

void FakeMember::accept_all(const std::stop_token& stop) {
    std::deque<std::jthread> connections;
    for (int number = 1; readable(listener_.get(), stop); number++) {
        UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket) continue;
        connections.emplace_back([this, number, stop, socket = std::move(socket)] {
            serve(socket.get(), number, stop);
        });
    }
}

void FakeMember::serve(int socket, int number, const std::stop_token& stop) {
    Reply reply(socket, stop);
    while (reply.open()) {
        std::string request = read_request(socket, stop);
        if (request.empty()) return;
        size_t path = request.find(' ') + 1;
        size_t body = request.find("\r\n\r\n") + 4;
        Seen seen{request.substr(path, request.find(' ', path) - path), request.substr(0, body),
                  request.substr(body), number};
        {
            std::lock_guard lock(mutex_);
            seen_.push_back(seen);
        }
        script_(seen, reply);
    }
}

std::string nobody() {
    uint16_t port = 0;
    UniqueFd closed_at_once = listen_on_loopback(port);
    return "http://127.0.0.1:" + std::to_string(port);
}

} // namespace cnet::etcd::test
