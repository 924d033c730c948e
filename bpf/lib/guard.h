/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: what begins elsewhere and comes straight to an address of a network that lets it, as
 * Docker's gateway_modes have it. "routed" (CNET_PORT_GUARDED4, 6): ICMP, and what whoever has the
 * address publishes, by its own port. "nat-unprotected" (CNET_PORT_DIRECT4, 6 alone): anything from
 * outside. Reads cnet_bind_addr, cnet_binding, cnet_allow, cnet_uplinks; begins flows.
 */
#ifndef CNET_LIB_GUARD_H
#define CNET_LIB_GUARD_H

#include "fib.h"
#include "flow.h"
#include "port.h"
#include "slot.h"

/* Is it for a port that the destination publishes as its own? `pkt` is parsed. */
VERIFIED_ONCE int guard_is_published(struct cnet_pkt* pkt) {
    struct cnet_bind_key key = {};
    struct cnet_binding* binding;
    __u32 *found, id;

    if (!pkt) return 0;
    if (!(pkt->flags & PKT_HAS_TUPLE)) return 0;
    key.addr = pkt->tuple.dst;
    key.slot = CNET_SLOT_INDEX(l4_index(pkt->tuple.l4_proto), bpf_ntohs(pkt->tuple.dst_port_be));
    found = bpf_map_lookup_elem(&cnet_bind_addr, &key);
    if (!found) return 0;
    id = *found;
    binding = bpf_map_lookup_elem(&cnet_binding, &id);
    if (!binding) return 0;
    if (CNET_EXPLAINING) trace_binding(binding, &key.addr);
    return allow_list_permits(binding, &pkt->tuple.src);
}

static __always_inline int guard_trusts(__u32 network_id, __u32 from_ifindex) {
    struct cnet_trusted_key key = {.network_id = network_id, .ifindex = from_ifindex};

    return bpf_map_lookup_elem(&cnet_trusted, &key) != NULL;
}

static __always_inline int guard_is_open(struct cnet_pkt* pkt) {
    return proto_is_icmp(pkt->tuple.l4_proto) || guard_is_published(pkt);
}

/* A later fragment does not tell its port, and without its first it comes to nothing. */
VERIFIED_ONCE int guard_lets_in(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    int parsed;

    if (!pkt) return 0;
    parsed = pkt->eth_proto == bpf_htons(ETH_P_IP) ? tc_parse_ip4(skb, pkt, ETH_HLEN)
                                                   : tc_parse_ip6(skb, pkt, ETH_HLEN);
    if (parsed != PARSE_OK) return 0;
    return pkt->flags & PKT_FRAGMENT_LATER || guard_is_open(pkt);
}

static __always_inline int is_plain_ip(const struct cnet_pkt* pkt) {
    return !(pkt->flags & PKT_VLAN) &&
           (pkt->eth_proto == bpf_htons(ETH_P_IP) || pkt->eth_proto == bpf_htons(ETH_P_IPV6));
}

static __always_inline int parse_plain_ip(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    if (!is_plain_ip(pkt)) return PARSE_SHORT;
    return pkt->eth_proto == bpf_htons(ETH_P_IP) ? tc_parse_ip4(skb, pkt, ETH_HLEN)
                                                 : tc_parse_ip6(skb, pkt, ETH_HLEN);
}

static __always_inline int guard_parse(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    return parse_plain_ip(skb, pkt) == PARSE_OK && pkt->flags & PKT_HAS_TUPLE;
}

/* Of a flow that whoever is meant speaks in, as its own packets have it: one that the
 * kernel translates, or one of ours. */
VERIFIED_ONCE int guard_knows(struct cnet_pkt* pkt) {
    struct cnet_ct_key key = {};
    struct ct_hit hit;

    if (!pkt) return 0;
    flow_tuple(&key, pkt->network_id, pkt->tuple.l4_proto, &pkt->tuple.dst, &pkt->tuple.src,
               pkt->tuple.dst_port_be, pkt->tuple.src_port_be);
    if (!ct_lookup(&key, &hit)) return 0;
    hit.is_reply = !hit.is_reply; /* found by what is said against it */
    ct_track(&hit, pkt, clock_coarse_ns());
    return 1;
}

/*
 * What begins elsewhere and is let in, where answers would be masqueraded: a flow in which nothing
 * is translated keeps them as they are. It stands as if whoever is meant had begun it.
 */
VERIFIED_ONCE int guard_begin(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 from_ifindex) {
    struct scratch* scratch = scratch_get();
    struct flow_new* flow;

    if (!pkt) return V_DROP;
    if (!scratch || !guard_parse(skb, pkt)) return V_NEXT;
    if (!bpf_map_lookup_elem(&cnet_uplinks, &from_ifindex) || guard_knows(pkt)) return V_NEXT;
    if (!ct_may_begin(pkt) || (pkt->tuple.l4_proto == IPPROTO_TCP && !ct_asks(pkt))) return V_NEXT;
    flow = flow_prepare(scratch, CNET_CT_SNAT, pkt->network_id, 0);
    flow_tuple(&flow->forward, pkt->network_id, pkt->tuple.l4_proto, &pkt->tuple.dst,
               &pkt->tuple.src, pkt->tuple.dst_port_be, pkt->tuple.src_port_be);
    flow_tuple_of(&flow->reply, pkt, CNET_ZONE_WORLD);
    flow->keep_port = 1;
    return flow_started(pkt, flow_begin(skb));
}

/*
 * Into a network that is open to outside, by way of the host's stack. What comes from elsewhere is
 * another network's; a later fragment comes to nothing without its first.
 */
VERIFIED_ONCE int guard_unprotected(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    struct fib_route back;
    int keeps;

    if (!pkt) return V_DROP;
    if (!guard_parse(skb, pkt)) return V_NEXT;
    keeps = pkt->port_flags & (pkt->flags & PKT_IP6 ? CNET_PORT_KEEP6 : CNET_PORT_KEEP4);
    if ((!keeps && guard_knows(pkt)) || !ct_may_begin(pkt)) return V_NEXT;
    if (fib_lookup(skb, pkt, pkt->host_ifindex, &pkt->tuple.src, &back))
        return drop(pkt, CNET_R_DIRECT_ROUTING);
    if (!bpf_map_lookup_elem(&cnet_uplinks, &back.ifindex)) return drop(pkt, CNET_R_OTHER_NETWORK);
    return keeps ? V_NEXT : guard_begin(skb, pkt, back.ifindex);
}

#endif
