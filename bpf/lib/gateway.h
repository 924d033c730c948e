/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: what an endpoint sends to the gateway's MAC. A known flow is translated and sent on; else
 * the destination decides: a published port of this host, the host itself, a sibling, or the world.
 */
#ifndef CNET_LIB_GATEWAY_H
#define CNET_LIB_GATEWAY_H

#include "bridge.h"
#include "frag.h"
#include "host_source.h"
#include "icmp_nat.h"
#include "mapping.h"
#include "masquerade.h"
#include "publish.h"

/* To an address of the host: a port that it publishes or maps, or its own stack. */
static __always_inline enum cnet_verdict gateway_to_host(struct __sk_buff* skb,
                                                         struct cnet_pkt* pkt) {
    struct cnet_binding* binding = NULL;
    struct cnet_slot* slot = NULL;

    if (pkt->flags & PKT_HAS_TUPLE && !proto_is_icmp(pkt->tuple.l4_proto)) {
        slot = slot_lookup(pkt->tuple.l4_proto, pkt->tuple.dst_port_be);
        if (slot) binding = binding_lookup(slot, &pkt->tuple);
    }
    if (!binding && pkt->port_flags & CNET_PORT_NAT_INDEPENDENT && slot && slot_is_mapped(slot))
        return mapping_from_endpoint(skb, pkt);
    if (likely(!binding || binding->flags & CNET_BINDING_LOOPBACK)) return punt_to_host(skb, pkt);
    if (pkt->port_flags & CNET_PORT_INTERNAL && binding->network_id != pkt->network_id)
        return drop(pkt, CNET_R_INTERNAL);
    if (!ct_may_begin(pkt)) return drop(pkt, CNET_R_NO_FLOW);
    if (pkt->ttl <= 1) return icmp_time_exceeded(skb, pkt);
    return publish_from_endpoint(pkt, binding);
}

/* Likewise on another host. V_NEXT: from here on it goes there as what is sent straight to it does,
 * from its sender's own MAC; the gateway's is each host's own. */
static __always_inline enum cnet_verdict gateway_to_remote(struct __sk_buff* skb,
                                                           struct cnet_pkt* pkt,
                                                           const struct cnet_neigh_entry* neigh) {
    __u8 source[CNET_MAC_LEN];

    mac_copy(source, pkt->src_mac);
    pkt->peer_id = neigh->peer_id;
    if (ip_rewrite(skb, pkt, &pkt->tuple.src, &pkt->tuple.dst, 1) ||
        eth_rewrite(skb, pkt, neigh->mac, source))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    mac_copy(pkt->dst_mac, neigh->mac);
    return V_NEXT;
}

/* A sibling addressed through the gateway: routed back into the network, as Linux does. */
static __always_inline enum cnet_verdict gateway_to_sibling(struct __sk_buff* skb,
                                                            struct cnet_pkt* pkt,
                                                            const struct cnet_neigh_entry* neigh) {
    if (icc_forbids(pkt, neigh->port_flags)) return drop(pkt, CNET_R_ICC_OFF);
    if (pkt->ttl <= 1) return icmp_time_exceeded(skb, pkt);
    if (unlikely(neigh->peer_id)) return gateway_to_remote(skb, pkt, neigh);
    if (ip_rewrite(skb, pkt, &pkt->tuple.src, &pkt->tuple.dst, 1) ||
        eth_rewrite(skb, pkt, neigh->mac, neigh->gateway_mac))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_to_port(skb, neigh->ifindex, neigh->port_flags), CNET_R_ROUTED);
}

/* Likewise one that nobody stated. */
static __always_inline enum cnet_verdict gateway_to_stranger(struct __sk_buff* skb,
                                                             struct cnet_pkt* pkt) {
    if (!network_open(pkt->network_id)) return drop(pkt, CNET_R_OTHER_NETWORK);
    if (pkt->port_flags & CNET_PORT_ICC_OFF) return drop(pkt, CNET_R_ICC_OFF);
    if (ip_rewrite(skb, pkt, &pkt->tuple.src, &pkt->tuple.dst, 1))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    return stranger_send(skb, pkt, pkt->host_ifindex, CNET_R_ROUTED);
}

/* The host port that a route leads to, or NULL: cnet_port also knows the outer ends. */
static __always_inline struct cnet_port* host_port_at(__u32 ifindex) {
    struct cnet_port* port = bpf_map_lookup_elem(&cnet_port, &ifindex);

    return port && port->flags & CNET_PORT_HOST ? port : NULL;
}

/* To an endpoint of another network of this host, which must be a routed one. A network that
 * masquerades does so here too, with the other network's gateway as on any way out. */
