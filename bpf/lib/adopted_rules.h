/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages: what an adopted bridge's options forbid (--icc off, --internal on), and what networks
 * that we do NAT for must not do to each other. They come before anything that leaves a frame to
 * the bridge, so that no frame goes around them there, whatever it is and whichever port it has.
 */
#ifndef CNET_LIB_ADOPTED_RULES_H
#define CNET_LIB_ADOPTED_RULES_H

#include "adopted.h"
#include "host_source.h"

/* What a port is looked at for, and the bridge's own device. */
#define ADOPTED_LIMITED (CNET_PORT_ICC_OFF | CNET_PORT_INTERNAL)
#define ADOPTED_GUARDED (ADOPTED_LIMITED | CNET_PORT_MASQUERADE)

/* One of the bridge's own MACs, which the host takes. */
static __always_inline int is_for_bridge(const struct cnet_pkt* pkt) {
    struct cnet_fdb_key key = fdb_key(pkt->network_id, pkt->dst_mac);
    struct cnet_fdb_entry* entry = bpf_map_lookup_elem(&cnet_fdb, &key);

    return entry && entry->flags & CNET_FDB_STATIC && entry->port_flags & CNET_PORT_HOST;
}

/* --internal: to the host itself and not through it. */
static __always_inline enum cnet_verdict internal_check(struct __sk_buff* skb,
                                                        struct cnet_pkt* pkt) {
    if (parse_plain_ip(skb, pkt) != PARSE_OK) return drop(pkt, CNET_R_INTERNAL);
    if (is_host_addr(&pkt->tuple.dst)) return V_NEXT;
    /* The host's own on this bridge, or nobody's: never forwarded. */
    if (pkt->flags & PKT_IP6 && addr6_is_link_local(&pkt->tuple.dst)) return V_NEXT;
    return drop(pkt, CNET_R_INTERNAL);
}

/*
 * --icc off: the host's copy alone of what is for a group, and nothing for anybody else's MAC,
 * known or not. ARP goes everywhere, as it does past Docker's rules; it is no connection.
 */
VERIFIED_ONCE int adopted_limit(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    if (!pkt) return V_DROP;
    /* The mark is for us to give, and the kernel would carry it through. */
    skb->tc_index = 0;
    if (pkt->eth_proto == bpf_htons(ETH_P_ARP) && !(pkt->flags & PKT_VLAN)) return V_NEXT;
    if (mac_is_link_local(pkt->dst_mac)) return V_NEXT; /* ends at the bridge */
    if (mac_is_multicast(pkt->dst_mac)) {
        if (!(pkt->port_flags & CNET_PORT_ICC_OFF)) return V_NEXT;
        if (!is_plain_ip(pkt)) return drop(pkt, CNET_R_ICC_OFF);
        return redirected(pkt, tc_send_to_host(skb, pkt), CNET_R_TO_HOST);
    }
    if (is_for_bridge(pkt))
        return pkt->port_flags & CNET_PORT_INTERNAL ? internal_check(skb, pkt) : V_NEXT;
    return pkt->port_flags & CNET_PORT_ICC_OFF ? drop(pkt, CNET_R_ICC_OFF) : V_NEXT;
}

/*
 * What begins elsewhere and comes straight to an address behind the bridge, past the published
 * ports ("direct routing"). Where that is allowed to published ports, or comes by a device that the
 * network trusts, what is for one passes. What
 * is not TCP does not show where it began: an answer that comes from an uplink has come another
 * way, or is of a flow that is known; from elsewhere it may be one to what the kernel has
 * forwarded.
 */
VERIFIED_ONCE int guard_direct(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 from_ifindex) {
    if (!pkt) return V_DROP;
    if (!guard_parse(skb, pkt)) return V_NEXT;
    if (port_is_direct(pkt->port_flags, pkt->flags & PKT_IP6)) {
        if (guard_is_open(pkt)) return V_NEXT;
    } else if (guard_trusts(pkt->network_id, from_ifindex) && guard_is_published(pkt)) {
        return guard_begin(skb, pkt, from_ifindex);
    }
    if (pkt->tuple.l4_proto == IPPROTO_TCP)
        return (pkt->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN ? drop(pkt, CNET_R_DIRECT_ROUTING)
                                                                 : V_NEXT;
    if (!bpf_map_lookup_elem(&cnet_uplinks, &from_ifindex) || guard_knows(pkt)) return V_NEXT;
    return drop(pkt, CNET_R_DIRECT_ROUTING);
}

/*
 * Out of the bridge's own device. What the host itself sends has come in nowhere; what we
 * translated is `marked`; the rest the kernel has forwarded, past whatever is published.
 */
static __always_inline enum cnet_verdict adopted_guard(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                       int marked) {
    int v6 = pkt->eth_proto == bpf_htons(ETH_P_IPV6);
    __u32 from_ifindex = skb->ingress_ifindex;
    struct cnet_port* from;

    if (likely(!from_ifindex)) return V_NEXT;
    if (pkt->port_flags & CNET_PORT_INTERNAL) return drop(pkt, CNET_R_INTERNAL);
    if (likely(marked)) return V_NEXT;
    if (from_ifindex == pkt->ifindex)
        return pkt->port_flags & CNET_PORT_ICC_OFF ? drop(pkt, CNET_R_ICC_OFF) : V_NEXT;
    if (!(pkt->port_flags & CNET_PORT_MASQUERADE)) return V_NEXT;
    from = bpf_map_lookup_elem(&cnet_port, &from_ifindex);
    if (from && from->flags & CNET_PORT_MASQUERADE) return drop(pkt, CNET_R_OTHER_NETWORK);
    if (likely(!port_is_direct(pkt->port_flags, v6))) return guard_direct(skb, pkt, from_ifindex);
    if (port_masquerades(pkt->port_flags, v6)) return guard_begin(skb, pkt, from_ifindex);
    return port_is_guarded(pkt->port_flags, v6) ? guard_direct(skb, pkt, from_ifindex) : V_NEXT;
}

#endif
