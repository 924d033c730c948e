/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Other hosts: who they are, and where the host's routing table sends what is for them. */
#ifndef CNET_LIB_PEER_H
#define CNET_LIB_PEER_H

#include "clock.h"
#include "fib.h"
#include "vtep.h"

static __always_inline struct cnet_peer* peer_lookup(__u32 peer_id) {
    return bpf_map_lookup_elem(&cnet_peer, &peer_id);
}

static __always_inline long peer_fib_ask(struct __sk_buff* skb, const struct cnet_peer* peer,
                                         __u16 length, struct bpf_fib_lookup* params) {
    *params = (struct bpf_fib_lookup){
        .l4_protocol = IPPROTO_UDP,
        .tot_len = length,
        .ifindex = peer->device_ifindex,
    };
    if (addr_is_v4(&peer->remote)) {
        params->family = CNET_AF_INET;
        params->ipv4_src = peer->local.words_be[3];
        params->ipv4_dst = peer->remote.words_be[3];
    } else {
        params->family = CNET_AF_INET6;
        __builtin_memcpy(params->ipv6_src, &peer->local, 16);
        __builtin_memcpy(params->ipv6_dst, &peer->remote, 16);
    }
    return bpf_fib_lookup(skb, params, sizeof(*params), 0);
}

/* As fib_lookup() does it, and kept with the peer. The path's MTU that the kernel has learned from
 * ICMP is in it. */
VERIFIED_ONCE int peer_route_ask(struct __sk_buff* skb, __u32 peer_id, struct fib_route* route) {
    struct cnet_peer* peer = peer_lookup(peer_id);
    struct bpf_fib_lookup params;
    __u32 ifindex;
    long err;

    if (!peer || !route) return -1;
    err = peer_fib_ask(skb, peer, 1, &params);
    if (err && err != BPF_FIB_LKUP_RET_NO_NEIGH) return -1;
    fib_take(&params, route);
    ifindex = route->ifindex;
    if (err == BPF_FIB_LKUP_RET_NO_NEIGH) {
        err = peer_fib_ask(skb, peer, 0xffff, &params);
        route->mtu = err == BPF_FIB_LKUP_RET_FRAG_NEEDED ? params.mtu_result : 0xffff;
    }
    trace_route(ifindex, route->mtu, &route->nexthop, 0);
    if (!bpf_map_lookup_elem(&cnet_uplinks, &ifindex)) return -1;
    if (!effects_allowed()) return 0;
    peer->fib_ifindex = ifindex;
    peer->fib_mtu = route->mtu;
    peer->fib_nexthop = route->nexthop;
    peer->fib_checked_ns = clock_coarse_ns();
    return 0;
}

/* Not 0: the routing table has no way to the peer, or none that is an uplink. */
static __always_inline long peer_route(struct __sk_buff* skb, const struct cnet_peer* peer,
                                       __u32 peer_id, struct fib_route* route) {
    __u64 age_ns = clock_coarse_ns() - peer->fib_checked_ns;

    if (unlikely(!peer->fib_ifindex || age_ns >= cnet_cfg.fib_cache_ms * 1000000ull))
        return peer_route_ask(skb, peer_id, route);
    route->ifindex = peer->fib_ifindex;
    route->mtu = peer->fib_mtu;
    route->nexthop = peer->fib_nexthop;
    trace_route(route->ifindex, route->mtu, &route->nexthop, 1);
    return 0;
}

/* Tells the kept vxlan device, which has no destination of its own, where the frame goes. Over IPv6
 * with a checksum: a foreign VTEP need not take it without. */
static __always_inline long peer_address_tunnel(struct __sk_buff* skb, const struct cnet_peer* peer,
                                                __u32 vni) {
    struct bpf_tunnel_key key = {.tunnel_id = vni, .tunnel_ttl = 64};
    __u64 flags = BPF_F_ZERO_CSUM_TX;

    if (addr_is_v4(&peer->remote)) {
        key.remote_ipv4 = bpf_ntohl(peer->remote.words_be[3]);
        key.local_ipv4 = bpf_ntohl(peer->local.words_be[3]);
    } else {
        __builtin_memcpy(key.remote_ipv6, &peer->remote, 16);
        __builtin_memcpy(key.local_ipv6, &peer->local, 16);
        flags = BPF_F_TUNINFO_IPV6;
    }
    return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags);
}

#endif
