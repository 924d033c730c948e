/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP, UDP, SCTP, ICMP and ICMPv6 headers into struct cnet_pkt (RFC 9293, 768, 9260, 792, 4443).
 * Pure: reads packet memory only. */
#ifndef CNET_LIB_L4_H
#define CNET_LIB_L4_H

#include <linux/tcp.h>
#include <linux/udp.h>

#include "compat.h"
#include "icmp_hdr.h"
#include "pkt.h"

enum parse_result { PARSE_OK = 0, PARSE_SHORT = -1 };

/* How far an L4 header may lie from the start of the packet: Ethernet, then an IPv4 header with all
 * options or an IPv6 header with as many extension headers as ip6_walk() goes through. */
#define L4_OFF_MAX (14 + 40 + 1024)

static __always_inline int proto_is_icmp(__u8 proto) {
    return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static __always_inline int proto_has_ports(__u8 proto) {
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

/* Protocols whose header we read: those with something by which NAT tells one flow from another. */
static __always_inline int l4_is_known(__u8 proto) {
    return proto_has_ports(proto) || proto_is_icmp(proto);
}

/*
 * Whose flows can be translated. Of what we don't know the addresses are: one flow for two
 * addresses and a protocol (GRE, ESP ...). DCCP and UDP-Lite would need their checksums mended.
 */
static __always_inline int l4_is_tracked(__u8 proto) {
    return proto != IPPROTO_DCCP && proto != IPPROTO_UDPLITE;
}

static __always_inline int icmp_is_error(__u8 proto, __u8 type) {
    if (proto == IPPROTO_ICMPV6) return type <= ICMP6_ERROR_MAX;
    return type == ICMP4_UNREACHABLE || type == ICMP4_SOURCE_QUENCH || type == ICMP4_REDIRECT ||
           type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER_PROBLEM;
}

/* What has an identifier, and its answer: the messages that netfilter tracks but for ICMPv6's node
 * information (RFC 4620), where other things stand in its place. */
static __always_inline int icmp_is_query(__u8 proto, __u8 type) {
    if (proto == IPPROTO_ICMPV6) return type == ICMP6_ECHO;
    return type == ICMP4_ECHO || type == ICMP4_TIMESTAMP || type == ICMP4_INFORMATION ||
           type == ICMP4_ADDRESS_MASK;
}

static __always_inline int icmp_is_query_reply(__u8 proto, __u8 type) {
    if (proto == IPPROTO_ICMPV6) return type == ICMP6_ECHO_REPLY;
    return type == ICMP4_ECHO_REPLY || type == ICMP4_TIMESTAMP_REPLY ||
           type == ICMP4_INFORMATION_REPLY || type == ICMP4_ADDRESS_MASK_REPLY;
}

/* The eight bytes of every L4 header that a tuple needs, read from the packet or from what an ICMP
 * error quotes. */
union l4_head {
    struct {
        __be16 src_port_be;
        __be16 dst_port_be;
    };
    struct icmp_hdr icmp;
    __u8 bytes[8];
};

/* RFC 9260 sections 3.1 and 3.2. A packet has one chunk at least; those that begin an association
 * are the first in theirs, and so is what ends it, unless something is acknowledged with it. */
struct sctp_head {
    __u8 common[12];
    __u8 chunk_type;
    __u8 chunk_flags;
    __be16 chunk_len_be;
};

/* False: the protocol, or ICMP message, belongs to no flow. */
static __always_inline int l4_tuple(__u8 proto, const union l4_head* head, __be16* src_port_be,
                                    __be16* dst_port_be) {
    *src_port_be = 0;
    *dst_port_be = 0;
    if (proto_has_ports(proto)) {
        *src_port_be = head->src_port_be;
        *dst_port_be = head->dst_port_be;
        return 1;
    }
    if (!proto_is_icmp(proto)) return l4_is_tracked(proto);
    if (icmp_is_query(proto, head->icmp.type))
        *src_port_be = head->icmp.id_be;
    else if (icmp_is_query_reply(proto, head->icmp.type))
        *dst_port_be = head->icmp.id_be;
    else
        return 0;
    return 1;
}

/*
 * Ports or a query's identifier, TCP flags, SCTP chunk, ICMP type. Needs ip4_parse() or ip6_parse()
 * first. A later fragment has none, and that is not an error; neither is a protocol without ports.
 */
static __always_inline enum parse_result l4_parse(struct cnet_pkt* pkt, void* data,
                                                  void* data_end) {
    __u8 proto = pkt->tuple.l4_proto;
    __u64 l4_off = pkt->l4_off;
    union l4_head* head;

    if (pkt->flags & PKT_FRAGMENT_LATER) return PARSE_OK;
    if (unlikely(!l4_is_known(proto))) {
        if (l4_is_tracked(proto)) pkt->flags |= PKT_HAS_TUPLE;
        return PARSE_OK;
    }
    /* One register for the comparison and the sum, or the bound is lost. */
    barrier_var(l4_off);
    if (l4_off > L4_OFF_MAX) return PARSE_SHORT;
    head = data + l4_off;
    if ((void*)(head + 1) > data_end) return PARSE_SHORT;
    if (l4_tuple(proto, head, &pkt->tuple.src_port_be, &pkt->tuple.dst_port_be))
        pkt->flags |= PKT_HAS_TUPLE;

    if (proto == IPPROTO_TCP) {
        struct tcphdr* tcp = (void*)head;

        if ((void*)(tcp + 1) > data_end) return PARSE_SHORT;
        pkt->tcp_flags = ((__u8*)tcp)[13];
        if (unlikely(pkt->tcp_flags & TCP_RST)) pkt->flags |= PKT_BEGINS_NOTHING;
        pkt->l4_len = tcp->doff * 4;
    } else if (unlikely(proto == IPPROTO_SCTP)) {
        struct sctp_head* sctp = (void*)head;

        if ((void*)(sctp + 1) > data_end) return PARSE_SHORT;
        pkt->sctp_chunk = sctp->chunk_type;
        if (pkt->sctp_chunk == SCTP_ABORT) pkt->flags |= PKT_BEGINS_NOTHING;
    } else if (proto_is_icmp(proto)) {
        pkt->icmp_type = head->icmp.type;
        if (icmp_is_error(proto, head->icmp.type)) pkt->flags |= PKT_ICMP_ERROR;
        if (icmp_is_query_reply(proto, head->icmp.type)) pkt->flags |= PKT_BEGINS_NOTHING;
    }
    return PARSE_OK;
}

#endif
