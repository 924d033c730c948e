// What a monitor would have told of FakeRtnl's own namespace, as faithful as control/ needs it: of
// a veth whose other end leaves, the kernel tells nothing.
#pragma once

#include "tests/unit/netlink/fake_rtnl.h"
#include "userspace/netlink/monitor.h"

namespace cnet::test {

class FakeNews {
public:
    explicit FakeNews(FakeRtnl& rtnl) : rtnl_(rtnl) {}

    // Everything since the last call.
    netlink::Events drain() {
        netlink::Events news;
        std::map<uint32_t, netlink::LinkInfo> links;
        const auto seen = rtnl_.links();
        for (const auto& link : *seen)
            links.emplace(link.ifindex, link);
        for (const auto& [ifindex, link] : links) {
            auto before = links_.find(ifindex);
            if (before == links_.end() || !same_but_for_peer(before->second, link))
                news.links[ifindex].now = link;
        }
        // Also of one that came and went since.
        for (uint32_t ifindex = 1; ifindex <= rtnl_.last_index(); ++ifindex) {
            if (links.contains(ifindex))
                gone_.erase(ifindex);
            else if (gone_.insert(ifindex).second)
                news.links[ifindex].was_gone = true;
        }
        links_ = std::move(links);

        std::map<uint32_t, std::vector<netlink::AddressInfo>> addresses;
        const auto all = rtnl_.addresses();
        for (const auto& address : *all)
            addresses[address.ifindex].push_back(address);
        for (const auto& [ifindex, of] : addresses)
            if (addresses_[ifindex] != of) news.addresses.insert(ifindex);
        for (const auto& [ifindex, of] : addresses_)
            if (addresses[ifindex] != of) news.addresses.insert(ifindex);
        addresses_ = std::move(addresses);
        return news;
    }

private:
    static bool same_but_for_peer(netlink::LinkInfo one, const netlink::LinkInfo& other) {
        one.peer_here = other.peer_here;
        return one == other;
    }

    FakeRtnl& rtnl_;
    std::map<uint32_t, netlink::LinkInfo> links_;
    std::set<uint32_t> gone_; // told of
    std::map<uint32_t, std::vector<netlink::AddressInfo>> addresses_;
};

} // namespace cnet::test
