#include "userspace/client/http_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>

#include "userspace/client/http_body.h"
#include "userspace/client/http_head.h"

namespace cnet::client {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr size_t kHeadLimit = 65536;

std::string request_text(const std::string& method, const std::string& target,
                         const std::string& body) {
    std::string text = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n";
    if (!body.empty()) {
        text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n";
    }
    return text + "\r\n" + body;
}

bool would_block(int errno_value) {
    return errno_value == EAGAIN || errno_value == EWOULDBLOCK || errno_value == EINTR;
}

} // namespace

Result<HttpClient> HttpClient::open(const std::filesystem::path& socket) {
    if (socket.native().size() >= sizeof(sockaddr_un{}.sun_path)) {
        return Error(ErrorKind::kInvalid, "the socket's path " + socket.native() +
                                              " is longer than a path of a unix "
                                              "socket may be");
    }
    return HttpClient(socket);
}

Result<HttpResponse> HttpClient::request(const std::string& method, const std::string& target,
                                         const std::string& body) {
    const auto deadline = Clock::now() + kTimeout;
    if (!is_usable()) {
        if (Status connected = connect(); !connected) return connected.error();
    }
    auto response = exchange(request_text(method, target, body), deadline);
    if (!response) connection_ = UniqueFd();
    return response;
}

bool HttpClient::is_usable() const {
    if (!connection_) return false;
    // Nothing is to come between an answer and the next request: what does is the end.
    pollfd idle{connection_.get(), POLLIN, 0};
    return poll(&idle, 1, 0) == 0;
}

Status HttpClient::connect() {
    connection_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!connection_) return Error::system("open a socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
    int result = 0;
    do {
        result =
            ::connect(connection_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    } while (result != 0 && errno == EINTR);
    if (result == 0) return {};
    const int reason = errno;
    connection_ = UniqueFd();
    return Error::system("cannot connect to " + socket_.native(), reason);
}

Status HttpClient::wait(short events, Clock::time_point deadline) const {
    while (true) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd one{connection_.get(), events, 0};
        const int ready = left <= 0 ? 0 : poll(&one, 1, static_cast<int>(left));
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return no_answer(std::strerror(errno));
        if (ready == 0) {
            return Error(ErrorKind::kSystem,
                         "no answer on " + socket_.native() + " within " +
                             std::to_string(kTimeout.count()) + " s",
                         ETIMEDOUT);
        }
    }
}

Status HttpClient::send(std::string_view bytes, Clock::time_point deadline) {
    while (!bytes.empty()) {
        const ssize_t sent =
            ::send(connection_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<size_t>(sent));
            continue;
        }
        // A server that refuses a body may have said so before it closed.
        if (errno == EPIPE || errno == ECONNRESET) return {};
        if (!would_block(errno)) return no_answer(std::strerror(errno));
        if (Status ready = wait(POLLOUT, deadline); !ready) return ready;
    }
    return {};
}

Result<bool> HttpClient::receive(std::string& bytes, Clock::time_point deadline) {
    std::array<char, 65536> buffer;
    while (true) {
        const ssize_t got = recv(connection_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got >= 0) {
            bytes.append(buffer.data(), static_cast<size_t>(got));
            return got > 0;
        }
        if (!would_block(errno)) return no_answer(std::strerror(errno));
        if (Status ready = wait(POLLIN, deadline); !ready) return ready.error();
    }
}

Result<HttpResponse> HttpClient::exchange(std::string_view request, Clock::time_point deadline) {
    if (Status sent = send(request, deadline); !sent) return sent.error();
    std::string bytes;
    size_t end = bytes.npos;
    while ((end = bytes.find(kHeadEnd)) == bytes.npos) {
        if (bytes.size() > kHeadLimit) return no_answer("it is not HTTP");
        auto more = receive(bytes, deadline);
        if (!more) return more.error();
        if (!*more) return no_answer("the connection ended");
    }
    const auto head = parse_head(std::string_view(bytes).substr(0, end));
    if (!head) return no_answer("it is not HTTP that is understood here");
    HttpBody body(*head);
    bool right = body.add(std::string_view(bytes).substr(end + kHeadEnd.size()));
    while (right && !body.is_whole()) {
        bytes.clear();
        auto more = receive(bytes, deadline);
        if (!more) return more.error();
        if (!*more && !body.end()) return no_answer("the connection ended");
        if (!*more) break;
        right = body.add(bytes);
    }
    if (!right) return no_answer("its body is not of the length that it says");
    if (!head->keeps_connection) connection_ = UniqueFd();
    return HttpResponse{head->status, body.take()};
}

Error HttpClient::no_answer(const std::string& why) const {
    return {ErrorKind::kSystem, "no whole answer on " + socket_.native() + ": " + why};
}

} // namespace cnet::client
