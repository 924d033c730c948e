/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The IPv4 header into struct cnet_pkt (RFC 791). Pure: reads packet memory only. */
#ifndef CNET_LIB_IP4_H
#define CNET_LIB_IP4_H

#include <linux/ip.h>

#include "l4.h"

#define IP4_DONT_FRAGMENT 0x4000
#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK 0x1fff

/*
 * The addresses and the header's own fields. `l2_len` must be a constant where this is inlined: the
 * verifier follows no offset that was read back from memory.
 */
static __always_inline enum parse_result ip4_parse(struct cnet_pkt* pkt, __u32 l2_len, void* data,
                                                   void* data_end) {
    struct iphdr* ip = data + l2_len;

    if ((void*)(ip + 1) > data_end || ip->version != 4 || ip->ihl < 5) return PARSE_SHORT;
    pkt->ip_len = bpf_ntohs(ip->tot_len);
    if (pkt->ip_len < ip->ihl * 4 || l2_len + pkt->ip_len > pkt->len) return PARSE_SHORT;
    pkt->l3_off = l2_len;
    pkt->l4_off = l2_len + ip->ihl * 4;
    pkt->tuple.l4_proto = ip->protocol;
    pkt->tuple.src.words_be[2] = CNET_V4_MAPPED;
    pkt->tuple.src.words_be[3] = ip->saddr;
    pkt->tuple.dst.words_be[2] = CNET_V4_MAPPED;
    pkt->tuple.dst.words_be[3] = ip->daddr;
    pkt->ttl = ip->ttl;
    pkt->tos = ip->tos;
    pkt->ip_check = ip->check;
    /* ICMPv6 in IPv4 is nothing, and must not pass for an echo of the other family. */
    if (ip->protocol == IPPROTO_ICMPV6) return PARSE_SHORT;
    if (!(ip->frag_off & bpf_htons(IP4_DONT_FRAGMENT))) pkt->flags |= PKT_MAY_SPLIT;
    if (ip->frag_off & bpf_htons(IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) {
        pkt->flags |= PKT_FRAGMENT;
        if (ip->frag_off & bpf_htons(IP4_OFFSET_MASK)) pkt->flags |= PKT_FRAGMENT_LATER;
    }
    return PARSE_OK;
}

/* 127/8, 0/8, multicast, reserved and broadcast never cross a router (RFC 1812 section 5.3.7). */
static __always_inline int ip4_is_routable(__be32 addr_be) {
    __u8 first = bpf_ntohl(addr_be) >> 24;

    return first != 0 && first != 127 && first < 224;
}

#endif
