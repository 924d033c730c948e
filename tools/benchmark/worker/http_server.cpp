// An HTTP/1.1 server for load made by others: one answer, connections kept, on one thread.
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <string>

#include "tools/benchmark/worker/roles.h"
#include "tools/benchmark/worker/tcp.h"

namespace cnet::bench {
namespace {

constexpr size_t kBody = 1024;
constexpr std::string_view kEndOfRequest = "\r\n\r\n";

std::string answer_text(std::string_view status) {
    return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(kBody) +
           "\r\n\r\n" + std::string(kBody, 'x');
}

struct Client {
    UniqueFd socket;
    std::string unread; // the beginning of a request that is still coming
};

class HttpServer {
public:
    HttpServer(UniqueFd listener, UniqueFd end, UniqueFd epoll, const Options& options)
        : listener_(std::move(listener)), end_(std::move(end)), epoll_(std::move(epoll)) {
        char path[64];
        std::snprintf(path, sizeof path, "GET /%016llx ",
                      static_cast<unsigned long long>(options.token));
        beginning_ = path;
    }

    Status watch(int fd) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
            return Error::system("epoll_ctl");
        return {};
    }

    Status run() {
        for (const UniqueFd* fd : {&listener_, &end_}) {
            const Status watched = watch(fd->get());
            if (!watched) return watched;
        }
        say_ready();
        epoll_event events[64];
        while (true) {
            const int count = epoll_wait(epoll_.get(), events, std::size(events), -1);
            if (count < 0 && errno != EINTR) return Error::system("epoll_wait");
            for (int n = 0; n < count; ++n) {
                if (events[n].data.fd == end_.get()) return {};
                const Status done = handle(events[n].data.fd);
                if (!done) return done;
            }
        }
    }

    uint64_t answered() const { return answered_; }

private:
    Status handle(int fd) {
        if (fd == listener_.get()) {
            auto socket = accept_from(listener_);
            if (!socket) return socket.error();
            const int accepted = socket->get();
            clients_[accepted].socket = std::move(*socket);
            return watch(accepted);
        }
        const auto found = clients_.find(fd);
        if (found != clients_.end() && !answer(found->second)) clients_.erase(found);
        return {};
    }

    // False when the client has gone.
    bool answer(Client& client) {
        char bytes[16384];
        const ssize_t size = recv(client.socket.get(), bytes, sizeof bytes, 0);
        if (size <= 0) return false;
        client.unread.append(bytes, static_cast<size_t>(size));
        std::string answers;
        uint64_t right = 0;
        size_t end = 0;
        while ((end = client.unread.find(kEndOfRequest)) != std::string::npos) {
            const bool ours = client.unread.starts_with(beginning_);
            answers += ours ? kRight : kWrong;
            right += ours ? 1 : 0;
            client.unread.erase(0, end + kEndOfRequest.size());
        }
        if (answers.empty()) return true;
        if (!send_all(client.socket, answers.data(), answers.size())) return false;
        answered_ += right;
        return true;
    }

    static inline const std::string kRight = answer_text("200 OK");
    static inline const std::string kWrong = answer_text("404 Not Found");

    UniqueFd listener_, end_, epoll_;
    std::string beginning_;
    std::map<int, Client> clients_;
    uint64_t answered_ = 0;
};

Result<UniqueFd> end_signal() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return Error::system("sigprocmask");
    UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC));
    if (!fd) return Error::system("signalfd");
    return fd;
}

} // namespace

Status serve_http(const Options& options) {
    auto listener = listen_on(options);
    if (!listener) return listener.error();
    auto end = end_signal();
    if (!end) return end.error();
    UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return Error::system("epoll_create1");
    HttpServer server(std::move(*listener), std::move(*end), std::move(epoll), options);
    const Status served = server.run();
    if (!served) return served;
    std::printf("{\"answered\": %llu}\n", static_cast<unsigned long long>(server.answered()));
    return {};
}

} // namespace cnet::bench
