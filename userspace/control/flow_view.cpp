#include "userspace/control/flow_view.h"

#include <arpa/inet.h>

#include <algorithm>

#include "maps/flow_names.h"
#include "userspace/base/clock.h"

namespace cnet::control {

namespace {

uint64_t seconds_since(uint64_t now_ns, uint64_t then_ns) {
    return now_ns > then_ns ? (now_ns - then_ns) / kSecondNs : 0;
}

std::string joined(const std::vector<std::string_view>& names) {
    std::string list;
    for (std::string_view name : names)
        list.append(list.empty() ? "" : ", ").append(name);
    return list;
}

Status one_of(const char* what, const std::optional<std::string>& given,
              const std::vector<std::string_view>& known) {
    if (!given || std::find(known.begin(), known.end(), *given) != known.end()) return {};
    return Error(ErrorKind::kInvalid,
                 std::string(what) + " \"" + *given + "\" is none of " + joined(known));
}

template <typename Map> auto find_named(const Map& map, const std::string& name) {
    return std::find_if(map.begin(), map.end(),
                        [&](const auto& entry) { return entry.second.name == name; });
}

} // namespace

CtView flow_view(const cnet_ct_key& forward, const cnet_ct_entry& entry, const State& state,
                 const Timeouts& timeouts, uint64_t now_ns) {
    CtView view;
    view.protocol = maps::protocol_name(forward.l4_proto);
    view.state = maps::flow_state_name(entry.state);
    view.type = maps::flow_type_name(entry.type);
    view.network = state.network_name(entry.network_id);
    view.src = IpAddress::from_abi(forward.src);
    view.src_port = ntohs(forward.src_port_be);
    view.dst = IpAddress::from_abi(forward.dst);
    view.dst_port = ntohs(forward.dst_port_be);
    view.reply_src = IpAddress::from_abi(entry.other.src);
    view.reply_src_port = ntohs(entry.other.src_port_be);
    view.reply_dst = IpAddress::from_abi(entry.other.dst);
    view.reply_dst_port = ntohs(entry.other.dst_port_be);
    view.age_s = seconds_since(now_ns, entry.created_ns);
    view.idle_s = seconds_since(now_ns, entry.last_seen_ns);
    const uint64_t timeout_s = timeouts.of(forward.l4_proto, entry.state);
    view.expires_s = timeout_s > view.idle_s ? timeout_s - view.idle_s : 0;
    return view;
}

Result<FlowFilter> FlowFilter::resolve(const CtFilter& filter, const State& state) {
    FlowFilter resolved;
    resolved.filter_ = filter;
    if (filter.proto) resolved.protocol_ = maps::parse_protocol(*filter.proto);
    if (filter.proto && !resolved.protocol_) {
        return Error(ErrorKind::kInvalid, "protocol \"" + *filter.proto + "\" is none of " +
                                              joined(maps::protocol_names()) +
                                              ", nor a number up to 255");
    }
    if (Status state_known = one_of("state", filter.state, maps::flow_states()); !state_known)
        return state_known.error();
    if (Status type_known = one_of("type", filter.type, maps::flow_types()); !type_known)
        return type_known.error();
    if (filter.network) {
        auto network = find_named(state.networks, *filter.network);
        auto adopted = state.adopted.find(*filter.network);
        if (network != state.networks.end())
            resolved.network_ = network->first;
        else if (adopted != state.adopted.end())
            resolved.network_ = adopted->second.network_id;
        else
            return Error(ErrorKind::kNotFound, "there is no network \"" + *filter.network + "\"");
    }
    if (filter.endpoint) {
        auto endpoint = find_named(state.endpoints, *filter.endpoint);
        if (endpoint == state.endpoints.end()) {
            return Error(ErrorKind::kNotFound, "there is no endpoint \"" + *filter.endpoint + "\"");
        }
        resolved.endpoint_ = endpoint->second;
    }
    return resolved;
}

bool FlowFilter::matches_endpoint(const cnet_ct_key& forward, const cnet_ct_entry& entry) const {
    for (const cnet_ct_key* tuple : {&forward, &entry.other}) {
        if (tuple->zone != endpoint_->network_id) continue;
        for (const IpPrefix& address : endpoint_->addresses) {
            if (IpAddress::from_abi(tuple->src) == address.address()) return true;
            if (IpAddress::from_abi(tuple->dst) == address.address()) return true;
        }
    }
    return false;
}

bool FlowFilter::matches(const cnet_ct_key& forward, const cnet_ct_entry& entry) const {
    if (protocol_ && *protocol_ != forward.l4_proto) return false;
    if (filter_.state && *filter_.state != maps::flow_state_name(entry.state)) return false;
    if (filter_.type && *filter_.type != maps::flow_type_name(entry.type)) return false;
    if (filter_.src && *filter_.src != IpAddress::from_abi(forward.src)) return false;
    if (filter_.dst && *filter_.dst != IpAddress::from_abi(forward.dst)) return false;
    if (filter_.sport && *filter_.sport != ntohs(forward.src_port_be)) return false;
    if (filter_.dport && *filter_.dport != ntohs(forward.dst_port_be)) return false;
    if (network_ && *network_ != entry.network_id) return false;
    return !endpoint_ || matches_endpoint(forward, entry);
}

} // namespace cnet::control
