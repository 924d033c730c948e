/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: answers to siblings that dialled a published port. The endpoint sees the sibling's own
 * address and answers it directly, as a frame to be switched; translated back, it comes from the
 * address that the sibling dialled. Endpoints that publish nothing never get here.
 */
#ifndef CNET_LIB_HAIRPIN_H
#define CNET_LIB_HAIRPIN_H

#include "frag.h"
#include "icmp_nat.h"

/* True: a flow with CNET_CT_SWITCHED may have this packet, whose tuple is parsed. */
VERIFIED_ONCE int hairpin_expected(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    struct cnet_slot* slot;
    int parsed;

    if (!pkt || mac_is_multicast(pkt->dst_mac) || pkt->flags & PKT_VLAN) return 0;
    if (pkt->eth_proto == bpf_htons(ETH_P_IP))
        parsed = tc_parse_ip4(skb, pkt, ETH_HLEN);
    else if (pkt->eth_proto == bpf_htons(ETH_P_IPV6))
        parsed = tc_parse_ip6(skb, pkt, ETH_HLEN);
    else
        return 0;
    if (parsed != PARSE_OK) return 0;
    if (pkt->flags & PKT_ICMP_ERROR) return 1;
    if (pkt->flags & PKT_FRAGMENT_LATER) return frag_is_tracked(skb, pkt, pkt->network_id);
    if (!(pkt->flags & PKT_HAS_TUPLE)) return 0;
    slot = slot_lookup(pkt->tuple.l4_proto, pkt->tuple.src_port_be);
    return slot && slot->nat_refs;
}

/* A frame for a sibling may have the tuple of a flow that goes through the gateway: that one stays
 * a sibling's, and so does an error about it. */
static __always_inline enum cnet_verdict hairpin_answer(struct __sk_buff* skb,
                                                        struct cnet_pkt* pkt) {
    int verdict = V_NEXT;

    if (likely(!(pkt->port_flags & CNET_PORT_PUBLISHED)) || !hairpin_expected(skb, pkt))
        return V_NEXT;
    if (unlikely(pkt->flags & PKT_FRAGMENT)) verdict = frag_track(skb, pkt, pkt->network_id);
    if (verdict != V_NEXT) return verdict;
    if (pkt->flags & PKT_ICMP_ERROR)
        return icmp_error_nat(skb, pkt, pkt->network_id, CNET_CT_SWITCHED);
    if (!(pkt->flags & PKT_HAS_TUPLE)) return V_NEXT;
    return nat_forward(skb, pkt, pkt->network_id, CNET_CT_SWITCHED);
}

#endif
