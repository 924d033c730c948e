/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv4, TCP, UDP and ICMP headers into struct cnet_pkt (RFC 791, 9293, 768, 792). Pure: reads
 * packet memory only. */
#ifndef CNET_LIB_IP4_H
#define CNET_LIB_IP4_H

#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "icmp_hdr.h"
#include "pkt.h"

#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK 0x1fff

enum parse_result { PARSE_OK = 0, PARSE_SHORT = -1 };

static __always_inline int icmp4_is_error(__u8 type) {
    return type == ICMP4_UNREACHABLE || type == ICMP4_SOURCE_QUENCH || type == ICMP4_REDIRECT ||
           type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER_PROBLEM;
}

/*
 * The addresses and the header's own fields. `l2_len` must be a constant where this is inlined: the
 * verifier follows no offset that was read back from memory.
 */
static __always_inline enum parse_result ip4_parse(struct cnet_pkt* pkt, __u32 l2_len, void* data,
                                                   void* data_end) {
    struct iphdr* ip = data + l2_len;

    if ((void*)(ip + 1) > data_end || ip->version != 4 || ip->ihl < 5) return PARSE_SHORT;
    pkt->ip_len = bpf_ntohs(ip->tot_len);
    if (pkt->ip_len < ip->ihl * 4) return PARSE_SHORT;
    pkt->l3_off = l2_len;
    pkt->l4_off = l2_len + ip->ihl * 4;
    pkt->l4_proto = ip->protocol;
    pkt->src4_be = ip->saddr;
    pkt->dst4_be = ip->daddr;
    pkt->ttl = ip->ttl;
    pkt->tos = ip->tos;
    pkt->ip_check = ip->check;
    if (ip->frag_off & bpf_htons(IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) {
        pkt->flags |= PKT_FRAGMENT;
        if (ip->frag_off & bpf_htons(IP4_OFFSET_MASK)) pkt->flags |= PKT_FRAGMENT_LATER;
    }
    return PARSE_OK;
}

/* The eight bytes of every L4 header that a tuple needs, read from the packet or from what an ICMP
 * error quotes. */
union l4_head {
    struct {
        __be16 src_port_be;
        __be16 dst_port_be;
    };
    struct {
        __u8 icmp_type;
        __u8 icmp_code;
        __be16 icmp_check;
        __be16 icmp_id_be;
        __be16 icmp_seq_be;
    };
    __u8 bytes[8];
};

/* False: the protocol (or ICMP message) has nothing that NAT could tell flows apart by. */
static __always_inline int l4_tuple(__u8 proto, const union l4_head* head, __be16* src_port_be,
                                    __be16* dst_port_be) {
    *src_port_be = 0;
    *dst_port_be = 0;
    if (proto == IPPROTO_TCP || proto == IPPROTO_UDP) {
        *src_port_be = head->src_port_be;
        *dst_port_be = head->dst_port_be;
        return 1;
    }
    if (proto != IPPROTO_ICMP) return 0;
    if (head->icmp_type == ICMP4_ECHO)
        *src_port_be = head->icmp_id_be;
    else if (head->icmp_type == ICMP4_ECHO_REPLY)
        *dst_port_be = head->icmp_id_be;
    else
        return 0;
    return 1;
}

/*
 * Ports or echo identifier, TCP flags, ICMP type. Needs ip4_parse() first. A later fragment has
 * none, and that is not an error; neither is a protocol without ports.
 */
static __always_inline enum parse_result l4_parse(struct cnet_pkt* pkt, void* data,
                                                  void* data_end) {
    __u64 l4_off = pkt->l4_off;
    union l4_head* head;

    if (pkt->flags & PKT_FRAGMENT_LATER) return PARSE_OK;
    if (pkt->l4_proto != IPPROTO_TCP && pkt->l4_proto != IPPROTO_UDP &&
        pkt->l4_proto != IPPROTO_ICMP)
        return PARSE_OK;
    if (l4_off > 14 + 60) return PARSE_SHORT;
    head = data + l4_off;
    if ((void*)(head + 1) > data_end) return PARSE_SHORT;
    if (l4_tuple(pkt->l4_proto, head, &pkt->src_port_be, &pkt->dst_port_be))
        pkt->flags |= PKT_HAS_TUPLE;

    if (pkt->l4_proto == IPPROTO_TCP) {
        struct tcphdr* tcp = (void*)head;

        if ((void*)(tcp + 1) > data_end) return PARSE_SHORT;
        pkt->tcp_flags = ((__u8*)tcp)[13];
        pkt->l4_len = tcp->doff * 4;
    } else if (pkt->l4_proto == IPPROTO_ICMP) {
        pkt->icmp_type = head->icmp_type;
        if (icmp4_is_error(head->icmp_type)) pkt->flags |= PKT_ICMP_ERROR;
        if (head->icmp_type == ICMP4_ECHO_REPLY) pkt->flags |= PKT_ECHO_REPLY;
    }
    return PARSE_OK;
}

/* 127/8, 0/8, multicast, reserved and broadcast never cross a router (RFC 1812 section 5.3.7). */
static __always_inline int ip4_is_routable(__be32 addr_be) {
    __u8 first = bpf_ntohl(addr_be) >> 24;

    return first != 0 && first != 127 && first < 224;
}

#endif
