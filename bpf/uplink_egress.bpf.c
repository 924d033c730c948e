// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc egress of an uplink. Two duties: a flow of the host that uses the very tuple of a live mapping
 * gets a port of its own, as netfilter would give it; and nothing that the kernel forwarded from a
 * network leaves with a private source address.
 */
#include "lib/uplink.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Forwarded by the kernel out of one of our networks, past our translation. */
static __always_inline int is_leak(struct __sk_buff* skb) {
    __u32 ifindex = skb->ingress_ifindex;

    return ifindex && bpf_map_lookup_elem(&cnet_port, &ifindex);
}

/* A host flow without translation: does a mapping own the tuple it uses? V_NEXT: then it gets a
 * port of its own. */
static __noinline int egress_collision(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    struct scratch* scratch = scratch_get();
    struct flow_new* flow;
    struct ct_hit hit;

    if (!scratch) return pass(pkt, CNET_R_NOT_OURS);
    flow = flow_prepare(scratch, CNET_CT_HOST_XLAT, 0, 0);
    flow_tuple_of(&flow->forward, pkt, CNET_ZONE_HOST);
    flow_tuple4(&flow->reply, CNET_ZONE_WORLD, pkt->l4_proto, pkt->dst4_be, pkt->src4_be,
                pkt->dst_port_be, pkt->src_port_be);
    if (!ct_lookup(&flow->reply, &hit)) return pass(pkt, CNET_R_NOT_OURS);
    flow_port_range(flow, pkt->src_port_be);
    return flow_start(skb, pkt, scratch);
}

static __always_inline enum cnet_verdict egress_send(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                     __u32 l2_len) {
    struct cnet_slot* slot;
    int verdict;

    pkt->len = skb->len;
    if (skb->ingress_ifindex && skb->tc_index == CNET_TRANSLATED)
        return pass(pkt, CNET_R_TRANSLATED);
    if (unlikely(is_leak(skb))) return drop(pkt, CNET_R_LEAK);
    verdict = uplink_parse(skb, pkt, l2_len);
    if (verdict != V_NEXT) return verdict;
    if (!(pkt->flags & PKT_HAS_TUPLE)) return pass(pkt, CNET_R_NOT_OURS);
    slot = slot_lookup(pkt->l4_proto, pkt->src_port_be);
    if (likely(!slot || !slot->nat_refs)) return pass(pkt, CNET_R_NOT_OURS);
    /* Its own tuple first: a port once translated stays so after the mapping it met has gone. */
    verdict = nat_forward(skb, pkt, CNET_ZONE_HOST);
    if (verdict != V_NEXT) return verdict;
    verdict = egress_collision(skb, pkt);
    if (verdict == V_NEXT) verdict = nat_forward(skb, pkt, CNET_ZONE_HOST);
    return verdict == V_NEXT ? drop(pkt, CNET_R_NO_FLOW) : verdict;
}

SEC("tc")
int cnet_uplink_egress(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_UPLINK_EGRESS};

    return tc_exit(&pkt, egress_send(skb, &pkt, ETH_HLEN));
}

SEC("tc")
int cnet_uplink_egr_l3(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_UPLINK_EGRESS};

    return tc_exit(&pkt, egress_send(skb, &pkt, 0));
}
