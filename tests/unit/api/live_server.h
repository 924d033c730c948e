// A Server with a handler of the test's choice on a socket in a directory of its own, served by a
// thread, and a client that says exactly the bytes it is told to.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "userspace/api/server.h"

namespace cnet::api {

inline constexpr int kPatienceMs = 60'000; // a limit for what should happen at once

class LiveServer {
public:
    explicit LiveServer(Handler handler, const ServerOptions& options = {}) {
        char name[] = "/tmp/cnet-api-XXXXXX";
        directory_ = mkdtemp(name);
        std::filesystem::permissions(directory_, std::filesystem::perms(0755));
        auto listener = listen_unix(path(), {0666, {}});
        EXPECT_TRUE(listener) << listener.error().message();
        auto server = Server::open(std::move(*listener), std::move(handler), options);
        EXPECT_TRUE(server) << server.error().message();
        server_ = std::move(*server);
        stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
        thread_ = std::thread([this] { serve(); });
    }

    ~LiveServer() {
        uint64_t one = 1;
        EXPECT_EQ(write(stop_.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
        thread_.join();
        server_.reset();
        std::filesystem::remove_all(directory_);
    }

    std::filesystem::path path() const { return directory_ / "api.sock"; }

private:
    void serve() {
        pollfd waits[] = {{server_->poll_fd(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
        while (!(waits[1].revents & POLLIN)) {
            auto timeout = server_->timeout();
            poll(waits, 2, timeout ? static_cast<int>(timeout->count()) : -1);
            server_->run();
        }
    }

    std::filesystem::path directory_;
    std::unique_ptr<Server> server_;
    UniqueFd stop_;
    std::thread thread_;
};

class Client {
public:
    explicit Client(const std::filesystem::path& path)
        : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
        connected_ =
            connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    }

    bool connected() const { return connected_; }

    // False when the server has closed meanwhile.
    bool send_text(std::string_view text) {
        while (!text.empty()) {
            ssize_t sent = send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            text.remove_prefix(static_cast<size_t>(sent));
        }
        return true;
    }

    bool has_answer() const {
        pollfd wait{fd_.get(), POLLIN, 0};
        return poll(&wait, 1, 0) == 1;
    }

    // One answer, or what came before the server closed.
    std::string receive() {
        std::string text;
        char chunk[4096];
        while (!complete(text)) {
            pollfd wait{fd_.get(), POLLIN, 0};
            if (poll(&wait, 1, kPatienceMs) != 1) return "(no answer in time)";
            ssize_t count = recv(fd_.get(), chunk, sizeof(chunk), 0);
            if (count <= 0) return text;
            text.append(chunk, static_cast<size_t>(count));
        }
        return text;
    }

    std::string ask(std::string_view request) {
        send_text(request);
        return receive();
    }

private:
    static bool complete(const std::string& text) {
        size_t head = text.find("\r\n\r\n");
        size_t field = text.find("Content-Length: ");
        if (head == std::string::npos || field == std::string::npos) return false;
        return text.size() >= head + 4 + std::strtoul(text.c_str() + field + 16, nullptr, 10);
    }

    UniqueFd fd_;
    bool connected_ = false;
};

inline int status_of(const std::string& answer) {
    if (answer.compare(0, 9, "HTTP/1.1 ") != 0) return 0;
    return std::atoi(answer.c_str() + 9);
}

inline std::string body_of(const std::string& answer) {
    size_t head = answer.find("\r\n\r\n");
    return head == std::string::npos ? "" : answer.substr(head + 4);
}

} // namespace cnet::api
