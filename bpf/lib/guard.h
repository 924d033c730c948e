/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: what begins elsewhere and comes straight to an address of a network with
 * CNET_PORT_GUARDED, as Docker's gateway_mode "routed" has it: ICMP, and what whoever has the
 * address publishes, by its own port. Reads cnet_bind_addr, cnet_binding, cnet_allow.
 */
#ifndef CNET_LIB_GUARD_H
#define CNET_LIB_GUARD_H

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

#endif
