/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing a translated tuple into a packet. All writes go through helpers: a program that writes
 * packet memory directly gets a prologue that un-clones every packet it sees, and each TCP segment
 * is a clone.
 */
#ifndef CNET_LIB_REWRITE_H
#define CNET_LIB_REWRITE_H

#include "crc32c.h"
#include "csum.h"
#include "ctx_tc.h"

/* What a packet becomes. The addresses stay where they are: in a map, or in the packet's own tuple.
 */
struct translation {
    const union cnet_addr* src;
    const union cnet_addr* dst;
    __be16 src_port_be; /* echo: as in struct cnet_ct_key */
    __be16 dst_port_be;
};

/* What leaves when a flow entry's other key is this one: its inverse. */
static __always_inline struct translation translation_inverse(const struct cnet_ct_key* other) {
    return (struct translation){
        .src = &other->dst,
        .dst = &other->src,
        .src_port_be = other->dst_port_be,
        .dst_port_be = other->src_port_be,
    };
}

static __always_inline __u64 addr_difference(const struct cnet_pkt* pkt,
                                             const union cnet_addr* from,
                                             const union cnet_addr* to) {
    __u64 difference = csum_replace(from->words_be[3], to->words_be[3]);

    if (pkt->flags & PKT_IP6)
        difference += csum_replace(from->words_be[0], to->words_be[0]) +
                      csum_replace(from->words_be[1], to->words_be[1]) +
                      csum_replace(from->words_be[2], to->words_be[2]);
    return difference;
}

/* struct iphdr from ttl on. */
struct ip4_tail {
    __u8 ttl;
    __u8 protocol;
    __be16 check;
    __be32 src_be;
    __be32 dst_be;
};

/* struct ipv6hdr from hop_limit on. */
struct ip6_tail {
    __u8 hop_limit;
    union cnet_addr src;
    union cnet_addr dst;
} __attribute__((packed));

/*
 * Addresses and TTL (less by `hops`), the header checksum mended. skb->csum of a CHECKSUM_COMPLETE
 * packet stays right, because the header with its checksum sums to the same as before.
 */
static __always_inline long ip4_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                        const union cnet_addr* src, const union cnet_addr* dst,
                                        __u8 hops) {
    __u64 difference = addr_difference(pkt, &pkt->tuple.src, src) +
                       addr_difference(pkt, &pkt->tuple.dst, dst) +
                       csum_replace(bpf_htons(pkt->ttl << 8), bpf_htons((pkt->ttl - hops) << 8));
    struct ip4_tail tail = {
        .ttl = pkt->ttl - hops,
        .protocol = pkt->tuple.l4_proto,
        .check = csum_update(pkt->ip_check, difference),
        .src_be = src->words_be[3],
        .dst_be = dst->words_be[3],
    };

    return bpf_skb_store_bytes(skb, pkt->l3_off + __builtin_offsetof(struct iphdr, ttl), &tail,
                               sizeof(tail), 0);
}

/*
 * IPv6 has no header checksum that would keep skb->csum of a CHECKSUM_COMPLETE packet right, so the
 * store itself adds what it changes. Of that, l4_rewrite() takes the addresses' part off again:
 * BPF_F_PSEUDO_HDR without BPF_F_IPV6 (6.16, d3d933ac) does so on every kernel, and for once it is
 * what is wanted.
 */
static __always_inline long ip6_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                        const union cnet_addr* src, const union cnet_addr* dst,
                                        __u8 hops) {
    struct ip6_tail tail;

    tail.hop_limit = pkt->ttl - hops;
    tail.src = *src;
    tail.dst = *dst;
    return bpf_skb_store_bytes(skb, pkt->l3_off + __builtin_offsetof(struct ipv6hdr, hop_limit),
                               &tail, sizeof(tail), BPF_F_RECOMPUTE_CSUM);
}

static __always_inline long ip_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                       const union cnet_addr* src, const union cnet_addr* dst,
                                       __u8 hops) {
    return pkt->flags & PKT_IP6 ? ip6_rewrite(skb, pkt, src, dst, hops)
                                : ip4_rewrite(skb, pkt, src, dst, hops);
}

static __always_inline __u32 l4_check_off(const struct cnet_pkt* pkt) {
    switch (pkt->tuple.l4_proto) {
    case IPPROTO_UDP:
        return pkt->l4_off + __builtin_offsetof(struct udphdr, check);
    case IPPROTO_TCP:
        return pkt->l4_off + __builtin_offsetof(struct tcphdr, check);
    default:
        return pkt->l4_off + __builtin_offsetof(struct icmp_hdr, checksum);
    }
}

/*
 * The L4 checksum after the addresses of its pseudo header changed; ICMP over IPv4 and SCTP have
 * none.
 * BPF_F_PSEUDO_HDR makes the helper right for CHECKSUM_PARTIAL, where the field holds the pseudo
 * header's sum alone. A UDP checksum of zero means none and stays.
 */
