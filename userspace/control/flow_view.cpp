#include "userspace/control/flow_view.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

#include "userspace/base/clock.h"

namespace cnet::control {

namespace {

constexpr const char* kStates[] = {"new", "established", "closing", "time_wait", "closed"};
static_assert(std::size(kStates) == CNET_CT_STATE_MAX);
constexpr const char* kTypes[] = {"snat", "dnat", "hairpin", "host", "routed"};
constexpr const char* kProtocols[] = {"tcp", "udp", "icmp", "icmpv6", "sctp"};

uint64_t seconds_since(uint64_t now_ns, uint64_t then_ns) {
    return now_ns > then_ns ? (now_ns - then_ns) / kSecondNs : 0;
}

// As protocol_name() writes those without a name.
bool is_protocol_number(const std::string& text) {
    uint8_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() &&
           protocol_name(number) == text;
}

template <typename Map> auto find_named(const Map& map, const std::string& name) {
    return std::find_if(map.begin(), map.end(),
                        [&](const auto& entry) { return entry.second.name == name; });
}

} // namespace

std::string protocol_name(uint8_t l4_proto) {
    switch (l4_proto) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_ICMP:
        return "icmp";
    case IPPROTO_ICMPV6:
        return "icmpv6";
    case IPPROTO_SCTP:
        return "sctp";
    default:
        return std::to_string(l4_proto);
    }
}

std::string flow_state_name(uint8_t state) {
    return state < CNET_CT_STATE_MAX ? kStates[state] : "unknown";
}

std::string flow_type_name(uint8_t type) {
    switch (type) {
    case CNET_CT_SNAT:
        return "snat";
    case CNET_CT_DNAT:
        return "dnat";
    case CNET_CT_HAIRPIN:
        return "hairpin";
    case CNET_CT_HOST_XLAT:
        return "host";
    case CNET_CT_ROUTED:
        return "routed";
    case CNET_CT_MAPPING:
        return "mapping";
    case CNET_CT_KERNEL:
        return "kernel";
    default:
        return "unknown";
    }
}

CtView flow_view(const cnet_ct_key& forward, const cnet_ct_entry& entry, const State& state,
                 const Timeouts& timeouts, uint64_t now_ns) {
    CtView view;
    view.protocol = protocol_name(forward.l4_proto);
    view.state = flow_state_name(entry.state);
    view.type = flow_type_name(entry.type);
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
    auto known = [](const auto& names, const std::string& name) {
        return std::find(std::begin(names), std::end(names), name) != std::end(names);
    };
    if (filter.proto && !known(kProtocols, *filter.proto) && !is_protocol_number(*filter.proto)) {
        return Error(ErrorKind::kInvalid, "protocol \"" + *filter.proto +
                                              "\" is none of tcp, udp, icmp, icmpv6, sctp, nor a "
                                              "number up to 255");
    }
    if (filter.state && !known(kStates, *filter.state)) {
        return Error(ErrorKind::kInvalid,
                     "state \"" + *filter.state +
                         "\" is none of new, established, closing, time_wait, closed");
    }
    if (filter.type && !known(kTypes, *filter.type)) {
        return Error(ErrorKind::kInvalid,
                     "type \"" + *filter.type + "\" is none of snat, dnat, hairpin, host");
    }
    if (filter.network) {
        auto network = find_named(state.networks, *filter.network);
        if (network == state.networks.end()) {
            return Error(ErrorKind::kNotFound, "there is no network \"" + *filter.network + "\"");
        }
        resolved.network_ = network->first;
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
    if (filter_.proto && *filter_.proto != protocol_name(forward.l4_proto)) return false;
    if (filter_.state && *filter_.state != flow_state_name(entry.state)) return false;
    if (filter_.type && *filter_.type != flow_type_name(entry.type)) return false;
    if (filter_.src && *filter_.src != IpAddress::from_abi(forward.src)) return false;
    if (filter_.dst && *filter_.dst != IpAddress::from_abi(forward.dst)) return false;
    if (filter_.sport && *filter_.sport != ntohs(forward.src_port_be)) return false;
    if (filter_.dport && *filter_.dport != ntohs(forward.dst_port_be)) return false;
    if (network_ && *network_ != entry.network_id) return false;
    return !endpoint_ || matches_endpoint(forward, entry);
}

} // namespace cnet::control
