#include "tests/unit/cli/fake_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

namespace cnet::cli::test {
namespace {

// Headers and as much body as Content-Length says; what came so far when the client ends early.
std::string read_request(int connection) {
    std::string request;
    size_t wanted = std::string::npos;
    char buffer[65536];
    while (request.size() < wanted) {
        ssize_t got = recv(connection, buffer, sizeof buffer, 0);
        if (got <= 0) break;
        request.append(buffer, static_cast<size_t>(got));
        size_t end = request.find("\r\n\r\n");
        if (wanted != std::string::npos || end == std::string::npos) continue;
        wanted = end + 4;
        size_t length = request.find("Content-Length: ");
        if (length < end) wanted += std::stoul(request.substr(length + 16));
    }
    return request;
}

Seen parse_request(const std::string& request) {
    size_t method_end = request.find(' ');
    size_t target_end = request.find(' ', method_end + 1);
    size_t head_end = request.find("\r\n\r\n");
    return {request.substr(0, method_end),
            request.substr(method_end + 1, target_end - method_end - 1),
            request.substr(head_end + 4)};
}

} // namespace

std::string http(int status, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) +
           " Said\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\n\r\n" + body;
}

FakeServer::FakeServer(Answer answer)
    : answer_(std::move(answer)), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(eventfd(0, EFD_CLOEXEC)) {
    std::filesystem::create_directory(directory_ / "run");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string path = socket().string();
    CNET_CHECK(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    CNET_CHECK(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    CNET_CHECK(listen(listener_.get(), 16) == 0);
    thread_ = std::thread([this] { serve(); });
}

FakeServer::~FakeServer() {
    uint64_t one = 1;
    CNET_CHECK(write(stop_.get(), &one, sizeof one) == sizeof one);
    thread_.join();
}

std::vector<Seen> FakeServer::seen() const {
    std::lock_guard lock(mutex_);
    return seen_;
}

void FakeServer::serve() {
    pollfd waits[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    while (poll(waits, 2, -1) > 0 && waits[1].revents == 0) {
        UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (connection && serve_one(connection.get())) open_.push_back(std::move(connection));
    }
}

bool FakeServer::serve_one(int connection) {
    std::string request = read_request(connection);
    if (request.empty()) return false;
    Seen seen = parse_request(request);
    std::string answer = answer_(seen);
    {
        std::lock_guard lock(mutex_);
        seen_.push_back(std::move(seen));
    }
    for (std::string_view rest = answer; !rest.empty();) {
        ssize_t sent = send(connection, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        rest.remove_prefix(static_cast<size_t>(sent));
    }
    return answer.find("Connection: keep-alive") != answer.npos;
}

} // namespace cnet::cli::test