static __always_inline enum cnet_verdict gateway_to_network(struct cnet_pkt* pkt,
                                                            const struct cnet_port* host_port) {
    struct scratch* scratch = scratch_get();
    union cnet_addr source = pkt->tuple.src;
    struct flow_new* flow;

    if (!port_is_routed(host_port->flags, pkt->flags & PKT_IP6))
        return drop(pkt, CNET_R_OTHER_NETWORK);
    if (!(pkt->flags & PKT_HAS_TUPLE)) return drop(pkt, CNET_R_L4_UNSUPPORTED);
    if (!ct_may_begin(pkt)) return drop(pkt, CNET_R_NO_FLOW);
    if (port_is_guarded(host_port->flags, pkt->flags & PKT_IP6) && !guard_is_open(pkt))
        return drop(pkt, CNET_R_OTHER_NETWORK);
    if (!scratch) return drop(pkt, CNET_R_CT_FULL);
    flow = flow_prepare(scratch, CNET_CT_ROUTED, pkt->network_id, 0);
    flow_tuple_of(&flow->forward, pkt, pkt->network_id);
    flow->keep_port = !port_masquerades(pkt->port_flags, pkt->flags & PKT_IP6);
    if (!flow->keep_port)
        source = pkt->flags & PKT_IP6 ? host_port->gateway6 : addr_from_v4(host_port->gateway4_be);
    flow_tuple(&flow->reply, host_port->network_id, pkt->tuple.l4_proto, &pkt->tuple.dst, &source,
               pkt->tuple.dst_port_be, pkt->tuple.src_port_be);
    if (!l4_is_known(pkt->tuple.l4_proto)) flow->keep_port = 1;
    if (!flow->keep_port) flow_port_hairpin(flow);
    return V_NEXT;
}

/* Beyond the host. */
static __always_inline enum cnet_verdict gateway_to_world(struct cnet_pkt* pkt,
                                                          const struct cnet_uplink* uplink,
                                                          const struct fib_route* route) {
    struct scratch* scratch = scratch_get();
    union cnet_addr source;
    struct flow_new* flow;

    if (unlikely(peer_is_forged(pkt, &pkt->tuple.dst, pkt->tuple.dst_port_be)))
        return drop(pkt, CNET_R_VXLAN_FORGED);
    if (!scratch || !masquerade_source(pkt, pkt->ifindex, uplink, &route->nexthop, &source))
        return drop(pkt, CNET_R_NO_UPLINK_ADDR);

    flow = flow_prepare(scratch, CNET_CT_SNAT, pkt->network_id, 0);
    flow_tuple_of(&flow->forward, pkt, pkt->network_id);
    flow_tuple(&flow->reply, CNET_ZONE_WORLD, pkt->tuple.l4_proto, &pkt->tuple.dst, &source,
               pkt->tuple.dst_port_be, pkt->tuple.src_port_be);
    flow->keep_port = !port_masquerades(pkt->port_flags, pkt->flags & PKT_IP6) ||
                      !l4_is_known(pkt->tuple.l4_proto);
    flow->mapped = !flow->keep_port && pkt->port_flags & CNET_PORT_NAT_INDEPENDENT;
    flow_port_range(flow, pkt->tuple.src_port_be);
    flow->fib_ifindex = route->ifindex;
    flow->fib_mtu = route->mtu;
    flow->fib_nexthop = route->nexthop;
    return V_NEXT;
}

/* What begins no flow: a reset, an echo reply, an ICMP error. An endpoint of a routed network
 * answers that way to whoever came to it through the host's stack, of which no flow tells. */
static __always_inline enum cnet_verdict
gateway_untracked(struct __sk_buff* skb, struct cnet_pkt* pkt, const struct fib_route* route) {
    int v6 = pkt->flags & PKT_IP6;

    if (likely(!(pkt->port_flags & CNET_PORT_ROUTED)) &&
        (!port_is_direct(pkt->port_flags, v6) || port_masquerades(pkt->port_flags, v6)))
        return drop(pkt, pkt->flags & PKT_HAS_TUPLE ? CNET_R_NO_FLOW : CNET_R_L4_UNSUPPORTED);
    if (exceeds_mtu(skb, pkt, route->mtu)) return nat_too_big(skb, pkt, route->mtu);
    if (ip_rewrite(skb, pkt, &pkt->tuple.src, &pkt->tuple.dst, 1))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    skb->tc_index = CNET_TRANSLATED;
    return redirected(pkt, fib_send(route), CNET_R_ROUTED);
}

