#include <arpa/inet.h>

#include <algorithm>

#include "maps/reasons.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/flow_view.h"

namespace cnet::control {

Result<std::vector<CtView>> Controller::connections(const CtFilter& filter) const {
    const Impl& impl = *impl_;
    auto resolved = FlowFilter::resolve(filter, impl.state);
    if (!resolved) return resolved.error();
    const uint64_t now_ns = impl.parts.clock.monotonic_ns();
    std::vector<CtView> views;
    auto status =
        impl.parts.tables.for_each_ct([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
            if (entry.kind != CNET_CT_FORWARD || entry.last_seen_ns == CNET_CLAIMED) return;
            if (!resolved->matches(key, entry)) return;
            views.push_back(flow_view(key, entry, impl.state, impl.collector.timeouts(), now_ns));
        });
    if (!status) return status.error();
    return views;
}

Result<CtCount> Controller::count_connections() const {
    CtCount count;
    count.max_entries = impl_->parts.tables.ct_max_entries();
    auto status =
        impl_->parts.tables.for_each_ct([&](const cnet_ct_key&, const cnet_ct_entry& entry) {
            count.entries++;
            if (entry.kind == CNET_CT_FORWARD) count.flows++;
        });
    if (!status) return status.error();
    return count;
}

Result<uint64_t> Controller::flush_connections(const CtFilter& filter) {
    auto resolved = FlowFilter::resolve(filter, impl_->state);
    if (!resolved) return resolved.error();
    return impl_->collector.purge_flows([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
        return resolved->matches(key, entry);
    });
}

Result<std::vector<NatView>> Controller::nat() const {
    // A mapping holds the address and port that replies are sent to: the destination of the reply's
    // tuple outside.
    using Port = std::tuple<std::string, IpAddress, uint16_t>;
    std::map<Port, uint64_t> used;
    auto status = impl_->parts.tables.for_each_ct([&](const cnet_ct_key&,
                                                      const cnet_ct_entry& entry) {
        const bool maps_a_port = entry.type == CNET_CT_SNAT || entry.type == CNET_CT_HOST_XLAT;
        if (entry.kind != CNET_CT_FORWARD || !maps_a_port || entry.other.zone != CNET_ZONE_WORLD)
            return;
        used[{protocol_name(entry.other.l4_proto), IpAddress::from_abi(entry.other.dst),
              ntohs(entry.other.dst_port_be)}]++;
    });
    if (!status) return status.error();
    std::vector<NatView> views;
    for (const auto& [port, flows] : used) {
        views.push_back({std::get<0>(port), std::get<1>(port), std::get<2>(port), flows});
    }
    return views;
}

Result<std::vector<DropView>> Controller::drops() const {
    auto counters = impl_->parts.tables.counters();
    if (!counters) return counters.error();
    std::vector<DropView> views;
    for (uint32_t hook = 0; hook < CNET_HOOK_MAX; hook++) {
        for (uint32_t number = 0; number < CNET_REASON_MAX; number++) {
            const cnet_counter& counter = (*counters)[CNET_COUNTER_INDEX(hook, number)];
            if (counter.packets == 0) continue;
            const maps::Reason& reason = maps::reason(number);
            views.push_back({std::string(maps::hook_name(hook)), std::string(reason.name),
                             std::string(maps::to_string(reason.reason_class)), counter.packets,
                             counter.bytes, std::string(reason.meaning)});
        }
    }
    return views;
}

Status Controller::reset_drops() {
    return impl_->parts.tables.reset_counters();
}

} // namespace cnet::control
