/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The IPv6 header and its extension headers into struct cnet_pkt (RFC 8200). */
#ifndef CNET_LIB_IP6_H
#define CNET_LIB_IP6_H

#include <linux/ipv6.h>

#include "compat.h"
#include "l4.h"

#define IP6_HLEN 40
/* RFC 8200 section 4.1 names each extension header at most once, destination options twice; whoever
 * sends more of them, or longer ones, does not want to be understood. */
#define IP6_EXTENSIONS_MAX 8
#define IP6_FRAGMENT_OFFSET_MASK 0xfff8
#define IP6_MORE_FRAGMENTS 0x0001

#define IP6_NEXT_HOP_BY_HOP 0
#define IP6_NEXT_ROUTING 43
#define IP6_NEXT_FRAGMENT 44
#define IP6_NEXT_AUTH 51
#define IP6_NEXT_NONE 59
#define IP6_NEXT_DEST_OPTIONS 60

struct ip6_fragment_hdr {
    __u8 next;
    __u8 reserved;
    __be16 offset_be; /* in the upper 13 bits, of 8 bytes; IP6_MORE_FRAGMENTS */
    __be32 id_be;
};

/* Where a walk along the extension headers has come to. */
struct ip6_walk {
    __u32 off;       /* of the header named by `next` */
    __be32 id_be;    /* of the fragment header, 0 without one */
    __be16 fragment; /* its offset_be, 0 without one */
    __u8 next;       /* IPPROTO_* */
    __u8 pad;
};

static __always_inline int ip6_is_extension(__u8 next) {
    return next == IP6_NEXT_HOP_BY_HOP || next == IP6_NEXT_ROUTING || next == IP6_NEXT_FRAGMENT ||
           next == IP6_NEXT_AUTH || next == IP6_NEXT_DEST_OPTIONS;
}

struct ip6_extension_walk {
    struct __sk_buff* skb;
    struct ip6_walk* at;
    __u32 result; /* enum parse_result: PARSE_OK once the walk has come to its end */
};

static long ip6_extension(__u32 index, void* data) {
    struct ip6_extension_walk* walk = data;
    struct ip6_walk* at = walk->at;
    struct ip6_fragment_hdr head;

    (void)index;
    if (!ip6_is_extension(at->next) || at->fragment & bpf_htons(IP6_FRAGMENT_OFFSET_MASK)) {
        walk->result = PARSE_OK;
        return 1;
    }
    if (at->off > L4_OFF_MAX || bpf_skb_load_bytes(walk->skb, at->off, &head, sizeof(head)))
        return 1;
    if (at->next == IP6_NEXT_FRAGMENT) {
        at->off += sizeof(head);
        at->fragment = head.offset_be;
        at->id_be = head.id_be;
    } else if (at->next == IP6_NEXT_AUTH) {
        at->off += (head.reserved + 2) * 4;
    } else {
        at->off += (head.reserved + 1) * 8;
    }
    at->next = head.next;
    return 0;
}

/*
 * From `walk->off` to the first header that is none of IPv6's own, or to what follows the fragment
 * header of a later fragment. PARSE_SHORT: cut short, or longer than anybody needs. Reads by
 * bpf_skb_load_bytes, so it works on packets and on what an ICMPv6 error quotes alike.
 */
VERIFIED_ONCE int ip6_extensions(struct __sk_buff* skb, struct ip6_walk* at) {
    struct ip6_extension_walk walk = {.skb = skb, .at = at, .result = (__u32)PARSE_SHORT};

    if (!at) return PARSE_SHORT;
    bpf_loop(IP6_EXTENSIONS_MAX + 1, ip6_extension, &walk, 0);
    return walk.result == PARSE_OK ? PARSE_OK : PARSE_SHORT;
}

/*
 * The fixed header alone; `tuple.l4_proto` may be that of an extension header. IPv4-mapped
 * addresses stand for IPv4 in our maps; on the wire they are nobody's (RFC 4291 section 2.5.5.2).
 */
static __always_inline enum parse_result ip6_parse_fixed(struct cnet_pkt* pkt, __u32 l2_len,
                                                         void* data, void* data_end) {
    struct ipv6hdr* ip6 = data + l2_len;

    if ((void*)(ip6 + 1) > data_end || ip6->version != 6) return PARSE_SHORT;
    pkt->flags |= PKT_IP6;
    pkt->l3_off = l2_len;
    pkt->ip_len = IP6_HLEN + bpf_ntohs(ip6->payload_len);
    if (l2_len + pkt->ip_len > pkt->len) return PARSE_SHORT;
    __builtin_memcpy(&pkt->tuple.src, &ip6->saddr, sizeof(pkt->tuple.src));
    __builtin_memcpy(&pkt->tuple.dst, &ip6->daddr, sizeof(pkt->tuple.dst));
    if (addr_is_v4(&pkt->tuple.src) || addr_is_v4(&pkt->tuple.dst)) return PARSE_SHORT;
    pkt->ttl = ip6->hop_limit;
    pkt->tos = ip6->priority << 4 | ip6->flow_lbl[0] >> 4;
    pkt->l4_off = l2_len + IP6_HLEN;
    pkt->tuple.l4_proto = ip6->nexthdr;
    return PARSE_OK;
}

static __always_inline enum parse_result ip6_parse(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                   __u32 l2_len, void* data, void* data_end) {
    struct ip6_walk walk;

    if (ip6_parse_fixed(pkt, l2_len, data, data_end) != PARSE_OK) return PARSE_SHORT;
    if (unlikely(ip6_is_extension(pkt->tuple.l4_proto))) {
        walk = (struct ip6_walk){.off = l2_len + IP6_HLEN, .next = pkt->tuple.l4_proto};
        if (ip6_extensions(skb, &walk) != PARSE_OK) return PARSE_SHORT;
        pkt->l4_off = walk.off;
        pkt->tuple.l4_proto = walk.next;
        /* An atomic fragment (RFC 6946) is a whole packet. */
        if (walk.fragment) pkt->flags |= PKT_FRAGMENT;
        if (walk.fragment & bpf_htons(IP6_FRAGMENT_OFFSET_MASK)) pkt->flags |= PKT_FRAGMENT_LATER;
    }
    return unlikely(pkt->tuple.l4_proto == IPPROTO_ICMP) ? PARSE_SHORT : PARSE_OK;
}

static __always_inline int addr6_is_link_local(const union cnet_addr* addr) {
    return (addr->words_be[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* `::`, ::1, IPv4-mapped and multicast addresses, and those of a link, never cross a router (RFC
 * 4291 sections 2.5 to 2.7). */
static __always_inline int ip6_is_routable(const union cnet_addr* addr) {
    if (addr->bytes[0] == 0xff || addr6_is_link_local(addr)) return 0;
    if (addr->words_be[0] | addr->words_be[1]) return 1;
    return addr->words_be[2] && addr->words_be[2] != CNET_V4_MAPPED;
}

#endif
