#include "userspace/netlink/monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "userspace/netlink/link_message.h"

namespace cnet::netlink {
namespace {

// The fixed part, which begins with the family in all of these; none: cut off.
template <typename Header> const Header* header_of(nlmsghdr& message) {
    const bool whole = message.nlmsg_len >= static_cast<uint32_t>(NLMSG_LENGTH(sizeof(Header)));
    return whole ? static_cast<const Header*>(nlmsg_data(&message)) : nullptr;
}

void note_link(nlmsghdr& message, Events& events) {
    const auto* header = header_of<ifinfomsg>(message);
    if (!header) {
        events.overrun = true;
    } else if (header->ifi_family == AF_BRIDGE) {
        events.bridging_changed = true; // of a port, also that it is none any more
    } else if (header->ifi_family == AF_UNSPEC) {
        auto now = to_link_info(&message);
        if (message.nlmsg_type == RTM_NEWLINK && !now) return; // a wireless event, say
        LinkNews& news = events.links[static_cast<uint32_t>(header->ifi_index)];
        news.was_gone |= !now;
        news.now = std::move(now);
    }
}

void note_address(nlmsghdr& message, Events& events) {
    if (const auto* header = header_of<ifaddrmsg>(message))
        events.addresses.insert(header->ifa_index);
    else
        events.overrun = true;
}

void note(nlmsghdr& message, Events& events) {
    switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        note_link(message, events);
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        note_address(message, events);
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

void note_all(char* bytes, size_t size, Events& events) {
    auto* message = reinterpret_cast<nlmsghdr*>(bytes);
    int left = static_cast<int>(size);
    for (; nlmsg_ok(message, left); message = nlmsg_next(message, &left))
        note(*message, events);
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

void Events::add(Events later) {
    for (auto& [ifindex, news] : later.links) {
        LinkNews& mine = links[ifindex];
        mine.was_gone |= news.was_gone;
        mine.now = std::move(news.now);
    }
    addresses.merge(later.addresses);
    bridging_changed |= later.bridging_changed;
    routes_changed |= later.routes_changed;
    settings_changed |= later.settings_changed;
    overrun |= later.overrun;
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
            note_all(buffer.data(), std::min(size, buffer.size()), events);
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
