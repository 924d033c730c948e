/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DHCP that cnetd wants to hear of: what servers on trusted ports tell clients, and what a client
 * says from its leased address. A copy goes into a ring; the frame itself goes its way, and nothing
 * is believed here.
 */
#ifndef CNET_LIB_DHCP_H
#define CNET_LIB_DHCP_H

#include "ctx_tc.h"

#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68
#define DHCP_OFF (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr))
#define IP4_ANY_FRAGMENT 0x3fff /* more to come, or an offset */

/* Clients leave servers the half of the ring: a release that is lost costs nothing but time. */
static __always_inline int dhcp_ring_is_for(__u32 from_client) {
    return !from_client || bpf_ringbuf_query(&cnet_dhcp, BPF_RB_AVAIL_DATA) < CNET_DHCP_RING / 2;
}

VERIFIED_ONCE int dhcp_report(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                              __u32 from_client) {
    struct cnet_dhcp_seen* seen;
    __u32 len = skb->len;

    if (!pkt || len < DHCP_OFF + CNET_DHCP_MIN || !effects_allowed()) return 0;
    len -= DHCP_OFF;
    if (len > CNET_DHCP_MAX) len = CNET_DHCP_MAX;
    barrier_var(len);
    if (len < CNET_DHCP_MIN || len > CNET_DHCP_MAX) return 0;
    seen = dhcp_ring_is_for(from_client) ? bpf_ringbuf_reserve(&cnet_dhcp, sizeof(*seen), 0) : NULL;
    if (!seen) {
        count(pkt->hook, CNET_R_DHCP_UNSEEN, pkt->len);
        return 0;
    }
    seen->network_id = pkt->network_id;
    seen->ifindex = pkt->ifindex;
    seen->from_client = from_client;
    seen->len = len;
    if (bpf_skb_load_bytes(skb, DHCP_OFF, seen->payload, len))
        bpf_ringbuf_discard(seen, 0);
    else
        bpf_ringbuf_submit(seen, 0);
    return 0;
}

/* A whole UDP datagram between these ports, IP options aside? */
static __always_inline int dhcp_is(const struct cnet_pkt* pkt, struct iphdr* ip, void* data_end,
                                   __u16 from, __u16 to) {
    struct udphdr* udp = (void*)(ip + 1);

    return (void*)(udp + 1) <= data_end && ip->protocol == IPPROTO_UDP && ip->ihl == 5 &&
           udp->dest == bpf_htons(to) && udp->source == bpf_htons(from) &&
           !(ip->frag_off & bpf_htons(IP4_ANY_FRAGMENT)) && !(pkt->flags & PKT_VLAN);
}

/* On a port where a server may be. */
static __always_inline void dhcp_from_server(struct __sk_buff* skb, const struct cnet_pkt* pkt) {
    struct iphdr* ip = tc_data(skb) + ETH_HLEN;

    if (pkt->eth_proto == bpf_htons(ETH_P_IP) &&
        dhcp_is(pkt, ip, tc_data_end(skb), DHCP_SERVER_PORT, DHCP_CLIENT_PORT))
        dhcp_report(skb, pkt, 0);
}

#endif
