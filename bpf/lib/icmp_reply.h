/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage: turning a packet that cannot go on into the ICMP error that tells its sender (RFC 792, RFC
 * 1812 4.3.2, RFC 4443). */
#ifndef CNET_LIB_ICMP_REPLY_H
#define CNET_LIB_ICMP_REPLY_H

#include "csum.h"
#include "icmp_rate.h"
#include "port.h"
#include "scratch.h"

enum icmp_cause { ICMP_CAUSE_HOPS, ICMP_CAUSE_NO_ROUTE, ICMP_CAUSE_TOO_BIG };

/* No error can be made; the packet is untouched. Any other failure is a helper's. */
#define ICMP_UNSPEAKABLE 1

#define ICMP_SUM_PIECE 412

/* Never about an error, a later fragment, or something that has no single sender (RFC 1122 section
 * 3.2.2, RFC 4443 section 2.4 (e)). */
static __always_inline int icmp_error_allowed(const struct cnet_pkt* pkt) {
    const union cnet_addr *src = &pkt->tuple.src, *dst = &pkt->tuple.dst;

    if (pkt->flags & (PKT_ICMP_ERROR | PKT_FRAGMENT_LATER)) return 0;
    if (pkt->flags & PKT_IP6) return ip6_is_routable(src) && ip6_is_routable(dst);
    return ip4_is_routable(src->words_be[3]) && ip4_is_routable(dst->words_be[3]);
}

/* The Ethernet header turned round; a device without one has nothing to turn. */
static __always_inline long icmp_eth_turn(struct __sk_buff* skb, const struct cnet_pkt* pkt) {
    struct ethhdr eth = {.h_proto =
                             pkt->flags & PKT_IP6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP)};

    if (!pkt->l3_off) return 0;
    mac_copy(eth.h_dest, pkt->src_mac);
    mac_copy(eth.h_source, pkt->dst_mac);
    return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
}

/* The address that errors come from: the gateway's on the network's side, the dialled one outside
 * and on the way to a peer, where no router of ours is in between.
 * All zero when there is none. */
static __always_inline void router_address(const struct cnet_pkt* pkt, union cnet_addr* from) {
    __u32 ifindex = pkt->ifindex;
    struct cnet_port* port;

    *from = pkt->tuple.dst;
    if ((pkt->hook != CNET_HOOK_ENDPOINT && pkt->hook != CNET_HOOK_BRIDGE_PORT) || pkt->peer_id)
        return;
    port = bpf_map_lookup_elem(&cnet_port, &ifindex);
    *from = (union cnet_addr){};
    if (!port) return;
    if (pkt->flags & PKT_IP6)
        *from = port->gateway6;
    else if (port->gateway4_be)
        *from = addr_from_v4(port->gateway4_be);
}

/* Loads what the error quotes: `max` bytes of the packet or all of it, zeroes up to the next word.
 * 0: too little to be of use. */
static __always_inline __u32 icmp_quote(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                        struct scratch* scratch, __u32 least, __u32 max) {
    __u32 quoted = pkt->ip_len < max ? pkt->ip_len : max;

    barrier_var(quoted);
    if (quoted < least || quoted > max) return 0;
    *(__u32*)(scratch->quote + (quoted & ~3u)) = 0;
    return bpf_skb_load_bytes(skb, pkt->l3_off, scratch->quote, quoted) ? 0 : quoted;
}

/* Of what icmp_quote() loaded, in pieces because bpf_csum_diff takes 512 bytes at most. */
static __always_inline __s64 icmp_quote_sum(const struct scratch* scratch, __u32 quoted,
                                            __s64 sum) {
    __u32 off, left;

    for (off = 0; off < ICMP6_QUOTE_MAX; off += ICMP_SUM_PIECE) {
        if (quoted <= off) break;
        left = (quoted - off + 3) & ~3u;
        if (left > ICMP_SUM_PIECE) left = ICMP_SUM_PIECE;
        barrier_var(left);
        if (left > ICMP_SUM_PIECE) break;
        sum = bpf_csum_diff(NULL, 0, (__be32*)(scratch->quote + off), left & 0x1fc, sum);
    }
    return sum;
}

/* Cuts the packet down to what is quoted and puts `size` bytes of headers in front. */
static __always_inline long icmp_wrap(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                      __u32 quoted, const void* headers, __u32 size) {
    long err = bpf_skb_change_tail(skb, pkt->l3_off + quoted, 0);

    err = err ?: bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC, 0);
    err = err ?: bpf_skb_store_bytes(skb, pkt->l3_off, headers, size, 0);
    return err ?: icmp_eth_turn(skb, pkt);
}

