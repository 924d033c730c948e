/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing a translated tuple into an IPv4 packet. All writes go through helpers: a program that
 * writes packet memory directly gets a prologue that un-clones every packet it sees, and each TCP
 * segment is a clone.
 */
#ifndef CNET_LIB_REWRITE_H
#define CNET_LIB_REWRITE_H

#include "csum.h"
#include "ctx_tc.h"

struct tuple4 {
    __be32 src_be;
    __be32 dst_be;
    __be16 src_port_be; /* echo: as in struct cnet_ct_key */
    __be16 dst_port_be;
};

/* The tuple that leaves when the entry's other key is this one: its inverse. */
static __always_inline struct tuple4 tuple4_inverse(const struct cnet_ct_key* key) {
    return (struct tuple4){
        .src_be = key->dst.words_be[3],
        .dst_be = key->src.words_be[3],
        .src_port_be = key->dst_port_be,
        .dst_port_be = key->src_port_be,
    };
}

/* struct iphdr from ttl on. */
struct ip4_tail {
    __u8 ttl;
    __u8 protocol;
    __be16 check;
    __be32 src_be;
    __be32 dst_be;
};

/*
 * Addresses and TTL (less by `hops`), the header checksum mended. skb->csum of a CHECKSUM_COMPLETE
 * packet stays right, because the header with its checksum sums to the same as before.
 */
static __always_inline long ip4_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                        __be32 src_be, __be32 dst_be, __u8 hops) {
    __u64 difference = csum_replace(pkt->src4_be, src_be) + csum_replace(pkt->dst4_be, dst_be) +
                       csum_replace(bpf_htons(pkt->ttl << 8), bpf_htons((pkt->ttl - hops) << 8));
    struct ip4_tail tail = {
        .ttl = pkt->ttl - hops,
        .protocol = pkt->l4_proto,
        .check = csum_update(pkt->ip_check, difference),
        .src_be = src_be,
        .dst_be = dst_be,
    };

    return bpf_skb_store_bytes(skb, pkt->l3_off + __builtin_offsetof(struct iphdr, ttl), &tail,
                               sizeof(tail), 0);
}

static __always_inline long port_rewrite(struct __sk_buff* skb, __u32 check_off, __u32 port_off,
                                         __be16 from_be, __be16 to_be, __u64 flags) {
    long err;

    if (from_be == to_be) return 0;
    err = bpf_l4_csum_replace(skb, check_off, from_be, to_be, flags | 2);
    return err ?: bpf_skb_store_bytes(skb, port_off, &to_be, 2, 0);
}

static __always_inline long echo_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                         const struct tuple4* to) {
    int is_reply = pkt->flags & PKT_ECHO_REPLY;

    return port_rewrite(skb, pkt->l4_off + __builtin_offsetof(struct icmp4_hdr, checksum),
                        pkt->l4_off + __builtin_offsetof(struct icmp4_hdr, id_be),
                        is_reply ? pkt->dst_port_be : pkt->src_port_be,
                        is_reply ? to->dst_port_be : to->src_port_be, 0);
}

/*
 * BPF_F_PSEUDO_HDR for the addresses makes the helper right for CHECKSUM_PARTIAL, where the field
 * holds the pseudo header's sum alone; ports are not part of it and must come without. A UDP
 * checksum of zero means none and stays.
 */
static __always_inline long l4_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                       const struct tuple4* to) {
    __u64 flags = pkt->l4_proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
    __u32 check_off =
        pkt->l4_off + (pkt->l4_proto == IPPROTO_UDP ? __builtin_offsetof(struct udphdr, check)
                                                    : __builtin_offsetof(struct tcphdr, check));
    __u64 difference;
    long err;

    if (pkt->l4_proto == IPPROTO_ICMP) return echo_rewrite(skb, pkt, to);
    if (pkt->src4_be != to->src_be || pkt->dst4_be != to->dst_be) {
        difference =
            csum_replace(pkt->src4_be, to->src_be) + csum_replace(pkt->dst4_be, to->dst_be);
        difference = (difference & 0xffffffff) + (difference >> 32);
        difference = (difference & 0xffffffff) + (difference >> 32);
        err = bpf_l4_csum_replace(skb, check_off, 0, difference, flags | BPF_F_PSEUDO_HDR);
        if (err) return err;
    }
    err = port_rewrite(skb, check_off, pkt->l4_off, pkt->src_port_be, to->src_port_be, flags);
    return err
               ?: port_rewrite(skb, check_off, pkt->l4_off + 2, pkt->dst_port_be, to->dst_port_be,
                               flags);
}

/* Ethernet addresses of what the gateway hands to an endpoint. On a device without them, a header
 * is put in front. */
static __always_inline long eth_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                        const __u8* dst_mac, const __u8* src_mac) {
    struct ethhdr eth = {.h_proto = bpf_htons(ETH_P_IP)};

    mac_copy(eth.h_dest, dst_mac);
    mac_copy(eth.h_source, src_mac);
    if (unlikely(!pkt->l3_off)) {
        long err = bpf_skb_change_head(skb, ETH_HLEN, 0);

        if (err) return err;
    }
    return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
}

#endif
