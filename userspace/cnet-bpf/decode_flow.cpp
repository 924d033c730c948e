#include "userspace/cnet-bpf/decode_flow.h"

#include "maps/reasons.h"
#include "userspace/cnet-bpf/decode_fields.h"

namespace cnet::cli {
namespace {

Json frag_datagram(const cnet_frag_key& key) {
    return {{"protocol", protocol(key.l4_proto)},
            {"src", address(key.src)},
            {"dst", address(key.dst)},
            {"zone", zone(key.zone)},
            {"id", ntohl(key.id)},
            {"hook", maps::hook_name(key.hook)}};
}

} // namespace

Json ct_key(const void* bytes, const Decoder&) {
    return tuple(read<cnet_ct_key>(bytes));
}
Json ct_value(const void* bytes, const Decoder& decoder) {
    auto entry = read<cnet_ct_entry>(bytes);
    Json fields = {{"kind", named(entry.kind, kCtKinds)}};
    if (entry.kind != CNET_CT_REVERSE) { // all of this is the forward entry's
        fields.update({{"type", or_number(maps::flow_type_name(entry.type), entry.type)},
                       {"state", or_number(maps::flow_state_name(entry.state), entry.state)},
                       {"flags", flags(entry.flags, kCtFlags)},
                       {"idle_s", seconds_since(entry.last_seen_ns, decoder)},
                       {"claimed", entry.last_seen_ns == CNET_CLAIMED},
                       {"age_s", seconds_since(entry.created_ns, decoder)},
                       {"network", optional_id(entry.network_id)},
                       {"binding", optional_id(entry.binding_id)},
                       {"uplink_ifindex", optional_id(entry.fib_ifindex)},
                       {"uplink", device(entry.fib_ifindex, decoder)},
                       {"nexthop", optional_address(entry.fib_nexthop)},
                       {"mtu", optional_id(entry.fib_mtu)}});
    }
    fields["other"] = tuple(entry.other);
    return fields;
}

Json frag_key(const void* bytes, const Decoder&) {
    return frag_datagram(read<cnet_frag_key>(bytes));
}
Json frag_value(const void* bytes, const Decoder& decoder) {
    auto frag = read<cnet_frag>(bytes);
    return {{"age_s", seconds_since(frag.first_ns, decoder)},
            {"received", frag.received},
            {"total", optional_id(frag.total)},
            {"held", frag.held},
            {"has_first", frag.has_first != 0},
            {"src_port", ntohs(frag.src_port_be)},
            {"dst_port", ntohs(frag.dst_port_be)}};
}
Json frag_held_key(const void* bytes, const Decoder&) {
    auto key = read<cnet_frag_held_key>(bytes);
    Json fields = frag_datagram(key.datagram);
    fields["index"] = key.index;
    return fields;
}
Json frag_held_value(const void* bytes, const Decoder& decoder) {
    auto held = read<cnet_frag_held>(bytes);
    return {{"age_s", seconds_since(held.since_ns, decoder)}, {"bytes", held.len}};
}

} // namespace cnet::cli
