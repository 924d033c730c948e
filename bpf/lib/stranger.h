/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Delivery to addresses of a network that the control plane never heard of: hosts behind an
 * attached device, and what endpoints give themselves where spoofing is allowed. The kernel's
 * neighbour table finds them: the packet leaves by the host port as one of the host's own would,
 * with the mark that lets it pass there. docs/adr/0008 says why not a table of ours.
 */
#ifndef CNET_LIB_STRANGER_H
#define CNET_LIB_STRANGER_H

#include "ctx_tc.h"

/* The network, when it may have such addresses at all. */
static __always_inline struct cnet_network* network_open(__u32 network_id) {
    struct cnet_network* network = bpf_map_lookup_elem(&cnet_network, &network_id);

    return network && network->flags & CNET_NETWORK_OPEN ? network : NULL;
}

/* By the host's routing table out of the host port: a router behind the device may be the way. */
static __always_inline enum cnet_verdict stranger_send(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                       __u32 host_ifindex,
                                                       enum cnet_reason reason) {
    /* redirect_neigh replaces a link-layer header, and there must be one. */
    if (unlikely(!pkt->l3_off) && bpf_skb_change_head(skb, ETH_HLEN, 0))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    skb->tc_index = CNET_TRANSLATED;
    trace_send(host_ifindex, CNET_TRACE_SEND_NEIGH);
    return redirected(pkt, bpf_redirect_neigh(host_ifindex, NULL, 0, 0), reason);
}

#endif
