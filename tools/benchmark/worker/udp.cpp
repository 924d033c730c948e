#include "tools/benchmark/worker/udp.h"

#include <sys/time.h>

#include <cstring>

namespace cnet::bench {
namespace {

constexpr int kTries = 50;
constexpr int kTryMs = 100;

bool nothing_came(int error) {
    // A port that nobody listens on yet says so by ICMP.
    return error == EAGAIN || error == EWOULDBLOCK || error == ECONNREFUSED || error == EINTR;
}

bool not_taken(int error) {
    return error == ENOBUFS || error == EAGAIN || error == EPERM || error == ECONNREFUSED;
}

} // namespace

Result<UniqueFd> udp_socket(in_addr address, uint16_t port) {
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return Error::system("socket");
    const int on = 1;
    if (setsockopt(socket.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0)
        return Error::system("IP_PKTINFO");
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr = address;
    own.sin_port = htons(port);
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
        return Error::system("bind");
    return socket;
}

Status limit_wait(const UniqueFd& socket, int milliseconds) {
    const timeval limit{.tv_sec = milliseconds / 1000,
                        .tv_usec = suseconds_t{milliseconds} % 1000 * 1000};
    if (setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0)
        return Error::system("SO_RCVTIMEO");
    return {};
}

Result<bool> send_datagram(const UniqueFd& socket, const sockaddr_in& to, uint64_t token, Kind kind,
                           uint64_t number, const in_addr* source) {
    Datagram datagram{.token = token, .kind = kind, .number = number, .check = 0};
    datagram.check = check_of(datagram);
    iovec content{.iov_base = &datagram, .iov_len = sizeof datagram};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
    msghdr message{};
    sockaddr_in where = to;
    message.msg_name = &where;
    message.msg_namelen = sizeof where;
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    if (source) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
        in_pktinfo info{};
        info.ipi_spec_dst = *source;
        std::memcpy(CMSG_DATA(header), &info, sizeof info);
    }
    if (sendmsg(socket.get(), &message, MSG_NOSIGNAL) >= 0) return true;
    if (not_taken(errno)) return false;
    return Error::system("send");
}

Result<std::optional<Received>> receive(const UniqueFd& socket, uint64_t token) {
    Received received;
    iovec content{.iov_base = &received.datagram, .iov_len = sizeof received.datagram};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
    msghdr message{};
    message.msg_name = &received.from;
    message.msg_namelen = sizeof received.from;
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(socket.get(), &message, 0);
    if (size < 0 && nothing_came(errno)) return std::optional<Received>();
    if (size < 0) return Error::system("receive");
    const Datagram& datagram = received.datagram;
    if (size != sizeof datagram || (message.msg_flags & MSG_TRUNC) != 0 ||
        datagram.token != token || datagram.check != check_of(datagram))
        return Error(ErrorKind::kSystem, "a datagram that is not this run's, or was changed");
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == IP_PKTINFO) {
        in_pktinfo info{};
        std::memcpy(&info, CMSG_DATA(header), sizeof info);
        received.to = info.ipi_addr;
    }
    return std::optional(received);
}

Result<uint64_t> insist(const UniqueFd& socket, const sockaddr_in& to, uint64_t token,
                        Kind question, uint64_t number, Kind answer) {
    const Status limited = limit_wait(socket, kTryMs);
    if (!limited) return limited.error();
    for (int number_of = 0; number_of < kTries; ++number_of) {
        const auto sent = send_datagram(socket, to, token, question, number);
        if (!sent) return sent.error();
        const auto received = receive(socket, token);
        if (!received) return received.error();
        if (*received && (*received)->datagram.kind == answer) return (*received)->datagram.number;
    }
    return Error(ErrorKind::kSystem, "the far end does not answer");
}

sockaddr_in destination(const Options& options) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr = options.address;
    to.sin_port = htons(options.port);
    return to;
}

} // namespace cnet::bench
