/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Parsing on an uplink, where most packets are the host's own: everything not plainly ours is left
 * alone, at the price of a parse and one array look-up.
 */
#ifndef CNET_LIB_UPLINK_H
#define CNET_LIB_UPLINK_H

#include "decap.h"
#include "frag.h"
#include "host_source.h"
#include "icmp_nat.h"
#include "mapping.h"
#include "publish.h"

/* `l2_len` is 14, or 0 on a device without Ethernet headers. V_NEXT: an IP packet, tuple parsed
 * where it has one. */
static __always_inline enum cnet_verdict uplink_parse(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                      __u32 l2_len) {
    int is_v4 = skb->protocol == bpf_htons(ETH_P_IP), parsed;

    pkt->len = skb->len;
    pkt->ifindex = skb->ifindex;
    if ((!is_v4 && skb->protocol != bpf_htons(ETH_P_IPV6)) || skb->vlan_present)
        return pass(pkt, CNET_R_NOT_IP);
    if (l2_len && eth_parse(pkt, tc_data(skb), tc_data_end(skb)) != PARSE_OK)
        return pass(pkt, CNET_R_UPLINK_UNPARSED);
    parsed = is_v4 ? tc_parse_ip4(skb, pkt, l2_len) : tc_parse_ip6(skb, pkt, l2_len);
    if (parsed != PARSE_OK) return pass(pkt, CNET_R_UPLINK_UNPARSED);
    return V_NEXT;
}

/* A fragment from the wire. Most are of the host's own datagrams, and what cannot be told goes
 * there too; so does what has no ports while no such flow has anybody look for it. */
static __always_inline enum cnet_verdict uplink_fragment(struct __sk_buff* skb,
                                                         struct cnet_pkt* pkt) {
    int verdict;

    if (!l4_is_known(pkt->tuple.l4_proto) && !slot_concerns_us(slot_lookup(pkt->tuple.l4_proto, 0)))
        return pass(pkt, CNET_R_UPLINK_FRAGMENT);
    verdict = frag_track(skb, pkt, CNET_ZONE_WORLD);
    if (verdict != V_DROP || pkt->reason == CNET_R_FRAGMENT_HELD ||
        pkt->reason == CNET_R_FRAGMENT_OVERLAP || pkt->reason == CNET_R_REWRITE_FAILED)
        return verdict;
    return pass(pkt, CNET_R_UPLINK_FRAGMENT);
}

/* A packet of no flow to a port that is published or used by NAT. V_NEXT: a flow is prepared for
 * it. */
VERIFIED_ONCE int uplink_new(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    struct cnet_binding* binding;
    struct cnet_slot* slot;

    if (!pkt) return V_DROP;
    slot = slot_lookup(pkt->tuple.l4_proto, pkt->tuple.dst_port_be);
    if (!slot) return pass(pkt, CNET_R_NO_FLOW_HOST);
    binding = binding_lookup(slot, &pkt->tuple);
    if (unlikely(peer_is_forged(pkt, &pkt->tuple.src, pkt->tuple.src_port_be)) &&
        (binding || slot_is_mapped(slot)))
        return drop(pkt, CNET_R_VXLAN_FORGED);
    if (!binding && slot_is_mapped(slot)) return mapping_from_world(skb, pkt);
    /* A wildcard binding is about the host's addresses, not about packets that the host merely
     * forwards. */
    if (!binding || binding->flags & CNET_BINDING_LOOPBACK || !is_host_addr(&pkt->tuple.dst))
        return pass(pkt, CNET_R_NO_FLOW_HOST);
    if (!ct_may_begin(pkt)) return drop(pkt, CNET_R_NO_FLOW);
    if (pkt->ttl <= 1) return icmp_time_exceeded(skb, pkt);
    return publish_from_world(pkt, binding);
}

static __always_inline enum cnet_verdict uplink_receive(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                        __u32 l2_len) {
    int verdict = uplink_parse(skb, pkt, l2_len);

    if (verdict != V_NEXT) return verdict;
    /* In promiscuous mode other hosts' packets come by too. */
    if (unlikely(skb->pkt_type != CNET_PACKET_HOST)) return pass(pkt, CNET_R_NOT_OURS);
    if (l2_len && unlikely(is_vxlan(pkt))) {
        verdict = overlay_receive(skb, pkt);
        if (verdict != V_NEXT) return verdict;
    }
    if (unlikely(pkt->flags & PKT_FRAGMENT)) {
        verdict = uplink_fragment(skb, pkt);
        if (verdict != V_NEXT) return verdict;
    }
    if (unlikely(pkt->flags & PKT_ICMP_ERROR)) {
        verdict = icmp_error_nat(skb, pkt, CNET_ZONE_WORLD, 0);
        return verdict == V_NEXT ? pass(pkt, CNET_R_NOT_OURS) : verdict;
    }
    if (!(pkt->flags & PKT_HAS_TUPLE) ||
        !slot_concerns_us(slot_lookup(pkt->tuple.l4_proto, pkt->tuple.dst_port_be)))
        return pass(pkt, CNET_R_NOT_OURS);
    verdict = nat_forward(skb, pkt, CNET_ZONE_WORLD, 0);
    if (likely(verdict != V_NEXT)) return verdict;
    return nat_begin(skb, pkt, CNET_ZONE_WORLD, uplink_new(skb, pkt));
}

#endif
