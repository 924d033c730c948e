/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: only the host itself speaks through a host port, and what we sent that way (stranger.h). A
 * packet that the host's stack forwarded from elsewhere towards an endpoint has bypassed the
 * published ports ("direct routing") and is dropped, but for a routed network, whose endpoints
 * everybody may reach, or whose published ports, and one that is open to outside (guard.h).
 *
 * The source address decides, because on this side of the veth the device it came from is no longer
 * known.
 */
#ifndef CNET_LIB_HOST_SOURCE_H
#define CNET_LIB_HOST_SOURCE_H

#include "guard.h"
#include "host_addr.h"

/* What the host's stack has forwarded. */
static __always_inline enum cnet_verdict host_forwarded(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                        __u32 port_flags, int v6) {
    if (port_is_guarded(port_flags, v6)) {
        if (guard_lets_in(skb, pkt)) return V_NEXT;
    } else if (port_is_direct(port_flags, v6)) {
        return guard_unprotected(skb, pkt);
    }
    return drop(pkt, CNET_R_DIRECT_ROUTING);
}

static __always_inline enum cnet_verdict
host_source_check(struct __sk_buff* skb, struct cnet_pkt* pkt, const struct cnet_port* port) {
    void *data = tc_data(skb), *data_end = tc_data_end(skb);
    union cnet_addr source;

    if (unlikely(skb->tc_index == CNET_TRANSLATED)) {
        skb->tc_index = 0; /* a container that forwards the packet would forward the mark */
        return V_NEXT;
    }
    if (unlikely((port->flags & (CNET_PORT_ROUTED | CNET_PORT_GUARDED4)) == CNET_PORT_ROUTED))
        return V_NEXT;
    if (pkt->eth_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr* ip = data + ETH_HLEN;

        if ((void*)(ip + 1) > data_end) return drop(pkt, CNET_R_MALFORMED);
        if (likely(ip->saddr == port->gateway4_be)) return V_NEXT;
        source = addr_from_v4(ip->saddr);
    } else if (pkt->eth_proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr* ip6 = data + ETH_HLEN;

        if ((void*)(ip6 + 1) > data_end) return drop(pkt, CNET_R_MALFORMED);
        __builtin_memcpy(&source, &ip6->saddr, 16);
        /* fe80::/10 is never forwarded, and `::` only begins on this link (RFC 4291 section 2.5).
         */
        if (addr_equal(&source, &port->gateway6) || addr_is_zero(&source) ||
            addr6_is_link_local(&source))
            return V_NEXT;
    } else {
        return V_NEXT;
    }
    if (is_host_addr(&source)) return V_NEXT;
    return host_forwarded(skb, pkt, port->flags, pkt->eth_proto == bpf_htons(ETH_P_IPV6));
}

#endif
