/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stands around a frame on its way to another host (RFC 7348). Pure. */
#ifndef CNET_LIB_VXLAN_HDR_H
#define CNET_LIB_VXLAN_HDR_H

#include "csum.h"
#include "ip4.h"
#include "ip6.h"

/* The I flag alone: the others belong to extensions, which nobody asked for. */
#define VXLAN_FLAGS 0x08000000
#define VXLAN_TTL 64

#define ECN_MASK 0x03
#define ECN_ECT1 0x01
#define ECN_ECT0 0x02
#define ECN_CE 0x03

struct vxlan_hdr {
    __be32 flags_be;
    __be32 vni_be; /* in the upper 24 bits */
};

/* From the outer UDP header on. */
struct vxlan_inside {
    struct udphdr udp;
    struct vxlan_hdr vxlan;
    struct ethhdr eth;
} __attribute__((packed));

/* All that goes in between the outer Ethernet header and the inner packet. */
struct vxlan4_head {
    struct iphdr ip;
    struct vxlan_inside inside;
} __attribute__((packed));

struct vxlan6_head {
    struct ipv6hdr ip6;
    struct vxlan_inside inside;
} __attribute__((packed));

/* The source port from the inner flow's hash, as the kernel's own device computes it
 * (udp_flow_src_port): a flow has one, whichever of the two ways it takes. */
static __always_inline __be16 vxlan_source_port(__u32 hash) {
    __u64 span = CNET_VXLAN_PORT_MAX - CNET_VXLAN_PORT_MIN;

    hash ^= hash << 16;
    return bpf_htons((__u16)((hash * span >> 32) + CNET_VXLAN_PORT_MIN));
}

/* 20 bytes whose checksum field is 0. */
static __always_inline __be16 ip4_checksum(const struct iphdr* ip) {
    const __u16 __attribute__((may_alias))* words = (const void*)ip;
    __u64 sum = 0;

    for (int i = 0; i < 10; i++)
        sum += words[i];
    return ~csum_fold(sum);
}

/*
 * Don't fragment, hence no identification (RFC 6864): what does not fit the route is not sent this
 * way, and what does not fit the path is told by ICMP, which the kernel's routing remembers.
 */
static __always_inline void vxlan4_outer(struct vxlan4_head* head, const union cnet_addr* src,
                                         const union cnet_addr* dst, __u32 ip_len, __u8 ecn) {
    head->ip = (struct iphdr){
        .version = 4,
        .ihl = 5,
        .tos = ecn,
        .tot_len = bpf_htons(ip_len),
        .frag_off = bpf_htons(IP4_DONT_FRAGMENT),
        .ttl = VXLAN_TTL,
        .protocol = IPPROTO_UDP,
        .saddr = src->words_be[3],
        .daddr = dst->words_be[3],
    };
    head->ip.check = ip4_checksum(&head->ip);
}

static __always_inline void vxlan6_outer(struct vxlan6_head* head, const union cnet_addr* src,
                                         const union cnet_addr* dst, __u32 payload_len, __u8 ecn) {
    __builtin_memset(&head->ip6, 0, sizeof(head->ip6));
    head->ip6.version = 6;
    head->ip6.flow_lbl[0] = ecn << 4; /* the traffic class is in both */
    head->ip6.payload_len = bpf_htons(payload_len);
    head->ip6.nexthdr = IPPROTO_UDP;
    head->ip6.hop_limit = VXLAN_TTL;
    __builtin_memcpy(&head->ip6.saddr, src, 16);
    __builtin_memcpy(&head->ip6.daddr, dst, 16);
}

/* Without a checksum, also over IPv6 (RFC 6935): what is inside has its own. */
static __always_inline void vxlan_udp(struct udphdr* udp, __be16 src_port_be, __be16 dst_port_be,
                                      __u32 udp_len) {
    *udp = (struct udphdr){
        .source = src_port_be, .dest = dst_port_be, .len = bpf_htons(udp_len), .check = 0};
}

static __always_inline void vxlan_fill(struct vxlan_hdr* vxlan, __u32 vni) {
    vxlan->flags_be = bpf_htonl(VXLAN_FLAGS);
    vxlan->vni_be = bpf_htonl(vni << 8);
}

/* False: not a plain VXLAN header. */
static __always_inline int vxlan_read(const struct vxlan_hdr* vxlan, __u32* vni) {
    *vni = bpf_ntohl(vxlan->vni_be) >> 8;
    return vxlan->flags_be == bpf_htonl(VXLAN_FLAGS) && !(vxlan->vni_be & bpf_htonl(0xff));
}

/* The traffic class of the IP packet that begins at `ip`, of 2 readable bytes. */
static __always_inline __u8 ip_traffic_class(const __u8* ip) {
    return ip[0] >> 4 == 4 ? ip[1] : (__u8)(ip[0] << 4 | ip[1] >> 4);
}

#endif
