/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Ethernet header into struct cnet_pkt. Pure. */
#ifndef CNET_LIB_ETH_H
#define CNET_LIB_ETH_H

#include "ip4.h"
#include "ip6.h"

static __always_inline enum parse_result eth_parse(struct cnet_pkt* pkt, void* data,
                                                   void* data_end) {
    struct ethhdr* eth = data;

    if ((void*)(eth + 1) > data_end) return PARSE_SHORT;
    mac_copy(pkt->dst_mac, eth->h_dest);
    mac_copy(pkt->src_mac, eth->h_source);
    pkt->eth_proto = eth->h_proto;
    pkt->l3_off = sizeof(*eth);
    if (eth->h_proto == bpf_htons(ETH_P_8021Q) || eth->h_proto == bpf_htons(ETH_P_8021AD))
        pkt->flags |= PKT_VLAN;
    return PARSE_OK;
}

static __always_inline int mac_is_multicast(const __u8* mac) {
    return mac[0] & 1;
}

/* 01:80:c2:00:00:00 to 0f: never forwarded by a bridge (IEEE 802.1D table 7-10). */
static __always_inline int mac_is_link_local(const __u8* mac) {
    return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 && !mac[3] && !mac[4] &&
           mac[5] < 0x10;
}

#endif
