/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: what an endpoint sends to the gateway's MAC. A known flow is translated and sent on; else
 * the destination decides: a published port of this host, the host itself, a sibling, or the world.
 */
#ifndef CNET_LIB_GATEWAY_H
#define CNET_LIB_GATEWAY_H

#include "bridge.h"
#include "host_source.h"
#include "icmp_nat.h"
#include "publish.h"

/* To an address of the host: a port that it publishes, or its own stack. */
static __always_inline enum cnet_verdict gateway_to_host(struct __sk_buff* skb,
                                                         struct cnet_pkt* pkt) {
    struct cnet_binding* binding = NULL;
    struct cnet_slot* slot;

    if (pkt->flags & PKT_HAS_TUPLE && pkt->l4_proto != IPPROTO_ICMP &&
        !(pkt->flags & PKT_FRAGMENT)) {
        slot = slot_lookup(pkt->l4_proto, pkt->dst_port_be);
        if (slot) binding = binding_lookup(slot, pkt->l4_proto, pkt->dst4_be, pkt->dst_port_be);
    }
    if (likely(!binding || binding->flags & CNET_BINDING_LOOPBACK)) return punt_to_host(pkt);
    if (pkt->port_flags & CNET_PORT_INTERNAL && binding->network_id != pkt->network_id)
        return drop(pkt, CNET_R_INTERNAL);
    if (!ct_may_begin(pkt)) return drop(pkt, CNET_R_NO_FLOW);
    return publish_from_endpoint(skb, pkt, binding);
}

/* A sibling addressed through the gateway: routed back into the network, as Linux does. */
static __always_inline enum cnet_verdict gateway_to_sibling(struct __sk_buff* skb,
                                                            struct cnet_pkt* pkt,
                                                            const struct cnet_neigh_entry* neigh) {
    if (icc_forbids(pkt, neigh->port_flags)) return drop(pkt, CNET_R_ICC_OFF);
    if (pkt->ttl <= 1) return icmp_time_exceeded(skb, pkt, pkt->gateway4_be);
    if (ip4_rewrite(skb, pkt, pkt->src4_be, pkt->dst4_be, 1) ||
        eth_rewrite(skb, pkt, neigh->mac, neigh->gateway_mac))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_to_port(skb, neigh->ifindex, neigh->port_flags), CNET_R_ROUTED);
}

/* cnet_port also knows the outer ends of host ports, so that a route into another network is told
 * from a stray one. */
static __always_inline int is_host_port(__u32 ifindex) {
    struct cnet_port* port = bpf_map_lookup_elem(&cnet_port, &ifindex);

    return port && port->flags & CNET_PORT_HOST;
}

/* Beyond the host: masqueraded with the uplink's address, or the network's own choice, or not at
 * all. */
static __always_inline enum cnet_verdict gateway_to_world(struct __sk_buff* skb,
                                                          struct cnet_pkt* pkt) {
    struct scratch* scratch = scratch_get();
    struct cnet_uplink* uplink;
    struct fib_route route;
    struct flow_new* flow;
    __be32 source_be;

    if (fib_lookup4(skb, pkt, pkt->host_ifindex, pkt->dst4_be, &route))
        return icmp_unreachable(skb, pkt, pkt->gateway4_be, ICMP4_NET_UNREACHABLE, CNET_R_NO_ROUTE);
    uplink = bpf_map_lookup_elem(&cnet_uplinks, &route.ifindex);
    if (!uplink)
        return drop(pkt, is_host_port(route.ifindex) ? CNET_R_OTHER_NETWORK : CNET_R_NO_UPLINK);
    if (pkt->flags & PKT_FRAGMENT) return drop(pkt, CNET_R_FRAGMENT);
    if (!(pkt->flags & PKT_HAS_TUPLE)) return drop(pkt, CNET_R_L4_UNSUPPORTED);
    if (!ct_may_begin(pkt)) return drop(pkt, CNET_R_NO_FLOW);
    if (!(pkt->port_flags & CNET_PORT_MASQUERADE))
        source_be = pkt->src4_be;
    else
        source_be = pkt->snat4_be ?: uplink_source4(uplink, route.nexthop.words_be[3]);
    if (!source_be || !scratch) return drop(pkt, CNET_R_NO_UPLINK_ADDR);

    flow = flow_prepare(scratch, CNET_CT_SNAT, pkt->network_id, 0);
    flow_tuple_of(&flow->forward, pkt, pkt->network_id);
    flow_tuple4(&flow->reply, CNET_ZONE_WORLD, pkt->l4_proto, pkt->dst4_be, source_be,
                pkt->dst_port_be, pkt->src_port_be);
    flow_port_range(flow, pkt->src_port_be);
    return flow_start(skb, pkt, scratch);
}

/* No flow has this packet yet: where does it want to go? V_NEXT: a flow has begun for it. */
static __noinline int gateway_new(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    union cnet_addr dst = addr_from_v4(pkt->dst4_be);
    struct cnet_neigh_entry* neigh;

    if (is_host_addr(&dst)) return gateway_to_host(skb, pkt);
    if (!ip4_is_routable(pkt->dst4_be)) return drop(pkt, CNET_R_BROADCAST_L3);
    neigh = neigh_lookup(pkt->network_id, &dst);
    if (neigh) return gateway_to_sibling(skb, pkt, neigh);
    if (pkt->port_flags & CNET_PORT_INTERNAL) return drop(pkt, CNET_R_INTERNAL);
    if (pkt->ttl <= 1) return icmp_time_exceeded(skb, pkt, pkt->gateway4_be);
    return gateway_to_world(skb, pkt);
}

static __always_inline enum cnet_verdict gateway_forward(struct __sk_buff* skb,
                                                         struct cnet_pkt* pkt) {
    int verdict = V_NEXT;

    /* ARP and IPv6 to the gateway's MAC are for the host's own stack, which does not forward IPv6
     * from here. */
    if (unlikely(pkt->eth_proto != bpf_htons(ETH_P_IP) || pkt->flags & PKT_VLAN))
        return punt_to_host(pkt);
    if (unlikely(tc_parse_ip4(skb, pkt, ETH_HLEN) != PARSE_OK)) return drop(pkt, CNET_R_MALFORMED);
    if (likely((pkt->flags & (PKT_HAS_TUPLE | PKT_FRAGMENT)) == PKT_HAS_TUPLE))
        verdict = nat_forward(skb, pkt, pkt->network_id);
    else if ((pkt->flags & (PKT_ICMP_ERROR | PKT_FRAGMENT)) == PKT_ICMP_ERROR)
        verdict = icmp_error_nat(skb, pkt, pkt->network_id);
    if (likely(verdict != V_NEXT)) return verdict;
    verdict = gateway_new(skb, pkt);
    if (verdict == V_NEXT) verdict = nat_forward(skb, pkt, pkt->network_id);
    return verdict == V_NEXT ? drop(pkt, CNET_R_NO_FLOW) : verdict;
}

#endif