VERIFIED_ONCE long icmp4_make(struct __sk_buff* skb, const struct cnet_pkt* pkt, __u32 cause,
                              __u32 mtu) {
    struct scratch* scratch = scratch_get();
    struct icmp4_error* error;
    union cnet_addr from;
    __u32 quoted;
    __s64 sum;

    if (!scratch || !pkt) return ICMP_UNSPEAKABLE;
    router_address(pkt, &from);
    quoted = icmp_quote(skb, pkt, scratch, sizeof(struct iphdr) + 8, ICMP4_QUOTE_MAX);
    if (!quoted || !from.words_be[3]) return ICMP_UNSPEAKABLE;
    error = &scratch->icmp4;
    *error = (struct icmp4_error){
        .ip = {.version = 4,
               .ihl = 5,
               .tos = 0xc0, /* internetwork control, RFC 1812 section 4.3.2.5 */
               .tot_len = bpf_htons(sizeof(*error) + quoted),
               .ttl = 64,
               .protocol = IPPROTO_ICMP,
               .saddr = from.words_be[3],
               .daddr = pkt->tuple.src.words_be[3]},
        .icmp = {.type = cause == ICMP_CAUSE_HOPS ? ICMP4_TIME_EXCEEDED : ICMP4_UNREACHABLE},
    };
    if (cause == ICMP_CAUSE_TOO_BIG) { /* RFC 1191 */
        error->icmp.code = ICMP4_FRAGMENTATION_NEEDED;
        error->icmp.seq_or_mtu_be = bpf_htons(mtu);
    }
    sum = bpf_csum_diff(NULL, 0, (__be32*)&error->ip, sizeof(error->ip), 0);
    error->ip.check = ~csum_fold((__u32)sum);
    sum = bpf_csum_diff(NULL, 0, (__be32*)&error->icmp, sizeof(error->icmp), 0);
    error->icmp.checksum = ~csum_fold((__u32)icmp_quote_sum(scratch, quoted, sum));
    return icmp_wrap(skb, pkt, quoted, error, sizeof(*error));
}

static __always_inline __be16 icmp6_checksum(const struct scratch* scratch, __u32 quoted) {
    const struct icmp6_error* error = &scratch->icmp6;
    __be32 pseudo[2] = {bpf_htonl(sizeof(error->icmp) + quoted), bpf_htonl(IPPROTO_ICMPV6)};
    __s64 sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(pseudo), 0);

    sum = bpf_csum_diff(NULL, 0, (__be32*)&error->ip6.saddr, 32, sum);
    sum = bpf_csum_diff(NULL, 0, (__be32*)&error->icmp, sizeof(error->icmp), sum);
    return ~csum_fold((__u32)icmp_quote_sum(scratch, quoted, sum));
}

VERIFIED_ONCE long icmp6_make(struct __sk_buff* skb, const struct cnet_pkt* pkt, __u32 cause,
                              __u32 mtu) {
    struct scratch* scratch = scratch_get();
    struct icmp6_error* error;
    union cnet_addr from;
    __u32 quoted;

    if (!scratch || !pkt) return ICMP_UNSPEAKABLE;
    router_address(pkt, &from);
    quoted = icmp_quote(skb, pkt, scratch, IP6_HLEN, ICMP6_QUOTE_MAX);
    if (!quoted || addr_is_zero(&from)) return ICMP_UNSPEAKABLE;
    error = &scratch->icmp6;
    __builtin_memset(error, 0, sizeof(*error));
    error->ip6.version = 6;
    error->ip6.payload_len = bpf_htons(sizeof(error->icmp) + quoted);
    error->ip6.nexthdr = IPPROTO_ICMPV6;
    error->ip6.hop_limit = 64;
    __builtin_memcpy(&error->ip6.saddr, &from, 16);
    __builtin_memcpy(&error->ip6.daddr, &pkt->tuple.src, 16);
    error->icmp.type = ICMP6_UNREACHABLE;
    if (cause == ICMP_CAUSE_HOPS) error->icmp.type = ICMP6_TIME_EXCEEDED;
    if (cause == ICMP_CAUSE_TOO_BIG) {
        error->icmp.type = ICMP6_TOO_BIG;
        error->icmp.mtu6_be = bpf_htonl(mtu);
    }
    error->icmp.checksum = icmp6_checksum(scratch, quoted);
    return icmp_wrap(skb, pkt, quoted, error, sizeof(*error));
}

/*
 * The packet becomes the error and goes back where it came from. Without an address to speak from,
 * or where no error may be sent, it is dropped with `reason`; where it would be one too many, with
 * CNET_R_ICMP_RATE. bpf_skb_change_tail also takes GSO and checksum offload off, which is what
 * makes this possible for any packet.
 */
static __always_inline enum cnet_verdict icmp_reply(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                    enum icmp_cause cause, __u32 mtu,
                                                    enum cnet_reason reason) {
    long err;

    trace_icmp_error(reason, mtu);
    /* A path's MTU is told whatever was told before, as Linux does: without it nothing gets on. */
    if (!icmp_error_allowed(pkt)) return drop(pkt, reason);
    if (cause != ICMP_CAUSE_TOO_BIG && !icmp_rate_allows(pkt)) return drop(pkt, CNET_R_ICMP_RATE);
    err =
        pkt->flags & PKT_IP6 ? icmp6_make(skb, pkt, cause, mtu) : icmp4_make(skb, pkt, cause, mtu);
    if (err) return drop(pkt, err == ICMP_UNSPEAKABLE ? reason : CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_back(skb, pkt), CNET_R_ICMP_ERROR_SENT);
}

VERIFIED_ONCE int icmp_time_exceeded(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    if (!pkt) return V_DROP;
    return icmp_reply(skb, pkt, ICMP_CAUSE_HOPS, 0, CNET_R_TTL_EXPIRED);
}

VERIFIED_ONCE int icmp_no_route(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    if (!pkt) return V_DROP;
    return icmp_reply(skb, pkt, ICMP_CAUSE_NO_ROUTE, 0, CNET_R_NO_ROUTE);
}

/* The MTU of the next hop tells the sender how small to be. */
VERIFIED_ONCE int icmp_too_big(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 mtu) {
    if (!pkt) return V_DROP;
    return icmp_reply(skb, pkt, ICMP_CAUSE_TOO_BIG, mtu, CNET_R_TOO_BIG);
}

#endif
