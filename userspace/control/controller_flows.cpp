#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include "maps/flow_names.h"
#include "maps/reasons.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/flow_view.h"

namespace cnet::control {

namespace {

// Not a mapping, and once a flow.
bool is_flow(const cnet_ct_key& key, const cnet_ct_entry& entry) {
    return entry.kind == CNET_CT_FORWARD && !key.mapping;
}

// The tuple outside whose destination is an address and port of the host that translation uses;
// null when there is none.
const cnet_ct_key* outside_of(const cnet_ct_key& key, const cnet_ct_entry& entry) {
    if (entry.kind != CNET_CT_FORWARD) return nullptr;
    switch (entry.type) {
    case CNET_CT_SNAT:
    case CNET_CT_HOST_XLAT:
    case CNET_CT_MAPPING:
        return entry.other.zone == CNET_ZONE_WORLD ? &entry.other : nullptr;
    case CNET_CT_DNAT: // without a binding it came by a mapping
        return entry.binding_id == 0 ? &key : nullptr;
    default:
        return nullptr;
    }
}

} // namespace

Result<Controller::Connections> Controller::connections(const CtFilter& filter) const {
    const Impl& impl = *impl_;
    auto resolved = FlowFilter::resolve(filter, impl.state);
    if (!resolved) return resolved.error();
    std::shared_ptr<CtWalk> walk = impl.parts.tables.walk_ct();
    return Connections([&impl, resolved = *resolved,
                        walk]() mutable -> Result<std::optional<std::vector<CtView>>> {
        if (!walk) return std::optional<std::vector<CtView>>();
        const uint64_t now_ns = impl.parts.clock.monotonic_ns();
        std::vector<CtView> views;
        auto more = walk->next([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
            if (!is_flow(key, entry) || entry.last_seen_ns == CNET_CLAIMED) return;
            if (!resolved.matches(key, entry)) return;
            views.push_back(flow_view(key, entry, impl.state, impl.collector.timeouts(), now_ns));
        });
        if (!more) return more.error();
        if (!*more) walk.reset();
        return std::optional(std::move(views));
    });
}

Result<CtCount> Controller::count_connections() const {
    CtCount count;
    count.max_entries = impl_->parts.tables.ct_max_entries();
    auto status =
        impl_->parts.tables.for_each_ct([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
            count.entries++;
            if (is_flow(key, entry)) count.flows++;
        });
    if (!status) return status.error();
    return count;
}

FlowFigures Controller::flow_figures() const {
    const Collector& collector = impl_->collector;
    FlowFigures figures;
    figures.collected_flows = collector.collected_flows();
    figures.collected_macs = collector.collected_macs();
    const FlowCensus* census = collector.census();
    if (!census) return figures;
    figures.entries = census->entries;
    std::map<std::pair<std::string, std::string>, uint64_t> kinds;
    for (const auto& [kind, flows] : census->flows) {
        std::string protocol = maps::protocol_name(kind.first);
        // As a number, one of 256.
        if (std::isdigit(static_cast<unsigned char>(protocol.front()))) protocol = "other";
        kinds[{std::move(protocol), std::string(maps::flow_state_name(kind.second))}] += flows;
    }
    for (const auto& [kind, flows] : kinds)
        figures.kinds.push_back({kind.first, kind.second, flows});
    return figures;
}

Result<uint64_t> Controller::flush_connections(const CtFilter& filter) {
    auto resolved = FlowFilter::resolve(filter, impl_->state);
    if (!resolved) return resolved.error();
    return impl_->collector.purge_flows([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
        return resolved->matches(key, entry);
    });
}

Result<std::vector<NatView>> Controller::nat() const {
    using Port = std::tuple<std::string, IpAddress, uint16_t>;
    std::map<Port, NatView> used;
    const State& state = impl_->state;
    auto status =
        impl_->parts.tables.for_each_ct([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
            const cnet_ct_key* outside = outside_of(key, entry);
            if (!outside) return;
            const Port port{maps::protocol_name(outside->l4_proto),
                            IpAddress::from_abi(outside->dst), ntohs(outside->dst_port_be)};
            NatView& view = used[port];
            std::tie(view.protocol, view.address, view.port) = port;
            if (!key.mapping) {
                view.flows++;
                return;
            }
            view.inside = IpAddress::from_abi(key.src);
            view.inside_port = ntohs(key.src_port_be);
            view.network = state.network_name(key.zone);
        });
    if (!status) return status.error();
    std::vector<NatView> views;
    for (auto& [port, view] : used)
        views.push_back(std::move(view));
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
