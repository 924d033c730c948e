#include "userspace/netlink/monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace cnet::netlink {
namespace {

// These have no RTMGRP_* constant.
constexpr uint32_t group_bit(unsigned group) {
    return uint32_t{1} << (group - 1);
}

} // namespace

Result<Monitor> Monitor::open() {
    UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!fd) return Error::system("open a netlink socket");
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                        group_bit(RTNLGRP_IPV4_NETCONF) | group_bit(RTNLGRP_IPV6_NETCONF);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return Error::system("listen to netlink notifications");
    return Monitor(std::move(fd));
}

Result<Events> Monitor::drain() {
    Events events;
    alignas(nlmsghdr) std::array<char, 32768> buffer;
    for (;;) {
        sockaddr_nl sender{};
        socklen_t sender_size = sizeof(sender);
        const auto got = recvfrom(socket_.get(), buffer.data(), buffer.size(), MSG_TRUNC,
                                  reinterpret_cast<sockaddr*>(&sender), &sender_size);
        if (got >= 0) {
            if (sender.nl_pid != 0) continue; // processes can send to the groups too
            const auto size = static_cast<size_t>(got);
            events.overrun |= size > buffer.size();
            note_all({buffer.data(), std::min(size, buffer.size())}, events);
        } else if (errno == ENOBUFS) {
            events.overrun = true;
        } else if (errno == EAGAIN) {
            return events;
        } else if (errno != EINTR) {
            return Error::system("read netlink notifications");
        }
    }
}

} // namespace cnet::netlink
