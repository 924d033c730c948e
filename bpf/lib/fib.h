/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The host's routing table, asked by bpf_fib_lookup and remembered by a flow for
 * cnet_cfg.fib_cache_ms. */
#ifndef CNET_LIB_FIB_H
#define CNET_LIB_FIB_H

#include "ctx_tc.h"

#define CNET_AF_INET6 10

struct fib_route {
    __u32 ifindex;
    __u32 mtu; /* bytes, 0xffff when unknown */
    union cnet_addr nexthop;
};

static __always_inline long fib_ask4(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                     __u32 from_ifindex, __be32 dst_be, __u16 length,
                                     struct bpf_fib_lookup* params) {
    *params = (struct bpf_fib_lookup){
        .family = CNET_AF_INET,
        .l4_protocol = pkt->l4_proto,
        .tot_len = length,
        .ifindex = from_ifindex,
        .tos = pkt->tos,
        .ipv4_src = pkt->src4_be,
        .ipv4_dst = dst_be,
    };
    return bpf_fib_lookup(skb, params, sizeof(*params), 0);
}

/*
 * The route that the host would give this packet, seen from `from_ifindex`, on which forwarding
 * must be enabled: the helper refuses otherwise (FWD_DISABLED). A local address is NOT_FWDED: look
 * cnet_host_addr up first. 0, or a BPF_FIB_LKUP_RET_*; a missing neighbour is success, since
 * redirect_neigh resolves it.
 */
static __always_inline long fib_lookup4(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                        __u32 from_ifindex, __be32 dst_be,
                                        struct fib_route* route) {
    struct bpf_fib_lookup params;
    long err = fib_ask4(skb, pkt, from_ifindex, dst_be, 1, &params);

    if (err && err != BPF_FIB_LKUP_RET_NO_NEIGH) return err;
    route->ifindex = params.ifindex;
    route->mtu = params.mtu_result;
    if (likely(params.family == CNET_AF_INET))
        route->nexthop = addr_from_v4(params.ipv4_dst);
    else /* an IPv4 route by an IPv6 next hop, RFC 8950 */
        __builtin_memcpy(&route->nexthop, params.ipv6_dst, 16);
    /* Without a neighbour the helper returns before it fills the MTU in; a length beyond any MTU
     * makes it tell. */
    if (err == BPF_FIB_LKUP_RET_NO_NEIGH) {
        err = fib_ask4(skb, pkt, from_ifindex, dst_be, 0xffff, &params);
        route->mtu = err == BPF_FIB_LKUP_RET_FRAG_NEEDED ? params.mtu_result : 0xffff;
    }
    return 0;
}

/* Out of the uplink, the link-layer header made by the kernel's neighbour entry. */
static __always_inline long fib_send(const struct fib_route* route) {
    struct bpf_redir_neigh next = {.nh_family = CNET_AF_INET,
                                   .ipv4_nh = route->nexthop.words_be[3]};

    if (unlikely(route->nexthop.words_be[2] != bpf_htonl(0x0000ffff))) {
        next.nh_family = CNET_AF_INET6;
        __builtin_memcpy(next.ipv6_nh, &route->nexthop, 16);
    }
    return bpf_redirect_neigh(route->ifindex, &next, sizeof(next), 0);
}

/*
 * The address that masquerading takes on an uplink, as inet_select_addr() does: one that shares a
 * subnet with the next hop, else the first. 0 when the uplink has none.
 */
static __always_inline __be32 uplink_source4(const struct cnet_uplink* uplink, __be32 nexthop_be) {
    __be32 first_be = 0;
    int i;

    for (i = 0; i < CNET_UPLINK_ADDRS_MAX; i++) {
        const struct cnet_uplink_addr* candidate = &uplink->addrs[i];
        __be32 addr_be = candidate->addr.words_be[3];
        __u32 bits = candidate->prefix_len - 96;

        if ((__u32)i >= uplink->addr_count) break;
        if (candidate->addr.words_be[2] != bpf_htonl(0x0000ffff) || candidate->addr.words_be[0] ||
            candidate->addr.words_be[1] || bits > 32)
            continue;
        if (!first_be) first_be = addr_be;
        if (!bits || !((bpf_ntohl(addr_be) ^ bpf_ntohl(nexthop_be)) >> (32 - bits))) return addr_be;
    }
    return first_be;
}

#endif