static __always_inline long l4_addresses_changed(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                                 const union cnet_addr* src,
                                                 const union cnet_addr* dst) {
    __u64 flags = pkt->tuple.l4_proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
    __u64 difference;

    if (pkt->tuple.l4_proto == IPPROTO_ICMP || pkt->tuple.l4_proto == IPPROTO_SCTP) return 0;
    difference =
        addr_difference(pkt, &pkt->tuple.src, src) + addr_difference(pkt, &pkt->tuple.dst, dst);
    difference = (difference & 0xffffffff) + (difference >> 32);
    difference = (difference & 0xffffffff) + (difference >> 32);
    return bpf_l4_csum_replace(skb, l4_check_off(pkt), 0, difference, flags | BPF_F_PSEUDO_HDR);
}

/* Ports are not part of the pseudo header. */
static __always_inline long port_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                         __u32 port_off, __be16 from_be, __be16 to_be) {
    __u64 flags = pkt->tuple.l4_proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
    long err;

    if (from_be == to_be) return 0;
    err = bpf_l4_csum_replace(skb, l4_check_off(pkt), from_be, to_be, flags | 2);
    return err ?: bpf_skb_store_bytes(skb, port_off, &to_be, 2, 0);
}

/* Ports and checksum (RFC 9260 section 3.1) of SCTP. */
struct sctp_ports {
    __be16 src_be;
    __be16 dst_be;
};

#define SCTP_CHECKSUM_OFF 8

/*
 * The checksum covers no addresses, but all of the packet: a fragment alone does not tell what it
 * becomes. Zero stands for one that is still to be computed (CHECKSUM_PARTIAL of SCTP) and stays.
 */
static __always_inline long sctp_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                         const struct translation* to) {
    struct sctp_ports ports = {.src_be = to->src_port_be, .dst_be = to->dst_port_be};
    __u32 old = (__u32)pkt->tuple.dst_port_be << 16 | pkt->tuple.src_port_be;
    __u32 changed = old ^ ((__u32)to->dst_port_be << 16 | to->src_port_be);
    __u32 length = pkt->ip_len - (pkt->l4_off - pkt->l3_off), checksum;
    long err;

    if (!changed) return 0;
    if (pkt->flags & PKT_FRAGMENT) return -1;
    err = bpf_skb_load_bytes(skb, pkt->l4_off + SCTP_CHECKSUM_OFF, &checksum, sizeof(checksum));
    if (!err && checksum) {
        checksum ^= crc32c_difference(changed, length - sizeof(ports));
        err = bpf_skb_store_bytes(skb, pkt->l4_off + SCTP_CHECKSUM_OFF, &checksum, sizeof(checksum),
                                  BPF_F_RECOMPUTE_CSUM);
    }
    return err
               ?: bpf_skb_store_bytes(skb, pkt->l4_off, &ports, sizeof(ports),
                                      BPF_F_RECOMPUTE_CSUM);
}

/* Checksum and ports, or the echo identifier. Comes after ip_rewrite(), whose account of skb->csum
 * it settles. */
static __always_inline long l4_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                       const struct translation* to) {
    long err;

    if (unlikely(pkt->flags & PKT_FRAGMENT_LATER)) return 0;
    if (unlikely(!l4_is_known(pkt->tuple.l4_proto))) return 0;
    if (unlikely(pkt->tuple.l4_proto == IPPROTO_SCTP)) return sctp_rewrite(skb, pkt, to);
    err = l4_addresses_changed(skb, pkt, to->src, to->dst);
    if (err) return err;
    if (proto_is_icmp(pkt->tuple.l4_proto)) {
        int is_reply = pkt->flags & PKT_BEGINS_NOTHING;

        return port_rewrite(skb, pkt, pkt->l4_off + __builtin_offsetof(struct icmp_hdr, id_be),
                            is_reply ? pkt->tuple.dst_port_be : pkt->tuple.src_port_be,
                            is_reply ? to->dst_port_be : to->src_port_be);
    }
    err = port_rewrite(skb, pkt, pkt->l4_off, pkt->tuple.src_port_be, to->src_port_be);
    return err ?: port_rewrite(skb, pkt, pkt->l4_off + 2, pkt->tuple.dst_port_be, to->dst_port_be);
}

/* Ethernet addresses of what the gateway hands to an endpoint. On a device without them, a header
 * is put in front. */
static __always_inline long eth_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                        const __u8* dst_mac, const __u8* src_mac) {
    struct ethhdr eth = {.h_proto = bpf_htons(pkt->flags & PKT_IP6 ? ETH_P_IPV6 : ETH_P_IP)};

    mac_copy(eth.h_dest, dst_mac);
    mac_copy(eth.h_source, src_mac);
    if (unlikely(!pkt->l3_off)) {
        long err = bpf_skb_change_head(skb, ETH_HLEN, 0);

        if (err) return err;
    }
    return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
}

