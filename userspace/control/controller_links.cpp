#include <algorithm>
#include <utility>

#include "userspace/control/controller_impl.h"

namespace cnet::control {

Status Controller::links_changed(const netlink::Events& news) {
    auto changed = impl_->take_news(news);
    if (!changed) {
        impl_->note_error(changed.error());
        return changed.error();
    }
    return *changed ? impl_->repair() : Status();
}

Result<bool> Controller::Impl::take_news(const netlink::Events& news) {
    bool is_clear = std::exchange(links_known, false);
    bool changed = true;
    if (is_clear) {
        auto taken = take_link_changes(news);
        if (!taken) return taken.error();
        changed = taken->changed;
        is_clear = !taken->in_doubt;
    }
    if (!is_clear) {
        auto looked = look_at_links(state);
        if (!looked) return looked;
        auto status = observe_attachments(observed, parts.hooks);
        if (!status) return status.error();
        changed = true;
    }
    if (changed) {
        // A device that was down has lost its routes.
        if (auto status = observe_host_routes(observed, parts.rtnl); !status) return status.error();
        observe_namespaces(observed, state, parts.namespaces);
        observed.unmakeable.clear();
        failing.clear();
    }
    links_known = true;
    return changed;
}

Result<LinksTaken> Controller::Impl::take_link_changes(const netlink::Events& news) {
    auto taken = take_link_news(observed, news.links, parts.rtnl);
    if (!taken || taken->in_doubt) return taken;
    auto forgotten = forget_attachments(taken->gone);
    if (!forgotten) return forgotten.error();
    taken->changed |= *forgotten;
    const auto may_have_some = [&](uint32_t ifindex) {
        auto link = news.links.find(ifindex);
        return link == news.links.end() || link->second.now;
    };
    if (std::any_of(news.addresses.begin(), news.addresses.end(), may_have_some)) {
        auto changed = observe_addresses(observed, parts.rtnl);
        if (!changed) return changed.error();
        taken->changed |= *changed;
    }
    auto changed = observe_bridging(observed, state, parts.rtnl);
    if (!changed) return changed.error();
    taken->changed |= *changed;
    return taken;
}

Result<bool> Controller::Impl::look_at_links(const State& by) {
    reconcile_status.link_lists++;
    return observe_links(observed, by, parts.rtnl);
}

// What was attached to these devices has left pins.
Result<bool> Controller::Impl::forget_attachments(const std::set<uint32_t>& gone) {
    bool any = false;
    for (auto it = observed.attachments.begin(); it != observed.attachments.end();) {
        if (!gone.contains(it->ifindex)) {
            ++it;
            continue;
        }
        auto status = parts.hooks.detach(*it);
        if (!status) return status.error();
        it = observed.attachments.erase(it);
        any = true;
    }
    return any;
}

} // namespace cnet::control
