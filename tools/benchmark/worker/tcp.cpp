#include "tools/benchmark/worker/tcp.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

namespace cnet::bench {
namespace {

Status set_option(const UniqueFd& socket, int level, int name, int value, const char* what) {
    if (setsockopt(socket.get(), level, name, &value, sizeof value) != 0)
        return Error::system(what);
    return {};
}

Result<UniqueFd> tcp_socket(int family) {
    UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error::system("socket");
    const Status set = set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    if (!set) return set.error();
    return socket;
}

// The server's address, of either family.
class Endpoint {
public:
    explicit Endpoint(const Options& options) {
        if (options.address6) {
            in6_.sin6_family = AF_INET6;
            in6_.sin6_addr = *options.address6;
            in6_.sin6_port = htons(options.port);
        } else {
            in_.sin_family = AF_INET;
            in_.sin_addr = options.address;
            in_.sin_port = htons(options.port);
        }
    }

    int family() const { return any_.sa_family; }
    const sockaddr* address() const { return &any_; }
    socklen_t size() const { return family() == AF_INET6 ? sizeof in6_ : sizeof in_; }

private:
    union {
        sockaddr_in6 in6_{};
        sockaddr_in in_;
        sockaddr any_;
    };
};

} // namespace

std::vector<uint8_t> block_of(const Options& options) {
    std::vector<uint8_t> block(kBlocks / static_cast<size_t>(options.connections));
    std::mt19937_64 random(options.token);
    for (size_t at = 0; at < block.size(); at += sizeof(uint64_t)) {
        const uint64_t eight = random();
        std::memcpy(block.data() + at, &eight, std::min(sizeof eight, block.size() - at));
    }
    return block;
}

Result<UniqueFd> listen_on(const Options& options) {
    const Endpoint endpoint(options);
    auto socket = tcp_socket(endpoint.family());
    if (!socket) return socket;
    const Status reuse = set_option(*socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
    if (!reuse) return reuse.error();
    if (bind(socket->get(), endpoint.address(), endpoint.size()) != 0) return Error::system("bind");
    if (listen(socket->get(), 128) != 0) return Error::system("listen");
    return socket;
}

Result<UniqueFd> accept_from(const UniqueFd& listener) {
    UniqueFd socket(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return Error::system("accept");
    const Status set = set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    if (!set) return set.error();
    return socket;
}

Result<UniqueFd> connect_to(const Options& options) {
    const Endpoint endpoint(options);
    auto socket = tcp_socket(endpoint.family());
    if (!socket) return socket;
    if (connect(socket->get(), endpoint.address(), endpoint.size()) != 0)
        return Error::system("connect");
    return socket;
}

Result<UniqueFd> connect_from(const Options& options, in_addr source, timeval longest) {
    const Endpoint to(options);
    auto socket = tcp_socket(to.family());
    if (!socket) return socket;
    // The port is chosen by connect(), which may take one that is in use towards somebody else.
    const Status late =
        set_option(*socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT");
    if (!late) return late.error();
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr = source;
    if (bind(socket->get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0)
        return Error::system("bind");
    if (setsockopt(socket->get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest) != 0)
        return Error::system("SO_SNDTIMEO");
    if (connect(socket->get(), to.address(), to.size()) == 0) return socket;
    if (errno == EINPROGRESS || errno == EAGAIN) return UniqueFd();
    return Error::system("connect");
}

Status send_all(const UniqueFd& socket, const void* bytes, size_t size) {
    const ssize_t sent = send(socket.get(), bytes, size, MSG_NOSIGNAL);
    if (sent < 0) return Error::system("send");
    if (static_cast<size_t>(sent) != size) return Error(ErrorKind::kSystem, "send: cut short");
    return {};
}

Status receive_all(const UniqueFd& socket, void* bytes, size_t size) {
    const ssize_t received = recv(socket.get(), bytes, size, MSG_WAITALL);
    if (received < 0) return Error::system("receive");
    if (static_cast<size_t>(received) != size)
        return Error(ErrorKind::kSystem, "receive: the peer closed early");
    return {};
}

Status wait_for_close(const UniqueFd& socket) {
    uint8_t byte = 0;
    const ssize_t received = recv(socket.get(), &byte, sizeof byte, 0);
    if (received > 0) return Error(ErrorKind::kSystem, "a byte where a close was due");
    if (received < 0 && errno != ECONNRESET) return Error::system("receive");
    return {};
}

Status reset_on_close(const UniqueFd& socket) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    if (setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0)
        return Error::system("SO_LINGER");
    return {};
}

Status say_hello(const UniqueFd& socket, uint64_t token) {
    Status done = send_all(socket, &token, sizeof token);
    if (!done) return done.error().because("hello");
    uint64_t answer = 0;
    done = receive_all(socket, &answer, sizeof answer);
    if (!done) return done.error().because("hello");
    if (answer != ~token)
        return Error(ErrorKind::kSystem, "hello: the far end is not this run's server");
    return {};
}

Status answer_hello(const UniqueFd& socket, uint64_t token) {
    uint64_t theirs = 0;
    Status done = receive_all(socket, &theirs, sizeof theirs);
    if (!done) return done.error().because("hello");
    if (theirs != token)
        return Error(ErrorKind::kSystem, "hello: the far end is not this run's client");
    const uint64_t answer = ~token;
    return send_all(socket, &answer, sizeof answer);
}

Status ask_one(const UniqueFd& socket, const Options& options, uint64_t number) {
    const uint8_t request = request_byte(number);
    Status done = send_all(socket, &request, sizeof request);
    if (!done) return done;
    uint8_t answer = 0;
    done = receive_all(socket, &answer, sizeof answer);
    if (!done) return done;
    if (answer != answer_byte(request, options.token))
        return Error(ErrorKind::kSystem, "a wrong byte came back");
    return {};
}

Status say_goodbye(const UniqueFd& socket, uint64_t asked) {
    Status done = send_all(socket, &kGoodbye, sizeof kGoodbye);
    if (!done) return done.error().because("goodbye");
    uint64_t answered = 0;
    done = receive_all(socket, &answered, sizeof answered);
    if (!done) return done.error().because("goodbye");
    if (answered != asked)
        return Error(ErrorKind::kSystem, "the server answered " + std::to_string(answered) +
                                             " requests, the client made " + std::to_string(asked));
    return {};
}

Result<UniqueFd> greeted(const Options& options) {
    auto socket = connect_to(options);
    if (!socket) return socket;
    const Status hello = say_hello(*socket, options.token);
    if (!hello) return hello.error();
    return socket;
}

} // namespace cnet::bench
