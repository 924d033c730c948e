/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which address a masqueraded flow has outside. */
#ifndef CNET_LIB_MASQUERADE_H
#define CNET_LIB_MASQUERADE_H

#include "fib.h"
#include "port.h"

struct source_walk {
    const struct cnet_uplink* uplink;
    const union cnet_addr* near; /* what the source shall be close to */
    union cnet_addr* source;
    __u64 distance_hi, distance_lo; /* of the best candidate */
    __u32 found;
};

static __always_inline __u64 addr_distance(const union cnet_addr* a, const union cnet_addr* b,
                                           int half) {
    return (__u64)bpf_ntohl(a->words_be[half * 2] ^ b->words_be[half * 2]) << 32 |
           bpf_ntohl(a->words_be[half * 2 + 1] ^ b->words_be[half * 2 + 1]);
}

/* The longer the common prefix, the smaller the exclusive or. */
static long source_closer(__u32 index, void* data) {
    struct source_walk* walk = data;
    const struct cnet_uplink_addr* candidate;
    __u64 hi, lo;

    if (index >= CNET_UPLINK_ADDRS_MAX) return 1;
    candidate = &walk->uplink->addrs[index];
    if (addr_is_v4(&candidate->addr) != addr_is_v4(walk->near)) return 0;
    hi = addr_distance(&candidate->addr, walk->near, 0);
    lo = addr_distance(&candidate->addr, walk->near, 1);
    if (addr_is_v4(walk->near)) {
        __u32 bits = candidate->prefix_len - 96;

        /* Outside of its subnet one IPv4 address is as good as the other. */
        lo = bits > 32 || (bits && lo >> (32 - bits));
    }
    if (walk->found &&
        (hi > walk->distance_hi || (hi == walk->distance_hi && lo >= walk->distance_lo)))
        return 0;
    *walk->source = candidate->addr;
    walk->distance_hi = hi;
    walk->distance_lo = lo;
    walk->found = 1;
    return 0;
}

/*
 * The address that masquerading takes on an uplink. IPv4, as inet_select_addr() does: one that
 * shares a subnet with the next hop, else the first. IPv6, by the rule of RFC 6724 section 5 that
 * is left once all are of global scope and none is deprecated: the longest match with the
 * destination. False when the uplink has none of the family.
 */
static __always_inline int uplink_source(const struct cnet_uplink* uplink,
                                         const union cnet_addr* dst, const union cnet_addr* nexthop,
                                         union cnet_addr* source) {
    struct source_walk walk = {
        .uplink = uplink, .near = addr_is_v4(dst) ? nexthop : dst, .source = source};

    bpf_loop(uplink->addr_count, source_closer, &walk, 0);
    return walk.found;
}

/* What masquerading makes of the source of what comes from a port: the network's own choice, or the
 * uplink's address, or nothing. False: there is no address to take. */
static __always_inline int masquerade_source(const struct cnet_pkt* pkt, __u32 port_ifindex,
                                             const struct cnet_uplink* uplink,
                                             const union cnet_addr* nexthop,
                                             union cnet_addr* source) {
    struct cnet_port* port = bpf_map_lookup_elem(&cnet_port, &port_ifindex);

    if (!port) return 0;
    *source = pkt->tuple.src;
    if (!port_masquerades(port->flags, pkt->flags & PKT_IP6)) return 1;
    *source = pkt->flags & PKT_IP6 ? port->snat6 : addr_from_v4(port->snat4_be);
    if (pkt->flags & PKT_IP6 ? !addr_is_zero(source) : source->words_be[3] != 0) return 1;
    return uplink_source(uplink, &pkt->tuple.dst, nexthop, source);
}

#endif
