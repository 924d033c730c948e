/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage: turning a packet that cannot go on into the ICMP error that tells its sender (RFC 792, RFC
 * 1812 4.3.2). */
#ifndef CNET_LIB_ICMP_REPLY_H
#define CNET_LIB_ICMP_REPLY_H

#include "csum.h"
#include "ctx_tc.h"
#include "scratch.h"

static __always_inline int icmp_error_allowed(const struct cnet_pkt* pkt) {
    /* Never about an error, a later fragment, or something that has no single sender (RFC 1122
     * section 3.2.2). */
    return !(pkt->flags & (PKT_ICMP_ERROR | PKT_FRAGMENT_LATER)) && ip4_is_routable(pkt->src4_be) &&
           ip4_is_routable(pkt->dst4_be);
}

static __always_inline __be16 icmp_checksum(const struct icmp4_hdr* icmp, const __u8* quote) {
    __s64 sum = bpf_csum_diff(NULL, 0, (__be32*)icmp, sizeof(*icmp), 0);

    sum = bpf_csum_diff(NULL, 0, (__be32*)quote, ICMP_QUOTE_MAX, sum);
    return ~csum_fold((__u32)sum);
}

/* The Ethernet header turned round; a device without one has nothing to turn. */
static __always_inline long icmp_eth_turn(struct __sk_buff* skb, const struct cnet_pkt* pkt) {
    struct ethhdr eth = {.h_proto = bpf_htons(ETH_P_IP)};

    if (!pkt->l3_off) return 0;
    mac_copy(eth.h_dest, pkt->src_mac);
    mac_copy(eth.h_source, pkt->dst_mac);
    return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
}

/*
 * The packet becomes the error and goes back where it came from. Without a source address to speak
 * from, or where no error may be sent, it is dropped with `reason`. bpf_skb_change_tail also takes
 * GSO and checksum offload off, which is what makes this possible for any packet. `type_code` and
 * `mtu_reason` are pairs, because five arguments is all that a BPF call takes.
 */
static __noinline int icmp_reply(struct __sk_buff* skb, struct cnet_pkt* pkt, __be32 from_be,
                                 __u16 type_code, __u32 mtu_reason) {
    __u32 quoted = pkt->ip_len < ICMP_QUOTE_MAX ? pkt->ip_len : ICMP_QUOTE_MAX;
    struct scratch* scratch = scratch_get();
    struct icmp_error* error;

    barrier_var(quoted);
    if (!scratch || !from_be || !icmp_error_allowed(pkt) || quoted < sizeof(struct iphdr) + 8 ||
        quoted > ICMP_QUOTE_MAX)
        return drop(pkt, mtu_reason & 0xffff);
    __builtin_memset(scratch->quote, 0, ICMP_QUOTE_MAX);
    if (bpf_skb_load_bytes(skb, pkt->l3_off, scratch->quote, quoted))
        return drop(pkt, mtu_reason & 0xffff);
    error = &scratch->icmp;
    *error = (struct icmp_error){
        .ip = {.version = 4,
               .ihl = 5,
               .tos = 0xc0, /* internetwork control, RFC 1812 section 4.3.2.5 */
               .tot_len = bpf_htons(sizeof(*error) + quoted),
               .ttl = 64,
               .protocol = IPPROTO_ICMP,
               .saddr = from_be,
               .daddr = pkt->src4_be},
        .icmp = {.type = type_code >> 8,
                 .code = type_code & 0xff,
                 .seq_or_mtu_be = bpf_htons(mtu_reason >> 16)},
    };
    error->ip.check =
        ~csum_fold((__u32)bpf_csum_diff(NULL, 0, (__be32*)&error->ip, sizeof(error->ip), 0));
    error->icmp.checksum = icmp_checksum(&error->icmp, scratch->quote);

    /* point of no return */
    if (bpf_skb_change_tail(skb, pkt->l3_off + quoted, 0) ||
        bpf_skb_adjust_room(skb, sizeof(*error), BPF_ADJ_ROOM_MAC, 0) ||
        bpf_skb_store_bytes(skb, pkt->l3_off, error, sizeof(*error), 0) || icmp_eth_turn(skb, pkt))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_back(skb, pkt), CNET_R_ICMP_ERROR_SENT);
}

#define ICMP_TYPE_CODE(type, code) ((__u16)((type) << 8 | (code)))

static __always_inline enum cnet_verdict icmp_time_exceeded(struct __sk_buff* skb,
                                                            struct cnet_pkt* pkt, __be32 from_be) {
    return icmp_reply(skb, pkt, from_be, ICMP_TYPE_CODE(ICMP4_TIME_EXCEEDED, 0),
                      CNET_R_TTL_EXPIRED);
}

static __always_inline enum cnet_verdict icmp_unreachable(struct __sk_buff* skb,
                                                          struct cnet_pkt* pkt, __be32 from_be,
                                                          __u8 code, enum cnet_reason reason) {
    return icmp_reply(skb, pkt, from_be, ICMP_TYPE_CODE(ICMP4_UNREACHABLE, code), reason);
}

/* RFC 1191: the MTU of the next hop tells the sender how small to be. */
static __always_inline enum cnet_verdict icmp_too_big(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                      __be32 from_be, __u32 mtu) {
    return icmp_reply(skb, pkt, from_be,
                      ICMP_TYPE_CODE(ICMP4_UNREACHABLE, ICMP4_FRAGMENTATION_NEEDED),
                      mtu << 16 | CNET_R_TOO_BIG);
}

#endif
