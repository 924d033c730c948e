/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage: neighbour solicitations for addresses that the control plane knows are answered in place
 * (RFC 4861). */
#ifndef CNET_LIB_ND_H
#define CNET_LIB_ND_H

#include "csum.h"
#include "port.h"

#define ND_ROUTER 0x80
#define ND_SOLICITED 0x40
#define ND_OVERRIDE 0x20
#define ND_TARGET_LINK_ADDR 2
#define ND_HOP_LIMIT 255 /* nothing with less has been sent on this link, RFC 4861 section 7.1 */

struct nd_message {
    struct icmp_hdr icmp;
    union cnet_addr target;
} __attribute__((packed));

struct nd_reply {
    struct ethhdr eth;
    struct ipv6hdr ip6;
    struct nd_message advert;
    __u8 option_type;
    __u8 option_len; /* of 8 bytes */
    __u8 target_mac[CNET_MAC_LEN];
} __attribute__((packed));

#define ND_REPLY_L4_LEN (sizeof(struct nd_message) + 8)

/* Over the pseudo header and the message; the reply's checksum field must be zero. */
static __always_inline __be16 nd_checksum(struct nd_reply* reply) {
    __be32 pseudo[2] = {bpf_htonl(ND_REPLY_L4_LEN), bpf_htonl(IPPROTO_ICMPV6)};
    void* addresses = (void*)reply + sizeof(reply->eth) + __builtin_offsetof(struct ipv6hdr, saddr);
    void* message = (void*)reply + sizeof(reply->eth) + IP6_HLEN;
    __s64 sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(pseudo), 0);

    sum = bpf_csum_diff(NULL, 0, addresses, 32, sum);
    sum = bpf_csum_diff(NULL, 0, message, ND_REPLY_L4_LEN, sum);
    return ~csum_fold((__u32)sum);
}

/*
 * To a solicitor that has no address yet (duplicate address detection) the answer goes to all nodes
 * and is not a solicited one, section 7.2.4.
 */
VERIFIED_ONCE int nd_advertise(struct __sk_buff* skb, struct cnet_pkt* pkt,
                               const struct cnet_neigh_entry* neigh,
                               const union cnet_addr* target) {
    struct nd_reply reply = {.option_type = ND_TARGET_LINK_ADDR, .option_len = 1};
    union cnet_addr to;
    int probe;

    if (!pkt) return V_DROP;
    if (!neigh || !target || bpf_skb_load_bytes(skb, ETH_HLEN + 8, &to, sizeof(to)))
        return drop(pkt, CNET_R_MALFORMED);
    probe = addr_is_zero(&to);
    if (probe) to = (union cnet_addr){.words_be = {bpf_htonl(0xff020000), 0, 0, bpf_htonl(1)}};
    mac_copy(reply.eth.h_dest, pkt->src_mac);
    mac_copy(reply.eth.h_source, neigh->mac);
    reply.eth.h_proto = bpf_htons(ETH_P_IPV6);
    reply.ip6.version = 6;
    reply.ip6.payload_len = bpf_htons(ND_REPLY_L4_LEN);
    reply.ip6.nexthdr = IPPROTO_ICMPV6;
    reply.ip6.hop_limit = ND_HOP_LIMIT;
    __builtin_memcpy(&reply.ip6.saddr, target, 16);
    __builtin_memcpy(&reply.ip6.daddr, &to, 16);
    reply.advert.icmp.type = ICMP6_NEIGHBOUR_ADVERT;
    reply.advert.icmp.mtu6_be =
        bpf_htonl((__u32)((neigh->port_flags & CNET_PORT_HOST ? ND_ROUTER : 0) |
                          (probe ? 0 : ND_SOLICITED) | ND_OVERRIDE)
                  << 24);
    reply.advert.target = *target;
    mac_copy(reply.target_mac, neigh->mac);
    reply.advert.icmp.checksum = nd_checksum(&reply);
    if (bpf_skb_change_tail(skb, sizeof(reply), 0) ||
        bpf_skb_store_bytes(skb, 0, &reply, sizeof(reply), 0))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_back(skb, pkt), CNET_R_ND_REPLY);
}

static __always_inline enum cnet_verdict nd_answer(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    void *data = tc_data(skb), *data_end = tc_data_end(skb);
    struct ipv6hdr* ip6 = data + ETH_HLEN;
    struct nd_message* solicit = (void*)(ip6 + 1);
    struct cnet_neigh_entry* neigh;
    union cnet_addr target;

    if (likely(pkt->eth_proto != bpf_htons(ETH_P_IPV6)) || pkt->flags & PKT_VLAN) return V_NEXT;
    if ((void*)(solicit + 1) > data_end || ip6->nexthdr != IPPROTO_ICMPV6 ||
        solicit->icmp.type != ICMP6_NEIGHBOUR_SOLICIT || solicit->icmp.code ||
        ip6->hop_limit != ND_HOP_LIMIT)
        return V_NEXT;
    __builtin_memcpy(&target, &solicit->target, 16);
    if (addr_is_v4(&target)) return drop(pkt, CNET_R_MALFORMED);
    neigh = neigh_lookup(pkt->network_id, &target);
    /* Its own address: it looks for a duplicate, or announces itself. Answering would look like a
     * conflict. */
    if (!neigh || neigh->ifindex == pkt->ifindex) return V_NEXT;
    /* The host asking for the gateway's address is asking for its own. */
    if (neigh->port_flags & CNET_PORT_HOST && pkt->port_flags & CNET_PORT_HOST) return V_NEXT;
    if (unlikely(neigh->peer_id) && pkt->port_flags & CNET_PORT_HOST)
        return drop(pkt, CNET_R_GATEWAY_LOCAL);
    if (unlikely(asker_is_unstated(pkt))) return ask_owner(skb, pkt, neigh);
    return nd_advertise(skb, pkt, neigh, &target);
}

#endif
