/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Translating a packet of a known flow and sending it where the other side of the flow lives. One
 * function for every kind of NAT and both directions: the entry's other key says what the packet
 * becomes and in which zone it goes on.
 */
#ifndef CNET_LIB_NAT_H
#define CNET_LIB_NAT_H

#include "conntrack.h"
#include "fdb.h"
#include "fib.h"
#include "flow.h"
#include "icmp_reply.h"
#include "new_limit.h"
#include "port.h"
#include "rewrite.h"
#include "scratch.h"
#include "stranger.h"

static __always_inline enum cnet_reason nat_reason(const struct ct_hit* hit) {
    switch (hit->entry->type) {
    case CNET_CT_SNAT:
        return hit->is_reply ? CNET_R_SNAT_REPLY : CNET_R_SNAT;
    case CNET_CT_DNAT:
        return hit->is_reply ? CNET_R_DNAT_REPLY : CNET_R_DNAT;
    case CNET_CT_HAIRPIN:
        return CNET_R_HAIRPIN;
    case CNET_CT_ROUTED:
        return CNET_R_ROUTED;
    default:
        return CNET_R_HOST_PORT_XLAT;
    }
}

/* The flow's route towards the world, asked anew when the cached one is older than
 * cnet_cfg.fib_cache_ms. */
static __always_inline long flow_route(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                       struct cnet_ct_entry* owner, const union cnet_addr* dst,
                                       __u64 now_ns, struct fib_route* route) {
    long err;

    if (likely(owner->fib_ifindex &&
               now_ns - owner->fib_checked_ns < cnet_cfg.fib_cache_ms * 1000000ull)) {
        route->ifindex = owner->fib_ifindex;
        route->mtu = owner->fib_mtu;
        route->nexthop = owner->fib_nexthop;
        trace_route(route->ifindex, route->mtu, &route->nexthop, 1);
        return 0;
    }
    err = fib_lookup(skb, pkt, pkt->host_ifindex, dst, route);
    if (err) return err;
    if (!bpf_map_lookup_elem(&cnet_uplinks, &route->ifindex)) return -1;
    if (effects_allowed()) {
        owner->fib_ifindex = route->ifindex;
        owner->fib_mtu = route->mtu;
        owner->fib_nexthop = route->nexthop;
        owner->fib_checked_ns = now_ns;
    }
    return 0;
}

/* Does the packet, or one segment of a GSO packet, exceed the MTU? */
static __always_inline int exceeds_mtu(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                       __u32 mtu) {
    __u32 headers;

    if (likely(pkt->ip_len <= mtu)) return 0;
    if (!skb->gso_size) return 1;
    /* Its segments are packets already (GSO_BY_FRAGS), each made for the path's MTU. */
    if (pkt->tuple.l4_proto == IPPROTO_SCTP) return 0;
    headers = pkt->l4_off - pkt->l3_off + (pkt->tuple.l4_proto == IPPROTO_UDP ? 8 : pkt->l4_len);
    return skb->gso_size + headers > mtu;
}

/*
 * IPv4 without DF is a router's to fragment (RFC 1812 section 5.3.3): the kernel forwards such a
 * packet, and uplink_egress translates the pieces.
 */
static __always_inline enum cnet_verdict nat_too_big(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                     __u32 mtu) {
    if (pkt->flags & PKT_MAY_SPLIT && pkt->hook == CNET_HOOK_ENDPOINT)
        return redirected(pkt, tc_send_to_host(skb, pkt), CNET_R_SPLIT);
    if (pkt->flags & PKT_MAY_SPLIT && pkt->hook == CNET_HOOK_BRIDGE_PORT)
        return pass(pkt, CNET_R_SPLIT);
    return icmp_too_big(skb, pkt, mtu);
}

static __always_inline enum cnet_verdict nat_to_world(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                      const struct ct_hit* hit,
                                                      const struct translation* to, __u64 now_ns) {
    struct fib_route route;
    long err = flow_route(skb, pkt, hit->owner, to->dst, now_ns, &route);

    if (unlikely(err)) return err < 0 ? drop(pkt, CNET_R_NO_UPLINK) : icmp_no_route(skb, pkt);
    if (unlikely(exceeds_mtu(skb, pkt, route.mtu))) return nat_too_big(skb, pkt, route.mtu);
    /* point of no return */
    if (translate(skb, pkt, to)) return drop(pkt, CNET_R_REWRITE_FAILED);
    skb->tc_index = CNET_TRANSLATED;
    return redirected(pkt, fib_send(&route), nat_reason(hit));
}

