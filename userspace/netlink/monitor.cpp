#include "userspace/netlink/monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>

namespace cnet::netlink {
namespace {

void note(const nlmsghdr& message, Events& events) {
    switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        events.links_changed = true;
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        events.addresses_changed = true;
        break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        events.routes_changed = true;
        break;
    case RTM_NEWNETCONF:
        events.settings_changed = true;
        break;
    default:
        break;
    }
}

// A datagram that did not fit is cut off behind its first message, and that one's type is all that
// is needed.
void note_all(const char* bytes, size_t size, Events& events) {
    while (size >= sizeof(nlmsghdr)) {
        nlmsghdr header{};
        std::memcpy(&header, bytes, sizeof(header));
        note(header, events);
        const size_t step = NLMSG_ALIGN(header.nlmsg_len);
        if (step < sizeof(header) || step >= size) return;
        bytes += step;
        size -= step;
    }
}

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
    std::array<char, 16384> buffer;
    for (;;) {
        sockaddr_nl sender{};
        socklen_t sender_size = sizeof(sender);
        const auto got = recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                  reinterpret_cast<sockaddr*>(&sender), &sender_size);
        if (got >= 0) {
            // Processes can send to the groups too.
            if (sender.nl_pid == 0) note_all(buffer.data(), static_cast<size_t>(got), events);
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
