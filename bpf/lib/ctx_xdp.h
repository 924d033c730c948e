/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between struct xdp_md and struct cnet_pkt. Only what lies in the first buffer is read and nothing
 * is written, so a packet of several buffers is as good as any.
 */
#ifndef CNET_LIB_CTX_XDP_H
#define CNET_LIB_CTX_XDP_H

#include "compat.h"
#include "eth.h"
#include "metrics.h"

static __always_inline void* xdp_data(struct xdp_md* ctx) {
    return (void*)(long)ctx->data;
}

static __always_inline void* xdp_data_end(struct xdp_md* ctx) {
    return (void*)(long)ctx->data_end;
}

static __always_inline enum parse_result xdp_parse_ip(struct cnet_pkt* pkt, void* data,
                                                      void* data_end) {
    if (pkt->eth_proto == bpf_htons(ETH_P_IP)) return ip4_parse(pkt, ETH_HLEN, data, data_end);
    if (pkt->eth_proto != bpf_htons(ETH_P_IPV6) ||
        ip6_parse_fixed(pkt, ETH_HLEN, data, data_end) != PARSE_OK ||
        ip6_is_extension(pkt->tuple.l4_proto))
        return PARSE_SHORT;
    return PARSE_OK;
}

/* Of what cannot come out otherwise than tc's parsers have it: whole IP packets of a protocol with
 * ports, without a tag or an extension header. */
static __always_inline enum parse_result xdp_parse(struct xdp_md* ctx, struct cnet_pkt* pkt) {
    void *data = xdp_data(ctx), *data_end = xdp_data_end(ctx);

    pkt->len = bpf_xdp_get_buff_len(ctx);
    pkt->ifindex = ctx->ingress_ifindex;
    if (eth_parse(pkt, data, data_end) != PARSE_OK || xdp_parse_ip(pkt, data, data_end) != PARSE_OK)
        return PARSE_SHORT;
    if (pkt->flags & PKT_FRAGMENT || !proto_has_ports(pkt->tuple.l4_proto)) return PARSE_SHORT;
    return l4_parse(pkt, data, data_end);
}

/* What goes on is counted, and told, by the program that it goes on to. */
static __always_inline int xdp_exit(struct xdp_md* ctx, struct cnet_pkt* pkt, int verdict) {
    if (verdict != V_DROP) return XDP_PASS;
    count_exit(ctx, pkt, verdict);
    return XDP_DROP;
}

#endif