/*
 * Who is behind an adopted bridge the kernel's neighbour table tells, and at which port the
 * bridge's learned MACs do: straight there, past the bridge's device. Whatever else it may be takes
 * that way, V_NEXT, also once the MAC has not been heard of for a while: the kernel asks for it
 * anew.
 */
VERIFIED_ONCE int adopted_deliver(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 network_id,
                                  __u32 bridge_ifindex, const union cnet_addr* dst) {
    struct bpf_fib_lookup params;
    const struct cnet_fdb_entry* entry;

    if (!pkt || !dst) return V_DROP;
    if (!pkt->l3_off || fib_ask(skb, pkt, bridge_ifindex, dst, 1, &params) ||
        params.ifindex != bridge_ifindex)
        return V_NEXT;
    entry = fdb_lookup(network_id, params.dmac);
    if (!entry || entry->flags & CNET_FDB_STATIC || !(entry->port_flags & CNET_PORT_PEER))
        return V_NEXT;
    if (eth_rewrite(skb, pkt, params.dmac, params.smac)) return drop(pkt, CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_to_port(skb, entry->ifindex, entry->port_flags),
                      CNET_R_SWITCHED);
}

/* To an address of an open network that nobody stated; the packet is translated. */
static __always_inline enum cnet_verdict
nat_to_unstated(struct __sk_buff* skb, struct cnet_pkt* pkt, const struct ct_hit* hit,
                const struct cnet_network* open, const union cnet_addr* dst) {
    int verdict = open->flags & CNET_NETWORK_ADOPTED
                      ? adopted_deliver(skb, pkt, hit->entry->other.zone, open->host_ifindex, dst)
                      : V_NEXT;

    if (verdict == V_NEXT) return stranger_send(skb, pkt, open->host_ifindex, nat_reason(hit));
    if (verdict == V_REDIRECT) pkt->reason = nat_reason(hit);
    return verdict;
}

static __always_inline enum cnet_verdict nat_to_network(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                        const struct ct_hit* hit,
                                                        const struct translation* to) {
    __u32 zone = hit->entry->other.zone;
    struct cnet_neigh_entry* neigh = neigh_lookup(zone, to->dst);
    struct cnet_network* open = NULL;
    __u32 mtu;

    trace_neighbour(to->dst, neigh);
    if (unlikely(!neigh)) {
        open = network_open(zone);
        if (!open) return drop(pkt, CNET_R_NO_NEIGH);
    } else if (unlikely(neigh->peer_id)) {
        return drop(pkt, CNET_R_GATEWAY_LOCAL);
    }
    mtu = neigh ? neigh->mtu : open->mtu;
    /* What a router would fragment is handed over whole: it is in memory, not on a link. */
    if (unlikely(exceeds_mtu(skb, pkt, mtu)) && !(pkt->flags & PKT_MAY_SPLIT))
        return icmp_too_big(skb, pkt, mtu);
    /* point of no return */
    if (unlikely(!neigh)) {
        if (translate(skb, pkt, to)) return drop(pkt, CNET_R_REWRITE_FAILED);
        return nat_to_unstated(skb, pkt, hit, open, to->dst);
    }
    if (translate_frame(skb, pkt, to, neigh->mac, neigh->gateway_mac))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_to_port(skb, neigh->ifindex, neigh->port_flags),
                      nat_reason(hit));
}

