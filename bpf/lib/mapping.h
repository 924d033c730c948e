/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages: networks with endpoint-independent NAT (RFC 4787 REQ-1, REQ-8, REQ-9). What an endpoint
 * sends from one port leaves from one port, whoever it goes to, and whoever sends to that port
 * reaches the endpoint: the world from an uplink, endpoints of such networks through the gateway.
 *
 * A mapping is asked when a flow begins, never for a packet of a known flow. A port that a socket
 * of the host has, or comes to have, is the host's: then the flow gets another one. So does one
 * whose tuple another flow holds; two CPUs that take a port at once, one for a mapping and one for
 * a flow, come to that.
 */
#ifndef CNET_LIB_MAPPING_H
#define CNET_LIB_MAPPING_H

#include "flow.h"
#include "icmp_reply.h"

static __always_inline void mapping_key(struct cnet_ct_key* key, __u32 zone, __u8 proto) {
    __builtin_memset(key, 0, sizeof(*key));
    key->zone = zone;
    key->l4_proto = proto;
    key->mapping = 1;
}

/* REVERSE: whose is this address and port outside? */
static __always_inline void mapping_key_outside(struct cnet_ct_key* key, __u8 proto,
                                                const union cnet_addr* addr, __be16 port_be) {
    mapping_key(key, CNET_ZONE_WORLD, proto);
    if (addr_is_v4(addr)) key->src = addr_from_v4(0);
    key->dst = *addr;
    key->dst_port_be = port_be;
}

/* FORWARD: what is the source of this flow outside? */
static __always_inline void mapping_key_inside(struct cnet_ct_key* key,
                                               const struct flow_new* flow) {
    mapping_key(key, flow->forward.zone, flow->forward.l4_proto);
    key->src = flow->forward.src;
    key->src_port_be = flow->forward.src_port_be;
    key->dst = flow->reply.dst;
}

/* A mapping for the flow that is prepared, which is so again afterwards. */
static __always_inline int mapping_begin(struct __sk_buff* skb, struct scratch* scratch,
                                         const struct cnet_ct_key* inside) {
    struct flow_new* flow = &scratch->flow;
    int result;

    scratch->waiting = *flow;
    flow_prepare(scratch, CNET_CT_MAPPING, inside->zone, 0);
    flow->forward = *inside;
    mapping_key_outside(&flow->reply, inside->l4_proto, &inside->dst, inside->src_port_be);
    flow_port_range(flow, inside->src_port_be);
    result = flow_begin(skb);
    scratch->waiting.reply.dst_port_be = flow->reply.dst_port_be;
    *flow = scratch->waiting;
    return result;
}

/*
 * The prepared flow gets the port that its source has at the outside address that it goes by, when
 * it is to be mapped at all. An enum flow_result but for FLOW_EXISTS.
 */
VERIFIED_ONCE int mapping_assign(struct __sk_buff* skb) {
    struct scratch* scratch = scratch_get();
    __u64 now_ns = clock_coarse_ns();
    struct cnet_ct_key key;
    struct ct_hit hit;
    int result;

    if (!scratch) return FLOW_MAP_FULL;
    if (!scratch->flow.mapped) return FLOW_OK;
    mapping_key_inside(&key, &scratch->flow);
    if (!ct_lookup(&key, &hit)) {
        result = mapping_begin(skb, scratch, &key);
        if (result != FLOW_EXISTS) return result;
        if (!ct_lookup(&key, &hit)) return FLOW_NO_PORT;
    }
    scratch->flow.reply.dst_port_be = hit.entry->other.dst_port_be;
    if (effects_allowed() && now_ns - hit.owner->last_seen_ns > CT_REFRESH_NS)
        hit.owner->last_seen_ns = now_ns;
    return FLOW_OK;
}

/* The mapping's REVERSE entry that the packet's destination has, if it is for no socket of the
 * host. */
static __always_inline struct cnet_ct_entry* mapping_at(struct __sk_buff* skb,
                                                        const struct cnet_pkt* pkt) {
    struct cnet_ct_key key;
    struct ct_hit hit;

    if (!proto_has_ports(pkt->tuple.l4_proto) || !ct_may_begin(pkt)) return NULL;
    mapping_key_outside(&key, pkt->tuple.l4_proto, &pkt->tuple.dst, pkt->tuple.dst_port_be);
    if (!ct_lookup(&key, &hit)) return NULL;
    return host_socket_uses(skb, &pkt->tuple, pkt->tuple.dst_port_be) ? NULL : hit.entry;
}

/* From an uplink, to a port that no flow and no binding has for it. V_NEXT: a flow is prepared, in
 * which the remote keeps its address and port. */
static __always_inline enum cnet_verdict mapping_from_world(struct __sk_buff* skb,
                                                            struct cnet_pkt* pkt) {
    struct cnet_ct_entry* entry = mapping_at(skb, pkt);
    struct scratch* scratch = scratch_get();
    struct flow_new* flow;

    if (!entry) return pass(pkt, CNET_R_NO_FLOW_HOST);
    if (pkt->ttl <= 1) return icmp_time_exceeded(skb, pkt);
    if (!scratch) return drop(pkt, CNET_R_CT_FULL);
    flow = flow_prepare(scratch, CNET_CT_DNAT, entry->network_id, 0);
    flow_tuple_of(&flow->forward, pkt, CNET_ZONE_WORLD);
    flow_tuple(&flow->reply, entry->other.zone, pkt->tuple.l4_proto, &entry->other.src,
               &pkt->tuple.src, entry->other.src_port_be, pkt->tuple.src_port_be);
    flow->keep_port = 1;
    return V_NEXT;
}

/*
 * From an endpoint whose network maps that way too, to the outside address of another one: each
 * sees the other as the world would (REQ-9a). V_NEXT: a flow is prepared.
 */
static __always_inline enum cnet_verdict mapping_from_endpoint(struct __sk_buff* skb,
                                                               struct cnet_pkt* pkt) {
    struct cnet_ct_entry* entry = mapping_at(skb, pkt);
    struct scratch* scratch = scratch_get();
    struct flow_new* flow;

    if (!entry) return punt_to_host(skb, pkt);
    if (entry->network_id == pkt->network_id && pkt->port_flags & CNET_PORT_ICC_OFF)
        return drop(pkt, CNET_R_ICC_OFF);
    if (pkt->ttl <= 1) return icmp_time_exceeded(skb, pkt);
    if (!scratch) return drop(pkt, CNET_R_CT_FULL);
    flow = flow_prepare(scratch, CNET_CT_HAIRPIN, entry->network_id, 0);
    flow_tuple_of(&flow->forward, pkt, pkt->network_id);
    flow_tuple(&flow->reply, entry->other.zone, pkt->tuple.l4_proto, &entry->other.src,
               &pkt->tuple.dst, entry->other.src_port_be, 0);
    flow->keep_port = 1;
    flow->mapped = 1;
    return V_NEXT;
}

#endif
