#include "userspace/names/listener.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace cnet::names {
namespace {

constexpr uint16_t kPort = 53;
constexpr int kBacklog = 16;

struct SocketAddress {
    sockaddr_storage bytes{};
    socklen_t size = 0;
};

SocketAddress socket_address(const IpAddress& address) {
    SocketAddress out;
    if (address.is_v4()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(out.bytes);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(kPort);
        std::memcpy(&v4.sin_addr, address.bytes().data() + 12, sizeof(v4.sin_addr));
        out.size = sizeof(v4);
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(out.bytes);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(kPort);
        std::memcpy(&v6.sin6_addr, address.bytes().data(), sizeof(v6.sin6_addr));
        out.size = sizeof(v6);
    }
    return out;
}

bool set_option(int fd, int level, int option) {
    const int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

Result<UniqueFd> bound_socket(const Place& place, int type) {
    const bool v4 = place.address.is_v4();
    UniqueFd fd(::socket(v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return Error::system("open a socket");
    // Before the address is there, and again when connections of before still linger.
    bool set = v4 ? set_option(fd.get(), IPPROTO_IP, IP_FREEBIND)
                  : set_option(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND) &&
                        set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
    if (type == SOCK_STREAM) set = set && set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
    set = set && setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, place.device.c_str(),
                            static_cast<socklen_t>(place.device.size())) == 0;
    if (!set) return Error::system("prepare a socket on " + place.device);
    const SocketAddress address = socket_address(place.address);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size) != 0)
        return Error::system("listen on " + place.address.to_string() + " port 53");
    return fd;
}

} // namespace

Result<Sockets> listen_at(const Place& place) {
    auto udp = bound_socket(place, SOCK_DGRAM);
    if (!udp) return udp.error();
    auto tcp = bound_socket(place, SOCK_STREAM);
    if (!tcp) return tcp.error();
    if (listen(tcp->get(), kBacklog) != 0) return Error::system("listen on port 53");
    return Sockets{std::move(*udp), std::move(*tcp)};
}

} // namespace cnet::names
