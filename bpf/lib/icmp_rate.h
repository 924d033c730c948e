/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many ICMP errors we make (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f)), by Linux's
 * figures: to one address six at once and one a second (net.ipv4.icmp_ratelimit and its burst), in
 * all fifty at once and a thousand a second (net.ipv4.icmp_msgs_burst and icmp_msgs_per_sec). Each
 * hook has its own thousand, so that what comes from outside takes none from the endpoints.
 *
 * Addresses share buckets by hash: the memory is bounded, and whoever shares one hears less.
 */
#ifndef CNET_LIB_ICMP_RATE_H
#define CNET_LIB_ICMP_RATE_H

#include "ctx_tc.h"
#include "token_bucket.h"

#define ICMP_RATE_PEER_INTERVAL_NS 1000000000ull
#define ICMP_RATE_PEER_BURST 6
#define ICMP_RATE_HOOK_INTERVAL_NS 1000000ull
#define ICMP_RATE_HOOK_BURST 50

static __always_inline int icmp_rate_take(__u32 index, __u64 interval_ns, __u32 burst,
                                          __u64 now_ns) {
    __u64* full_at_ns = bpf_map_lookup_elem(&cnet_icmp_rate, &index);

    return full_at_ns && token_take(full_at_ns, interval_ns, interval_ns * burst, now_ns);
}

/* Of the address's bits every one must count: the last octet is the highest on the wire. */
static __always_inline __u32 icmp_rate_peer(const struct cnet_pkt* pkt) {
    const __be32* words_be = pkt->tuple.src.words_be;
    __u32 hash = pkt->network_id ^ (__u32)pkt->hook << 24, i;

    for (i = 0; i < 4; i++) {
        hash = (hash ^ words_be[i]) * 0x9e3779b1;
        hash ^= hash >> 15;
        hash *= 0x85ebca6b;
        hash ^= hash >> 13;
    }
    return CNET_HOOK_MAX + hash % (CNET_ICMP_RATE_COUNT - CNET_HOOK_MAX);
}

/* May the packet's sender be sent an error now? */
static __always_inline int icmp_rate_allows(const struct cnet_pkt* pkt) {
    __u64 now_ns = bpf_ktime_get_ns();

    return icmp_rate_take(icmp_rate_peer(pkt), ICMP_RATE_PEER_INTERVAL_NS, ICMP_RATE_PEER_BURST,
                          now_ns) &&
           icmp_rate_take(pkt->hook, ICMP_RATE_HOOK_INTERVAL_NS, ICMP_RATE_HOOK_BURST, now_ns);
}

#endif
