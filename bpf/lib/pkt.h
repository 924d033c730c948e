/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parsed packet: offsets and decoded fields, never pointers, so that it stays valid across
 * every helper that moves packet memory. Filled once by the parsers of eth.h, ip4.h, ip6.h and
 * l4.h; no stage derives an offset again.
 */
#ifndef CNET_LIB_PKT_H
#define CNET_LIB_PKT_H

#include "../../maps/abi.h"

enum cnet_verdict {
    V_NEXT = 0, /* this stage is not concerned: go on */
    V_PASS,     /* leave it to the kernel */
    V_DROP,
    V_REDIRECT, /* pkt->action holds what the redirect helper answered */
};

enum cnet_pkt_flag {
    PKT_IP6 = 1 << 0,            /* IPv6; without it, and once parsed, IPv4 */
    PKT_FRAGMENT = 1 << 1,       /* IP fragment, first or later */
    PKT_FRAGMENT_LATER = 1 << 2, /* not the first: no L4 header */
    PKT_ICMP_ERROR = 1 << 3,     /* quotes another packet */
    PKT_HAS_TUPLE = 1 << 4,      /* the ports of `tuple` are valid */
    PKT_VLAN = 1 << 5,           /* carries a tag, in the skb or in the frame */
    PKT_BEGINS_NOTHING = 1 << 6, /* no flow: an ICMP query's answer, TCP's RST, SCTP's ABORT */
    PKT_MAY_SPLIT = 1 << 7,      /* IPv4 without DF: a router fragments it where need be */
};

/* TCP flag bits as on the wire. */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* SCTP's chunks that tell what becomes of an association (RFC 9260 section 3.2). */
enum sctp_chunk_type {
    SCTP_INIT = 1,
    SCTP_INIT_ACK = 2,
    SCTP_ABORT = 6,
    SCTP_SHUTDOWN = 7,
    SCTP_SHUTDOWN_ACK = 8,
    SCTP_SHUTDOWN_COMPLETE = 14,
};

struct cnet_pkt {
    /* As it arrived, laid out as the key of its flow but for the zone. */
    struct cnet_ct_key tuple;
    __u32 len;    /* bytes with L2 header, as it arrived */
    __s32 action; /* of V_REDIRECT */
    __u16 reason; /* enum cnet_reason: set by whoever ends the packet's way */
    __u16 l3_off; /* = length of the L2 header: 14, or 0 on a device without one */
    __u16 l4_off;
    __be16 eth_proto;
    __u32 ip_len;    /* IP header and what follows it, bytes */
    __be16 ip_check; /* IPv4 header checksum, raw */
    __u8 hook;       /* enum cnet_hook */
    __u8 flags;      /* enum cnet_pkt_flag */
    __u8 ttl;        /* IPv6: hop limit */
    __u8 tos;        /* IPv6: traffic class */
    __u8 tcp_flags;
    __u8 icmp_type;
    __u8 l4_len;     /* TCP: header with options, bytes */
    __u8 events;     /* enum cnet_event_kind: what this packet began or ended */
    __u8 sctp_chunk; /* type of the first chunk; what is not SCTP has 0, which is DATA */
    __u8 pad[1];
    __u8 dst_mac[CNET_MAC_LEN];
    __u8 src_mac[CNET_MAC_LEN];

    /* Of the port it arrived on; zero on an uplink. */
    __u32 ifindex;
    __u32 network_id;
    __u32 port_flags;   /* enum cnet_port_flag */
    __u32 host_ifindex; /* outer end of the network's host port */
    __u32 peer_id;      /* the host that it came from, or that has its destination; 0: this one */
};

static __always_inline enum cnet_verdict drop(struct cnet_pkt* pkt, enum cnet_reason reason) {
    pkt->reason = reason;
    return V_DROP;
}

static __always_inline enum cnet_verdict pass(struct cnet_pkt* pkt, enum cnet_reason reason) {
    pkt->reason = reason;
    return V_PASS;
}

static __always_inline enum cnet_verdict redirected(struct cnet_pkt* pkt, long action,
                                                    enum cnet_reason reason) {
    pkt->action = action;
    pkt->reason = reason;
    return V_REDIRECT;
}

/*
 * MAC addresses as three halfwords: every one of ours lies at an even offset, while byte by byte
 * is what clang makes of memcpy and memcmp on __u8 (clang 14 even a call of memcmp).
 */
typedef __u16 __attribute__((may_alias)) mac_word;

static __always_inline void mac_copy(__u8* to, const __u8* from) {
    mac_word* t = (mac_word*)to;
    const mac_word* f = (const mac_word*)from;

    t[0] = f[0];
    t[1] = f[1];
    t[2] = f[2];
}

static __always_inline int mac_equal(const __u8* a, const __u8* b) {
    const mac_word* x = (const mac_word*)a;
    const mac_word* y = (const mac_word*)b;

    return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

#define CNET_V4_MAPPED bpf_htonl(0x0000ffff) /* words_be[2] of an IPv4 address */

static __always_inline union cnet_addr addr_from_v4(__be32 addr_be) {
    return (union cnet_addr){.words_be = {0, 0, CNET_V4_MAPPED, addr_be}};
}

static __always_inline int addr_is_v4(const union cnet_addr* a) {
    return a->words_be[2] == CNET_V4_MAPPED && !(a->words_be[0] | a->words_be[1]);
}

static __always_inline int addr_equal(const union cnet_addr* a, const union cnet_addr* b) {
    return a->words_be[0] == b->words_be[0] && a->words_be[1] == b->words_be[1] &&
           a->words_be[2] == b->words_be[2] && a->words_be[3] == b->words_be[3];
}

static __always_inline int addr_is_zero(const union cnet_addr* a) {
    return !(a->words_be[0] | a->words_be[1] | a->words_be[2] | a->words_be[3]);
}

#endif