static __always_inline enum cnet_verdict nat_translate(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                       const struct ct_hit* hit) {
    struct translation to = translation_inverse(&hit->entry->other);
    __u32 zone = hit->entry->other.zone;
    __u64 now_ns = clock_coarse_ns();

    if (unlikely(zone == CNET_ZONE_HOST || pkt->hook == CNET_HOOK_UPLINK_EGRESS)) {
        ct_track(hit, pkt, now_ns);
        if (ip_rewrite(skb, pkt, to.src, to.dst, 0) || l4_rewrite(skb, pkt, &to))
            return drop(pkt, CNET_R_REWRITE_FAILED);
        return pass(pkt, nat_reason(hit));
    }
    if (unlikely(pkt->ttl <= 1)) return icmp_time_exceeded(skb, pkt);
    if (ct_begins_again(hit, pkt) && !new_limit_takes_again(hit))
        return drop(pkt, CNET_R_NEW_LIMIT);
    ct_track(hit, pkt, now_ns);
    if (zone == CNET_ZONE_WORLD) return nat_to_world(skb, pkt, hit, &to, now_ns);
    return nat_to_network(skb, pkt, hit, &to);
}

static __always_inline void trace_flow(const struct ct_hit* hit) {
    struct cnet_trace_step* step = trace(CNET_STEP_FLOW);

    if (!step) return;
    step->detail = hit->entry->type;
    step->value = hit->owner->state;
    step->id = hit->is_reply;
    step->key = hit->entry->other;
}

/* Of nat_forward(): flow_begin() has just begun this flow, and its FORWARD entry is in the scratch
 * as well: no look-up, and in a dry run the only place where it is. Beyond every cnet_ct_flag. */
#define NAT_BEGUN (1u << 8)

static __always_inline int flow_begun(struct ct_hit* hit) {
    struct scratch* scratch = scratch_get();

    if (!scratch) return 0;
    *hit = (struct ct_hit){.entry = &scratch->entry, .owner = &scratch->entry};
    return 1;
}

/* The key does not outlive the look-up: there is little stack. */
static __always_inline int nat_flow_of(const struct cnet_pkt* pkt, __u32 zone, struct ct_hit* hit) {
    struct cnet_ct_key key = pkt->tuple;

    key.zone = zone;
    return ct_lookup(&key, hit);
}

/*
 * A flow that ran already when its bridge was adopted: the kernel's, as long as that translates it.
 * At the egress of an uplink the kernel has forgotten it, and a flow of ours may begin.
 */
static __always_inline enum cnet_verdict nat_leave(struct cnet_pkt* pkt, __u32 zone,
                                                   const struct ct_hit* hit) {
    if (pkt->hook == CNET_HOOK_UPLINK_EGRESS) {
        struct cnet_ct_key key = pkt->tuple;

        key.zone = zone;
        if (effects_allowed()) bpf_map_delete_elem(&cnet_ct, &key);
        return V_NEXT;
    }
    ct_track(hit, pkt, clock_coarse_ns());
    return pass(pkt, CNET_R_TO_BRIDGE);
}

/*
 * Stage: a packet of a known flow, as seen in `zone`, is translated and sent on. V_NEXT: no flow
 * has this tuple, or none whose entry has these flags.
 */
VERIFIED_ONCE int nat_forward(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 zone,
                              __u32 entry_flags) {
    struct ct_hit hit;

    if (!pkt) return V_DROP;
    if (unlikely(entry_flags == NAT_BEGUN)) {
        if (!flow_begun(&hit)) return V_NEXT;
    } else {
        if (unlikely(!nat_flow_of(pkt, zone, &hit))) return V_NEXT;
        if (unlikely(entry_flags & ~hit.entry->flags)) return V_NEXT;
        trace_flow(&hit);
        if (unlikely(hit.entry->type == CNET_CT_KERNEL)) return nat_leave(pkt, zone, &hit);
    }
    return nat_translate(skb, pkt, &hit);
}

/* V_NEXT as `verdict`: the flow that was prepared begins, and carries the packet. What that does
 * to the flow's state must reach the map's own entry. */
static __always_inline enum cnet_verdict nat_begin(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                   __u32 zone, int verdict) {
    __u32 begun = 0;
    int result;

    if (verdict == V_NEXT) {
        result = flow_begin(skb);
        verdict = flow_started(pkt, result);
        if (result == FLOW_OK) pkt->events |= CNET_EVENT_FLOW_NEW;
        if (result == FLOW_OK && !(effects_allowed() && ct_begins_midway(pkt))) begun = NAT_BEGUN;
    }
    if (verdict == V_NEXT) verdict = nat_forward(skb, pkt, zone, begun);
    return verdict == V_NEXT ? drop(pkt, CNET_R_NO_FLOW) : verdict;
}

#endif
