/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages: what comes from an adopted bridge and is for a published port of the host, or for beyond
 * the host where we masquerade for it. New flows are ours from their first packet. What runs
 * already, what is fragmented, and whatever else we would not carry goes on to the bridge and the
 * kernel; should the kernel forward it out of an uplink untranslated, `uplink_egress` masquerades
 * it there.
 */
#ifndef CNET_LIB_ADOPTED_NAT_H
#define CNET_LIB_ADOPTED_NAT_H

#include "adopted.h"
#include "gateway.h"

/* What makes a port's packets to the bridge's own MAC ours to look at. */
#define ADOPTED_ROUTED (CNET_PORT_MASQUERADE | CNET_PORT_PUBLISHED)

/* A TCP connection of which we have not seen the beginning is the kernel's. */
static __always_inline int adopted_may_begin(const struct cnet_pkt* pkt) {
    if (!(pkt->flags & PKT_HAS_TUPLE) || !ct_may_begin(pkt)) return 0;
    return pkt->tuple.l4_proto != IPPROTO_TCP || (pkt->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* To a network of the host's, its device being this one: to one of ours, or to an adopted bridge
 * that is routed. */
VERIFIED_ONCE int adopted_to_network(struct cnet_pkt* pkt, __u32 ifindex) {
    struct cnet_port* host_port;

    if (!pkt) return V_DROP;
    host_port = host_port_at(ifindex);
    if (!host_port || host_port->network_id == pkt->network_id) return to_bridge(pkt);
    if (host_port->flags & CNET_PORT_BRIDGED &&
        !port_is_routed(host_port->flags, pkt->flags & PKT_IP6))
        return to_bridge(pkt);
    return gateway_to_network(pkt, host_port);
}

/* V_NEXT: a flow is prepared. */
VERIFIED_ONCE int adopted_new(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    struct cnet_uplink* uplink;
    struct fib_route route;

    if (!pkt) return V_DROP;
    if (!adopted_may_begin(pkt)) return to_bridge(pkt);
    if (is_host_addr(&pkt->tuple.dst)) return gateway_to_host(skb, pkt);
    if (!(pkt->port_flags & CNET_PORT_MASQUERADE)) return to_bridge(pkt);
    if (!is_routable(pkt) || pkt->ttl <= 1) return to_bridge(pkt);
    if (pkt->flags & PKT_IP6 && !ip6_is_routable(&pkt->tuple.src)) return to_bridge(pkt);
    if (fib_lookup(skb, pkt, pkt->host_ifindex, &pkt->tuple.dst, &route)) return to_bridge(pkt);
    uplink = bpf_map_lookup_elem(&cnet_uplinks, &route.ifindex);
    if (likely(uplink)) return gateway_to_world(pkt, uplink, &route);
    return adopted_to_network(pkt, route.ifindex);
}

/* Stage: a frame to the bridge's own MAC. */
static __always_inline enum cnet_verdict adopted_route(struct __sk_buff* skb,
                                                       struct cnet_pkt* pkt) {
    int verdict = V_NEXT, parsed = PARSE_SHORT;

    skb->tc_index = 0; /* a container can set it (dsmark, before Linux 6.3), and must not */
    if (likely(pkt->eth_proto == bpf_htons(ETH_P_IP)))
        parsed = tc_parse_ip4(skb, pkt, ETH_HLEN);
    else if (pkt->eth_proto == bpf_htons(ETH_P_IPV6))
        parsed = tc_parse_ip6(skb, pkt, ETH_HLEN);
    if (parsed != PARSE_OK || pkt->flags & (PKT_VLAN | PKT_FRAGMENT)) return to_bridge(pkt);
    if (likely(pkt->flags & PKT_HAS_TUPLE))
        verdict = nat_forward(skb, pkt, pkt->network_id, 0);
    else if (pkt->flags & PKT_ICMP_ERROR)
        verdict = icmp_error_nat(skb, pkt, pkt->network_id, 0);
    if (likely(verdict != V_NEXT)) return verdict;
    return nat_begin(skb, pkt, pkt->network_id, adopted_new(skb, pkt));
}

#endif
