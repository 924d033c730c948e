/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage: ARP requests for addresses that the control plane knows are answered in place (RFC 826).
 */
#ifndef CNET_LIB_ARP_H
#define CNET_LIB_ARP_H

#include "port.h"

struct arp_frame {
    struct ethhdr eth;
    struct arp_ip4 arp;
} __attribute__((packed));

/* Turns the request into the reply of whoever has `neigh`. */
VERIFIED_ONCE int arp_reply(struct __sk_buff* skb, struct cnet_pkt* pkt,
                            const struct cnet_neigh_entry* neigh) {
    struct arp_frame frame;
    __u8 target_ip[4];

    if (!pkt) return V_DROP;
    if (!neigh || bpf_skb_load_bytes(skb, 0, &frame, sizeof(frame)))
        return drop(pkt, CNET_R_MALFORMED);
    __builtin_memcpy(target_ip, frame.arp.target_ip, 4);
    mac_copy(frame.eth.h_dest, pkt->src_mac);
    mac_copy(frame.eth.h_source, neigh->mac);
    frame.arp.operation_be = bpf_htons(ARP_REPLY);
    mac_copy(frame.arp.target_mac, frame.arp.sender_mac);
    __builtin_memcpy(frame.arp.target_ip, frame.arp.sender_ip, 4);
    mac_copy(frame.arp.sender_mac, neigh->mac);
    __builtin_memcpy(frame.arp.sender_ip, target_ip, 4);
    if (bpf_skb_store_bytes(skb, 0, &frame, sizeof(frame), 0))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_back(skb, pkt), CNET_R_ARP_REPLY);
}

static __always_inline enum cnet_verdict arp_answer(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    void *data = tc_data(skb), *data_end = tc_data_end(skb);
    struct arp_ip4* arp = data + ETH_HLEN;
    struct cnet_neigh_entry* neigh;
    union cnet_addr target;
    __be32 target_be;

    if (likely(pkt->eth_proto != bpf_htons(ETH_P_ARP)) || pkt->flags & PKT_VLAN) return V_NEXT;
    if ((void*)(arp + 1) > data_end) return drop(pkt, CNET_R_MALFORMED);
    if (arp->operation_be != bpf_htons(ARP_REQUEST) ||
        arp->hardware_be != bpf_htons(ARP_HARDWARE_ETHER) ||
        arp->protocol_be != bpf_htons(ETH_P_IP) || arp->hardware_len != CNET_MAC_LEN ||
        arp->protocol_len != 4)
        return V_NEXT;
    __builtin_memcpy(&target_be, arp->target_ip, 4);
    target = addr_from_v4(target_be);
    neigh = neigh_lookup(pkt->network_id, &target);
    /* Its own address: a probe or an announcement (RFC 5227). Answering would look like a conflict.
     */
    if (!neigh || neigh->ifindex == pkt->ifindex) return V_NEXT;
    /* The host asking for the gateway's address is asking for its own. */
    if (neigh->port_flags & CNET_PORT_HOST && pkt->port_flags & CNET_PORT_HOST) return V_NEXT;
    if (unlikely(neigh->peer_id) && pkt->port_flags & CNET_PORT_HOST)
        return drop(pkt, CNET_R_GATEWAY_LOCAL);
    if (unlikely(asker_is_unstated(pkt))) return ask_owner(skb, pkt, neigh);
    return arp_reply(skb, pkt, neigh);
}

#endif
