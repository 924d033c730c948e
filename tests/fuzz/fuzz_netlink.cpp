// What the kernel says by netlink, as far as it is taken apart here and not by libnl:
// notifications, devices, bridges and their addresses, connections, nftables' chains.
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <span>

#include "tests/fuzz/input.h"
#include "userspace/netlink/bridging_message.h"
#include "userspace/netlink/conntrack_message.h"
#include "userspace/netlink/events.h"
#include "userspace/netlink/link_message.h"
#include "userspace/netlink/nftables.h"

namespace cnet::netlink {
namespace {

// Aligned as a message is, and ending where the input does.
class Datagram {
public:
    explicit Datagram(std::string_view text) : bytes_(new char[text.size()]), size_(text.size()) {
        std::copy(text.begin(), text.end(), bytes_.get());
    }

    std::span<char> all() { return {bytes_.get(), size_}; }
    // As libnl does it with an answer. What is cut off at the end is `tail`.
    void for_each(const std::function<void(nlmsghdr*)>& visit,
                  const std::function<void(std::span<char>)>& tail = {}) {
        auto* message = reinterpret_cast<nlmsghdr*>(bytes_.get());
        int left = static_cast<int>(size_);
        for (; nlmsg_ok(message, left); message = nlmsg_next(message, &left))
            visit(message);
        if (tail && left > 0) tail(all().last(static_cast<size_t>(left)));
    }

private:
    std::unique_ptr<char[]> bytes_;
    size_t size_;
};

bool same(const Events& one, const Events& other) {
    return one.links == other.links && one.addresses == other.addresses &&
           one.bridging_changed == other.bridging_changed &&
           one.routes_changed == other.routes_changed &&
           one.settings_changed == other.settings_changed && one.overrun == other.overrun;
}

// All at once is the same as one after the other, and what cannot be read is never passed over.
void check_events(Datagram& datagram) {
    Events at_once, in_turn;
    note_all(datagram.all(), at_once);
    size_t messages = 0;
    const auto add = [&](std::span<char> part) {
        Events events;
        note_all(part, events);
        in_turn.add(std::move(events));
    };
    datagram.for_each(
        [&](nlmsghdr* message) {
            messages++;
            add({reinterpret_cast<char*>(message), message->nlmsg_len});
        },
        add);
    CNET_CHECK(same(at_once, in_turn));
    CNET_CHECK(messages > 0 || datagram.all().empty() || at_once.overrun);
}

void check_link(nlmsghdr* message) {
    const auto link = to_link_info(message);
    if (!link) return;
    CNET_CHECK(message->nlmsg_type == RTM_NEWLINK);
    const std::string_view all(reinterpret_cast<const char*>(message), message->nlmsg_len);
    for (const std::string* text : {&link->name, &link->kind, &link->alias})
        CNET_CHECK(all.find(*text) != all.npos && text->find('\0') == text->npos);
    CNET_CHECK(link->kind == "veth" || link->peer_here == 0);
}

void check_bridges(Datagram& datagram) {
    const std::set<uint32_t> wanted = {2, 3, 4};
    Bridging found;
    std::vector<FarEnd> far_ends;
    datagram.for_each([&](nlmsghdr* message) { add_link(message, wanted, found, far_ends); });
    for (const auto& [ifindex, bridge] : found.bridges)
        CNET_CHECK(wanted.contains(ifindex) && bridge.own.empty() && bridge.stated.empty());
    for (const FarEnd& far : far_ends)
        CNET_CHECK(found.ports.contains(far.port));
}

void check_addresses(Datagram& datagram) {
    BridgeInfo info;
    size_t messages = 0;
    datagram.for_each([&](nlmsghdr* message) {
        messages++;
        add_address(message, 2, info);
    });
    CNET_CHECK(info.own.size() + info.stated.size() <= messages);
}

void check_connections(Datagram& datagram) {
    const std::vector<IpPrefix> sources = {*IpPrefix::parse("10.0.0.0/8"),
                                           *IpPrefix::parse("fd00::/8")};
    std::vector<KernelFlow> flows;
    datagram.for_each([&](nlmsghdr* message) { add_translated(message, sources, flows); });
    for (const KernelFlow& flow : flows)
        CNET_CHECK(std::ranges::any_of(
            sources, [&](const IpPrefix& source) { return source.contains(flow.src); }));
}

void check_chain(nlmsghdr* message) {
    const auto chain = to_hooked_chain(message);
    if (!chain) return;
    const std::string_view all(reinterpret_cast<const char*>(message), message->nlmsg_len);
    for (const std::string* text : {&chain->table, &chain->name, &chain->type})
        CNET_CHECK(all.find(*text) != all.npos && text->find('\0') == text->npos);
}

} // namespace
} // namespace cnet::netlink

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cnet::netlink;
    const cnet::fuzz::Input input(data, size, 6);
    Datagram datagram(input.text);
    if (input.way == 0) check_events(datagram);
    if (input.way == 1) datagram.for_each(check_link);
    if (input.way == 2) check_bridges(datagram);
    if (input.way == 3) check_addresses(datagram);
    if (input.way == 4) check_connections(datagram);
    if (input.way == 5) datagram.for_each(check_chain);
    return 0;
}