/* What a translation changes of a plain TCP or UDP packet over IPv4, the checksum aside, in one
 * piece: each store is a call that costs as much as a hash look-up. */
struct head4 {
    struct ethhdr eth;
    struct iphdr ip;
    __be16 src_port_be;
    __be16 dst_port_be;
} __attribute__((packed, aligned(2)));

#define HEAD4_KEPT __builtin_offsetof(struct head4, ip.ttl) /* nothing before it changes */

static __always_inline int head4_fits(const struct cnet_pkt* pkt) {
    return !(pkt->flags & (PKT_IP6 | PKT_FRAGMENT)) && pkt->l3_off == ETH_HLEN &&
           pkt->l4_off == __builtin_offsetof(struct head4, src_port_be) &&
           (pkt->tuple.l4_proto == IPPROTO_TCP || pkt->tuple.l4_proto == IPPROTO_UDP);
}

/* ip4_rewrite() with one hop less, from TTL on to the ports. */
static __always_inline void head4_fill(struct head4* head, const struct cnet_pkt* pkt,
                                       const struct translation* to) {
    __u64 difference = addr_difference(pkt, &pkt->tuple.src, to->src) +
                       addr_difference(pkt, &pkt->tuple.dst, to->dst) +
                       csum_replace(bpf_htons(pkt->ttl << 8), bpf_htons((pkt->ttl - 1) << 8));

    head->ip.ttl = pkt->ttl - 1;
    head->ip.protocol = pkt->tuple.l4_proto;
    head->ip.check = csum_update(pkt->ip_check, difference);
    head->ip.saddr = to->src->words_be[3];
    head->ip.daddr = to->dst->words_be[3];
    head->src_port_be = to->src_port_be;
    head->dst_port_be = to->dst_port_be;
}

/* As they lie in a header, in one word. */
static __always_inline __u32 ports_of(__be16 src_port_be, __be16 dst_port_be) {
    return (__u32)dst_port_be << 16 | src_port_be;
}

/* l4_rewrite() without the ports themselves. */
static __always_inline long head4_checksum(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                           const struct translation* to) {
    __u64 flags = pkt->tuple.l4_proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
    __u32 from_be = ports_of(pkt->tuple.src_port_be, pkt->tuple.dst_port_be);
    __u32 to_be = ports_of(to->src_port_be, to->dst_port_be);
    long err = l4_addresses_changed(skb, pkt, to->src, to->dst);

    if (err || from_be == to_be) return err;
    return bpf_l4_csum_replace(skb, l4_check_off(pkt), from_be, to_be, flags | 4);
}

/* Of whatever packet, with one hop less. By itself for the stack's sake: most packets are plain. */
VERIFIED_ONCE int translate_other(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                  const union cnet_addr* src, const union cnet_addr* dst,
                                  __u32 ports) {
    struct translation to = {
        .src = src, .dst = dst, .src_port_be = ports, .dst_port_be = ports >> 16};

    if (!pkt || !src || !dst) return -1;
    return ip_rewrite(skb, pkt, src, dst, 1) || l4_rewrite(skb, pkt, &to);
}

/* Addresses, ports and checksums, with one hop less. */
static __always_inline long translate(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                      const struct translation* to) {
    struct head4 head;

    if (unlikely(!head4_fits(pkt)))
        return translate_other(skb, pkt, to->src, to->dst,
                               ports_of(to->src_port_be, to->dst_port_be));
    head4_fill(&head, pkt, to);
    return bpf_skb_store_bytes(skb, HEAD4_KEPT, &head.ip.ttl, sizeof(head) - HEAD4_KEPT, 0)
               ?: head4_checksum(skb, pkt, to);
}

/* Likewise, with eth_rewrite(). */
static __always_inline long translate_frame(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                            const struct translation* to, const __u8* dst_mac,
                                            const __u8* src_mac) {
    const struct head4* now = tc_data(skb);
    struct head4 head;

    if (unlikely(!head4_fits(pkt) || (const void*)(now + 1) > tc_data_end(skb)))
        return translate_other(skb, pkt, to->src, to->dst,
                               ports_of(to->src_port_be, to->dst_port_be))
                   ?: eth_rewrite(skb, pkt, dst_mac, src_mac);
    mac_copy(head.eth.h_dest, dst_mac);
    mac_copy(head.eth.h_source, src_mac);
    head.eth.h_proto = bpf_htons(ETH_P_IP);
    head.ip = now->ip;
    head4_fill(&head, pkt, to);
    return bpf_skb_store_bytes(skb, 0, &head, sizeof(head), 0) ?: head4_checksum(skb, pkt, to);
}

#endif
