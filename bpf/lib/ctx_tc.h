/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between struct __sk_buff and struct cnet_pkt: parsing with a pull when headers are not linear,
 * and sending. */
#ifndef CNET_LIB_CTX_TC_H
#define CNET_LIB_CTX_TC_H

#include "compat.h"
#include "eth.h"
#include "metrics.h"

/*
 * Marks a packet as translated and let through, for our program on the device that it leaves by:
 * nobody but BPF (and dsmark, before Linux 6.3) sets or reads tc_index, and it survives
 * redirect_neigh and a veth pair. On an uplink ingress_ifindex must be set too, which no packet of
 * the host's own has.
 */
#define CNET_TRANSLATED 0xc4e7

static __always_inline void* tc_data(struct __sk_buff* skb) {
    return (void*)(long)skb->data;
}

static __always_inline void* tc_data_end(struct __sk_buff* skb) {
    return (void*)(long)skb->data_end;
}

/*
 * The first `bytes` become linear when they are not: after GRO, from a tap, or from somebody who
 * hopes that we cannot read them. No more than needed is asked for: a TCP segment of the host's own
 * stack has its headers linear and its payload in fragments, and pulling one byte of that would
 * copy the header of every segment.
 */
static __always_inline void tc_need(struct __sk_buff* skb, __u32 bytes) {
    __u32 linear = tc_data_end(skb) - tc_data(skb);

    if (likely(linear >= bytes || linear >= skb->len)) return;
    bpf_skb_pull_data(skb, bytes < skb->len ? bytes : skb->len);
}

static __always_inline enum parse_result tc_parse_l4(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    tc_need(skb, pkt->l4_off + (pkt->tuple.l4_proto == IPPROTO_TCP ? sizeof(struct tcphdr)
                                                                   : sizeof(union l4_head)));
    return l4_parse(pkt, tc_data(skb), tc_data_end(skb));
}

/* IPv4 and what follows it. `l2_len` must be a constant. */
static __always_inline enum parse_result tc_parse_ip4(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                      __u32 l2_len) {
    tc_need(skb, l2_len + sizeof(struct iphdr) + sizeof(union l4_head));
    if (ip4_parse(pkt, l2_len, tc_data(skb), tc_data_end(skb)) != PARSE_OK) return PARSE_SHORT;
    return tc_parse_l4(skb, pkt);
}

static __always_inline enum parse_result tc_parse_ip6(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                      __u32 l2_len) {
    tc_need(skb, l2_len + IP6_HLEN + sizeof(union l4_head));
    if (ip6_parse(skb, pkt, l2_len, tc_data(skb), tc_data_end(skb)) != PARSE_OK) return PARSE_SHORT;
    return tc_parse_l4(skb, pkt);
}

/*
 * To a port of a network. redirect_peer puts the packet straight into the endpoint's namespace;
 * kernels before May 2025 leave pkt_type as the host side's eth_type_trans() set it, OTHERHOST for
 * a switched frame, which the endpoint's IP layer would drop.
 */
static __always_inline long tc_send_to_port(struct __sk_buff* skb, __u32 ifindex,
                                            __u32 port_flags) {
    if (likely(port_flags & CNET_PORT_PEER)) {
        trace_send(ifindex, CNET_TRACE_SEND_PEER);
        if (!cnet_cfg.peer_scrubs && skb->pkt_type != CNET_PACKET_HOST)
            bpf_skb_change_type(skb, CNET_PACKET_HOST);
        return bpf_redirect_peer(ifindex, 0);
    }
    if (port_flags & CNET_PORT_HOST) {
        trace_send(ifindex, CNET_TRACE_SEND_HOST);
        return bpf_redirect(ifindex, BPF_F_INGRESS);
    }
    trace_send(ifindex, CNET_TRACE_SEND_OUT);
    return bpf_redirect(ifindex, 0);
}

/* Back out of the device it came from. */
static __always_inline long tc_send_back(struct __sk_buff* skb, const struct cnet_pkt* pkt) {
    if (pkt->port_flags & CNET_PORT_PEER) return tc_send_to_port(skb, pkt->ifindex, CNET_PORT_PEER);
    trace_send(skb->ifindex, CNET_TRACE_SEND_OUT);
    return bpf_redirect(skb->ifindex, 0);
}

/* To the host's own stack. Endpoint hook: the gateway's MAC is OTHERHOST on our veth, so it goes to
 * the host port. */
static __always_inline long tc_send_to_host(struct __sk_buff* skb, const struct cnet_pkt* pkt) {
    /* A container can set it too (dsmark, before Linux 6.3): the mark is ours alone to give. */
    skb->tc_index = 0;
    trace_send(pkt->host_ifindex, CNET_TRACE_SEND_HOST);
    return bpf_redirect(pkt->host_ifindex, BPF_F_INGRESS);
}

/* From a bridge's port the bridge brings it there. */
static __always_inline enum cnet_verdict punt_to_host(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    if (pkt->hook == CNET_HOOK_BRIDGE_PORT) return pass(pkt, CNET_R_TO_BRIDGE);
    return redirected(pkt, tc_send_to_host(skb, pkt), CNET_R_TO_HOST);
}

static __always_inline int tc_exit(struct __sk_buff* skb, struct cnet_pkt* pkt, int verdict) {
    count_exit(skb, pkt, verdict);
    if (verdict == V_REDIRECT) return pkt->action;
    return verdict == V_DROP ? TC_ACT_SHOT : CNET_TC_NEXT;
}

#endif
