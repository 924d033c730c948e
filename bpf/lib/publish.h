/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages: new connections to published ports, from the world (DNAT) and from endpoints of this host
 * (hairpin). V_NEXT from any of them: the flow is prepared, and nat_begin() is next.
 */
#ifndef CNET_LIB_PUBLISH_H
#define CNET_LIB_PUBLISH_H

#include "flow.h"
#include "icmp_reply.h"
#include "new_limit.h"

/* The replies' tuple: the endpoint's side of the published port towards `client`. */
static __always_inline void publish_reply_tuple(struct flow_new* flow, const struct cnet_pkt* pkt,
                                                const struct cnet_binding* binding,
                                                const union cnet_addr* client) {
    __u16 offset = bpf_ntohs(pkt->tuple.dst_port_be) - binding->host_port;

    flow_tuple(&flow->reply, binding->network_id, pkt->tuple.l4_proto,
               binding_target(binding, &pkt->tuple.src), client,
               bpf_htons(binding->target_port + offset), pkt->tuple.src_port_be);
}

/* From an uplink. The client keeps its address; its port too, unless that tuple is taken at the
 * endpoint. */
static __always_inline enum cnet_verdict publish_from_world(struct cnet_pkt* pkt,
                                                            struct cnet_binding* binding) {
    struct scratch* scratch = scratch_get();
    struct flow_new* flow;

    if (!allow_list_permits(binding, &pkt->tuple.src)) return drop(pkt, CNET_R_NOT_ALLOWED);
    if (unlikely(!new_limit_takes(binding))) return drop(pkt, CNET_R_NEW_LIMIT);
    if (!scratch) return drop(pkt, CNET_R_CT_FULL);
    flow = flow_prepare(scratch, CNET_CT_DNAT, binding->network_id, binding->id);
    flow_tuple_of(&flow->forward, pkt, CNET_ZONE_WORLD);
    publish_reply_tuple(flow, pkt, binding, &pkt->tuple.src);
    flow_port_range(flow, pkt->tuple.src_port_be);
    return V_NEXT;
}

/*
 * From an endpoint. The client keeps its address, but for one that dials itself: its own address
 * would not do as a source, so the gateway's stands in. The answer to a sibling is addressed to
 * that sibling, past the gateway; hairpin.h looks out for it.
 */
static __always_inline enum cnet_verdict publish_from_endpoint(struct cnet_pkt* pkt,
                                                               const struct cnet_binding* binding) {
    int to_itself = addr_equal(binding_target(binding, &pkt->tuple.src), &pkt->tuple.src);
    int same_network = binding->network_id == pkt->network_id;
    struct scratch* scratch = scratch_get();
    union cnet_addr client = pkt->tuple.src;
    struct flow_new* flow;

    if (!allow_list_permits(binding, &pkt->tuple.src)) return drop(pkt, CNET_R_NOT_ALLOWED);
    if (!scratch) return drop(pkt, CNET_R_CT_FULL);
    if (same_network && to_itself) router_address(pkt, &client);
    flow = flow_prepare(scratch, CNET_CT_HAIRPIN, binding->network_id, binding->id);
    flow_tuple_of(&flow->forward, pkt, pkt->network_id);
    publish_reply_tuple(flow, pkt, binding, &client);
    flow_port_range(flow, pkt->tuple.src_port_be);
    if (!same_network) return V_NEXT;
    if (!to_itself) flow->reverse_flags = CNET_CT_SWITCHED;
    flow_port_hairpin(flow);
    return V_NEXT;
}

#endif