/* Where the host's routing table says. */
static __always_inline enum cnet_verdict gateway_route(struct __sk_buff* skb,
                                                       struct cnet_pkt* pkt) {
    struct cnet_port* host_port;
    struct cnet_uplink* uplink;
    struct fib_route route;

    if (fib_lookup(skb, pkt, pkt->host_ifindex, &pkt->tuple.dst, &route))
        return icmp_no_route(skb, pkt);
    uplink = bpf_map_lookup_elem(&cnet_uplinks, &route.ifindex);
    if (likely(uplink && pkt->flags & PKT_HAS_TUPLE && ct_may_begin(pkt)))
        return gateway_to_world(pkt, uplink, &route);
    if (uplink) return gateway_untracked(skb, pkt, &route);
    host_port = host_port_at(route.ifindex);
    if (host_port && host_port->network_id == pkt->network_id) return gateway_to_stranger(skb, pkt);
    return host_port ? gateway_to_network(pkt, host_port) : drop(pkt, CNET_R_NO_UPLINK);
}

static __always_inline int is_routable(const struct cnet_pkt* pkt) {
    return pkt->flags & PKT_IP6 ? ip6_is_routable(&pkt->tuple.dst)
                                : ip4_is_routable(pkt->tuple.dst.words_be[3]);
}

/* No flow has this packet yet: where does it want to go? V_NEXT: a flow is prepared for it, or it
 * is for pkt->peer_id. */
VERIFIED_ONCE int gateway_new(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    struct cnet_neigh_entry* neigh;

    if (!pkt) return V_DROP;
    if (is_host_addr(&pkt->tuple.dst)) return gateway_to_host(skb, pkt);
    /* The gateway's own link-local address: the host knows which of its devices has it. */
    if (pkt->flags & PKT_IP6 && addr6_is_link_local(&pkt->tuple.dst)) return punt_to_host(skb, pkt);
    if (!is_routable(pkt)) return drop(pkt, CNET_R_BROADCAST_L3);
    neigh = neigh_lookup(pkt->network_id, &pkt->tuple.dst);
    trace_neighbour(&pkt->tuple.dst, neigh);
    if (neigh) return gateway_to_sibling(skb, pkt, neigh);
    if (pkt->port_flags & CNET_PORT_INTERNAL) return drop(pkt, CNET_R_INTERNAL);
    if (pkt->flags & PKT_IP6 && !ip6_is_routable(&pkt->tuple.src))
        return drop(pkt, CNET_R_BROADCAST_L3);
    if (pkt->ttl <= 1) return icmp_time_exceeded(skb, pkt);
    return gateway_route(skb, pkt);
}

/* V_NEXT: parsed. What is not IP, or is tagged, is for the host's own stack. */
static __always_inline enum cnet_verdict gateway_parse(struct __sk_buff* skb,
                                                       struct cnet_pkt* pkt) {
    int parsed;

    if (unlikely(pkt->flags & PKT_VLAN)) return punt_to_host(skb, pkt);
    if (likely(pkt->eth_proto == bpf_htons(ETH_P_IP)))
        parsed = tc_parse_ip4(skb, pkt, ETH_HLEN);
    else if (pkt->eth_proto == bpf_htons(ETH_P_IPV6))
        parsed = tc_parse_ip6(skb, pkt, ETH_HLEN);
    else
        return punt_to_host(skb, pkt);
    return likely(parsed == PARSE_OK) ? V_NEXT : drop(pkt, CNET_R_MALFORMED);
}

static __always_inline enum cnet_verdict gateway_forward(struct __sk_buff* skb,
                                                         struct cnet_pkt* pkt) {
    int verdict;

    trace(CNET_STEP_GATEWAY);
    if (unlikely(pkt->port_flags & CNET_PORT_ISOLATED)) return drop(pkt, CNET_R_INTERNAL);
    verdict = gateway_parse(skb, pkt);
    if (verdict == V_NEXT && unlikely(pkt->flags & PKT_FRAGMENT))
        verdict = frag_track(skb, pkt, pkt->network_id);
    if (unlikely(verdict != V_NEXT)) return verdict;
    if (likely(pkt->flags & PKT_HAS_TUPLE))
        verdict = nat_forward(skb, pkt, pkt->network_id, 0);
    else if (pkt->flags & PKT_ICMP_ERROR)
        verdict = icmp_error_nat(skb, pkt, pkt->network_id, 0);
    if (likely(verdict != V_NEXT)) return verdict;
    verdict = gateway_new(skb, pkt);
    if (unlikely(pkt->peer_id)) return verdict;
    if (verdict == V_NEXT && pkt->port_flags & CNET_PORT_NAT_INDEPENDENT)
        verdict = flow_started(pkt, mapping_assign(skb));
    return nat_begin(skb, pkt, pkt->network_id, verdict);
}

#endif
