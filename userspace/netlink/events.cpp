#include "userspace/netlink/events.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <utility>

#include "userspace/netlink/link_message.h"
#include "userspace/netlink/question.h"

namespace cnet::netlink {
namespace {

void note_link(nlmsghdr* message, Events& events) {
    const auto* header = header_of<ifinfomsg>(message);
    if (!header) {
        events.overrun = true;
    } else if (header->ifi_family == AF_BRIDGE) {
        events.bridging_changed = true; // of a port, also that it is none any more
    } else if (header->ifi_family == AF_UNSPEC) {
        auto now = to_link_info(message);
        if (message->nlmsg_type == RTM_NEWLINK && !now) return; // a wireless event, say
        LinkNews& news = events.links[static_cast<uint32_t>(header->ifi_index)];
        news.was_gone |= !now;
        news.now = std::move(now);
    }
}

void note_address(nlmsghdr* message, Events& events) {
    if (const auto* header = header_of<ifaddrmsg>(message))
        events.addresses.insert(header->ifa_index);
    else
        events.overrun = true;
}

void note(nlmsghdr* message, Events& events) {
    switch (message->nlmsg_type) {
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

} // namespace

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

void note_all(std::span<char> datagram, Events& events) {
    auto* message = reinterpret_cast<nlmsghdr*>(datagram.data());
    int left = static_cast<int>(datagram.size());
    for (; nlmsg_ok(message, left); message = nlmsg_next(message, &left))
        note(message, events);
    events.overrun |= left > 0; // cut off
}

} // namespace cnet::netlink
