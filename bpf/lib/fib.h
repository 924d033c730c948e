/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The host's routing table, asked by bpf_fib_lookup and remembered by a flow for
 * cnet_cfg.fib_cache_ms. */
#ifndef CNET_LIB_FIB_H
#define CNET_LIB_FIB_H

#include "ctx_tc.h"

struct fib_route {
    __u32 ifindex;
    __u32 mtu; /* bytes, 0xffff when unknown */
    union cnet_addr nexthop;
};

static __always_inline long fib_ask(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                    __u32 from_ifindex, const union cnet_addr* dst, __u16 length,
                                    struct bpf_fib_lookup* params) {
    *params = (struct bpf_fib_lookup){
        .l4_protocol = pkt->tuple.l4_proto,
        .tot_len = length,
        .ifindex = from_ifindex,
    };
    if (pkt->flags & PKT_IP6) {
        params->family = CNET_AF_INET6;
        params->flowinfo = bpf_htonl((__u32)pkt->tos << 20);
        __builtin_memcpy(params->ipv6_src, &pkt->tuple.src, 16);
        __builtin_memcpy(params->ipv6_dst, dst, 16);
    } else {
        params->family = CNET_AF_INET;
        params->tos = pkt->tos;
        params->ipv4_src = pkt->tuple.src.words_be[3];
        params->ipv4_dst = dst->words_be[3];
    }
    return bpf_fib_lookup(skb, params, sizeof(*params), 0);
}

/* What the helper has answered. */
static __always_inline void fib_take(const struct bpf_fib_lookup* params, struct fib_route* route) {
    route->ifindex = params->ifindex;
    route->mtu = params->mtu_result;
    if (likely(params->family == CNET_AF_INET))
        route->nexthop = addr_from_v4(params->ipv4_dst);
    else /* also an IPv4 route by an IPv6 next hop, RFC 8950 */
        __builtin_memcpy(&route->nexthop, params->ipv6_dst, 16);
}

/*
 * The route that the host would give this packet, seen from `from_ifindex`, on which forwarding
 * must be enabled: the helper refuses otherwise (FWD_DISABLED). A local address is NOT_FWDED: look
 * cnet_host_addr up first. 0, or a BPF_FIB_LKUP_RET_*; a missing neighbour is success, since
 * redirect_neigh resolves it.
 */
VERIFIED_ONCE int fib_lookup(struct __sk_buff* skb, const struct cnet_pkt* pkt, __u32 from_ifindex,
                             const union cnet_addr* dst, struct fib_route* route) {
    struct bpf_fib_lookup params;
    long err;

    if (!pkt || !dst || !route) return -1;
    err = fib_ask(skb, pkt, from_ifindex, dst, 1, &params);
    if (err && err != BPF_FIB_LKUP_RET_NO_NEIGH) {
        trace_no_route(dst, err);
        return err;
    }
    fib_take(&params, route);
    /* Without a neighbour the helper returns before it fills the MTU in; a length beyond any MTU
     * makes it tell. */
    if (err == BPF_FIB_LKUP_RET_NO_NEIGH) {
        err = fib_ask(skb, pkt, from_ifindex, dst, 0xffff, &params);
        route->mtu = err == BPF_FIB_LKUP_RET_FRAG_NEEDED ? params.mtu_result : 0xffff;
    }
    trace_route(route->ifindex, route->mtu, &route->nexthop, 0);
    return 0;
}

/* Out of the uplink, the link-layer header made by the kernel's neighbour entry. */
static __always_inline long fib_send(const struct fib_route* route) {
    struct bpf_redir_neigh next = {.nh_family = CNET_AF_INET,
                                   .ipv4_nh = route->nexthop.words_be[3]};

    if (unlikely(!addr_is_v4(&route->nexthop))) {
        next.nh_family = CNET_AF_INET6;
        __builtin_memcpy(next.ipv6_nh, &route->nexthop, 16);
    }
    trace_send(route->ifindex, CNET_TRACE_SEND_NEIGH);
    return bpf_redirect_neigh(route->ifindex, &next, sizeof(next), 0);
}

#endif
