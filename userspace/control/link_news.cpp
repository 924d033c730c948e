#include "userspace/control/link_news.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace cnet::control {

namespace {

// Observed::links, by index for as long as news are being taken.
class Picture {
public:
    explicit Picture(std::map<std::string, netlink::LinkInfo>& links) : links_(links) {
        by_index_.reserve(links.size());
        for (auto& [name, link] : links)
            by_index_.emplace(link.ifindex, &link);
    }

    netlink::LinkInfo* find(uint32_t ifindex) {
        auto it = by_index_.find(ifindex);
        return it == by_index_.end() ? nullptr : it->second;
    }

    std::optional<netlink::LinkInfo> take_out(uint32_t ifindex) {
        auto it = by_index_.find(ifindex);
        if (it == by_index_.end()) return std::nullopt;
        auto node = links_.extract(it->second->name);
        by_index_.erase(it);
        return std::move(node.mapped());
    }

    // False: another device has the name.
    bool put(const netlink::LinkInfo& link) {
        auto [it, is_new] = links_.emplace(link.name, link);
        if (is_new) by_index_[link.ifindex] = &it->second;
        return is_new;
    }

private:
    std::map<std::string, netlink::LinkInfo>& links_;
    std::unordered_map<uint32_t, netlink::LinkInfo*> by_index_;
};

class Taker {
public:
    Taker(Observed& observed, netlink::Rtnl& rtnl)
        : observed_(observed), picture_(observed.links), rtnl_(rtnl) {}

    Result<LinksTaken> take(const std::map<uint32_t, netlink::LinkNews>& news) {
        // All out before any comes in: names may have been exchanged.
        for (const auto& [ifindex, told] : news)
            before_[ifindex] = picture_.take_out(ifindex);
        for (const auto& [ifindex, told] : news) {
            if (told.was_gone) forget(ifindex);
            if (told.now && !picture_.put(*told.now)) taken_.in_doubt = true;
        }
        auto status = check_ends();
        if (!status) return status.error();
        taken_.changed = std::any_of(before_.begin(), before_.end(), [&](const auto& entry) {
            const netlink::LinkInfo* now = picture_.find(entry.first);
            return entry.second ? !now || *now != *entry.second : now != nullptr;
        });
        return taken_;
    }

private:
    // Of a veth whose other end leaves the namespace, or comes back, the kernel tells nothing; nor
    // does the first news of a new one say where its other end is.
    Status check_ends() {
        std::set<uint32_t> ends;
        for (const auto& [ifindex, link] : before_) {
            ends.insert(ifindex);
            if (link) ends.insert(link->peer_here);
            if (const auto* now = picture_.find(ifindex)) ends.insert(now->peer_here);
        }
        std::set<uint32_t> unsure;
        for (const uint32_t ifindex : ends) {
            if (is_alone(ifindex)) unsure.insert({ifindex, picture_.find(ifindex)->peer_here});
        }
        for (const uint32_t ifindex : unsure) {
            auto status = look_at(ifindex);
            if (!status) return status;
        }
        taken_.in_doubt |= std::any_of(unsure.begin(), unsure.end(),
                                       [&](uint32_t ifindex) { return is_alone(ifindex); });
        return {};
    }

    // What it says of its other end, that one does not say of it.
    bool is_alone(uint32_t ifindex) {
        const netlink::LinkInfo* link = picture_.find(ifindex);
        if (!link || link->peer_here == 0) return false;
        const netlink::LinkInfo* peer = picture_.find(link->peer_here);
        return !peer || peer->peer_here != ifindex;
    }

    // It may be ahead of the news: of a veth's two ends one is told to be gone before the other.
    Status look_at(uint32_t ifindex) {
        if (!picture_.find(ifindex)) return {};
        auto now = rtnl_.link(ifindex);
        if (!now && now.error().kind() != ErrorKind::kNotFound) return now.error();
        auto former = picture_.take_out(ifindex);
        before_.emplace(ifindex, std::move(former));
        if (!now)
            forget(ifindex);
        else if (!picture_.put(*now))
            taken_.in_doubt = true;
        return {};
    }

    void forget(uint32_t ifindex) {
        taken_.gone.insert(ifindex);
        observed_.addresses.erase(ifindex);
    }

    Observed& observed_;
    Picture picture_;
    netlink::Rtnl& rtnl_;
    std::map<uint32_t, std::optional<netlink::LinkInfo>> before_; // of those that were touched
    LinksTaken taken_;
};

} // namespace

Result<LinksTaken> take_link_news(Observed& observed,
                                  const std::map<uint32_t, netlink::LinkNews>& news,
                                  netlink::Rtnl& rtnl) {
    if (news.empty()) return LinksTaken();
    return Taker(observed, rtnl).take(news);
}

} // namespace cnet::control
