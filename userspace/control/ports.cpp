#include "userspace/control/ports.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cctype>
#include <filesystem>

#include "userspace/control/port_spec.h"

namespace cnet::control {

namespace {

// What the rest of the daemon needs: API connections, netlink, SQLite, namespaces.
constexpr uint64_t kSpareDescriptors = 64;

std::string go_strerror(int errno_value) {
    // Docker's messages are Go's: the C library's in lower case.
    std::string text = std::strerror(errno_value);
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

Error bind_error(const PublishedPort& port, uint16_t host_port, int errno_value) {
    ErrorKind kind = ErrorKind::kSystem;
    if (errno_value == EADDRINUSE) kind = ErrorKind::kConflict;
    if (errno_value == EADDRNOTAVAIL) kind = ErrorKind::kInvalid;
    if (errno_value == EACCES) kind = ErrorKind::kDenied;
    return {kind,
            "failed to bind host port " + host_ip_text(port.host_ip) + ":" +
                std::to_string(host_port) + "/" + std::string(to_string(port.l4)) + ": " +
                go_strerror(errno_value),
            errno_value};
}

bool drop_all(int fd) {
    sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    sock_fprog program{1, &drop};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

bool bind_to(int fd, int family, const std::optional<IpAddress>& address, uint16_t port) {
    if (family == AF_INET) {
        sockaddr_in sa{};
        sa.sin_family = AF_INET;
        sa.sin_port = htons(port);
        if (address) sa.sin_addr.s_addr = htonl(address->v4_host_order());
        return bind(fd, reinterpret_cast<const sockaddr*>(&sa), sizeof(sa)) == 0;
    }
    sockaddr_in6 sa{};
    sa.sin6_family = AF_INET6;
    sa.sin6_port = htons(port);
    if (address) std::memcpy(&sa.sin6_addr, address->bytes().data(), sizeof(sa.sin6_addr));
    return bind(fd, reinterpret_cast<const sockaddr*>(&sa), sizeof(sa)) == 0;
}

bool is_stream(const PublishedPort& port) {
    return port.l4 != CNET_L4_UDP;
}

// A UDP socket must be the only one; a TCP one may follow another whose connections are still in
// TIME_WAIT, and listening is what makes it exclusive then.
bool take(int fd, int family, int v6_only, const PublishedPort& port, uint16_t host_port) {
    const int on = 1;
    if (!drop_all(fd)) return false;
    if (port.l4 == CNET_L4_TCP && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return false;
    if (family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) != 0) {
        return false;
    }
    if (!bind_to(fd, family, port.host_ip, host_port)) return false;
    return !is_stream(port) || listen(fd, 1) == 0;
}

UniqueFd open_socket(int family, const PublishedPort& port) {
    const int type = is_stream(port) ? SOCK_STREAM : SOCK_DGRAM;
    return UniqueFd(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK,
                           port.l4 == CNET_L4_SCTP ? IPPROTO_SCTP : 0));
}

Result<UniqueFd> reserve_one(const PublishedPort& port, Families families, uint16_t host_port) {
    if (port.host_ip) families = port.host_ip->is_v4() ? Families::kV4 : Families::kV6;
    const int v6_only = families == Families::kBoth ? 0 : 1;
    int family = families == Families::kV4 ? AF_INET : AF_INET6;
    UniqueFd fd = open_socket(family, port);
    if (!fd && errno == EAFNOSUPPORT && families == Families::kBoth) {
        family = AF_INET;
        fd = open_socket(family, port);
    }
    if (!fd) return bind_error(port, host_port, errno);
    if (take(fd.get(), family, v6_only, port, host_port)) return fd;
    // IPv6 can also be there but switched off (disable_ipv6): [::] then refuses.
    if (errno != EADDRNOTAVAIL || families != Families::kBoth || family == AF_INET)
        return bind_error(port, host_port, errno);
    fd = open_socket(AF_INET, port);
    if (!fd || !take(fd.get(), AF_INET, v6_only, port, host_port))
        return bind_error(port, host_port, errno);
    return fd;
}

// Asked for the first of a range: what is not there is not there for the others either.
bool kernel_lacks(const PublishedPort& port) {
    if (port.l4 != CNET_L4_SCTP || open_socket(AF_INET, port)) return false;
    return errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT;
}

Status check_descriptors(uint64_t wanted) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return Error::system("getrlimit");
    std::error_code failed;
    uint64_t open = 0;
    for (std::filesystem::directory_iterator it("/proc/self/fd", failed), end; !failed && it != end;
         it.increment(failed)) {
        open++;
    }
    if (failed) return Error::system("count open files", failed.value());
    if (open + wanted + kSpareDescriptors <= limit.rlim_cur) return {};
    const uint64_t used = open + kSpareDescriptors;
    const uint64_t left = limit.rlim_cur > used ? limit.rlim_cur - used : 0;
    return Error(ErrorKind::kExhausted,
                 "publishing " + std::to_string(wanted) + " ports needs as many open files, and " +
                     std::to_string(left) + " are left of cnetd's limit of " +
                     std::to_string(limit.rlim_cur) + " (LimitNOFILE)");
}

} // namespace

Families families_of(const Endpoint& endpoint) {
    if (!endpoint.has_family(false)) return Families::kV4;
    return endpoint.has_family(true) ? Families::kBoth : Families::kV6;
}

Status PortReservations::reserve(const PublishedPort& port, Families families) {
    if (held(port.id) != Held::kNone) return {};
    if (kernel_lacks(port)) {
        held_.try_emplace(port.id);
        return {};
    }
    auto status = check_descriptors(port.count);
    if (!status) return status;
    std::vector<UniqueFd> sockets;
    sockets.reserve(port.count);
    for (uint32_t offset = 0; offset < port.count; offset++) {
        auto fd = reserve_one(port, families, static_cast<uint16_t>(port.host_port + offset));
        if (!fd) return fd.error();
        sockets.push_back(std::move(*fd));
    }
    held_.emplace(port.id, std::move(sockets));
    return {};
}

} // namespace cnet::control
