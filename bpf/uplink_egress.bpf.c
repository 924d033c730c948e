// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc egress of an uplink. Two duties: a flow of the host that uses the very tuple of a live mapping
 * gets a port of its own, as netfilter would give it; and what the kernel forwarded from a network
 * is translated, or does not leave.
 */
#include "lib/masquerade.h"
#include "lib/uplink.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Forwarded by the kernel out of one of our networks, because it had to be fragmented: of a known
 * flow, or it stays here.
 */
VERIFIED_ONCE int egress_forwarded(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 network_id) {
    int verdict = V_NEXT;

    if (!pkt) return V_DROP;
    if (pkt->flags & PKT_FRAGMENT) verdict = frag_track(skb, pkt, network_id);
    if (verdict == V_NEXT && pkt->flags & PKT_HAS_TUPLE)
        verdict = nat_forward(skb, pkt, network_id, 0);
    return verdict == V_NEXT ? drop(pkt, CNET_R_LEAK) : verdict;
}

/* The endpoint's flow `hit` ends, for the host to have its tuple: claimed like the collector does.
 */
static __always_inline void egress_evict(const struct cnet_ct_key* reply, struct ct_hit* hit) {
    struct cnet_ct_key forward = hit->entry->other, key = *reply;
    __u64 seen_ns = READ_ONCE(hit->owner->last_seen_ns);

    if (!effects_allowed() || !hit->is_reply || seen_ns == CNET_CLAIMED) return;
    if (__sync_val_compare_and_swap(&hit->owner->last_seen_ns, seen_ns, CNET_CLAIMED) != seen_ns)
        return;
    if (!bpf_map_delete_elem(&cnet_ct, &key)) slot_hold(&key, 0, -1);
    if (!bpf_map_delete_elem(&cnet_ct, &forward)) slot_hold(&forward, 0, -1);
}

/*
 * A host flow without translation: does a mapping own the tuple it uses? V_NEXT: then it gets a
 * port of its own. A protocol without ports has none to give (GRE, ESP ...): nobody can see that
 * the host speaks it before it does, so it takes the tuple from the endpoint that began first, and
 * its flow, in which nothing is translated, keeps it.
 */
VERIFIED_ONCE int egress_collision(struct cnet_pkt* pkt) {
    struct scratch* scratch = scratch_get();
    struct flow_new* flow;
    struct ct_hit hit;

    if (!pkt) return V_DROP;
    if (!scratch) return pass(pkt, CNET_R_NOT_OURS);
    flow = flow_prepare(scratch, CNET_CT_HOST_XLAT, 0, 0);
    flow_tuple_of(&flow->forward, pkt, CNET_ZONE_HOST);
    flow_tuple(&flow->reply, CNET_ZONE_WORLD, pkt->tuple.l4_proto, &pkt->tuple.dst, &pkt->tuple.src,
               pkt->tuple.dst_port_be, pkt->tuple.src_port_be);
    if (!ct_lookup(&flow->reply, &hit)) return pass(pkt, CNET_R_NOT_OURS);
    flow_port_range(flow, pkt->tuple.src_port_be);
    if (!l4_is_known(pkt->tuple.l4_proto)) {
        flow->keep_port = 1;
        egress_evict(&flow->reply, &hit);
    }
    return V_NEXT;
}

/* Has the kernel translated it already? By itself, since the stack below egress_adopted() is full.
 */
VERIFIED_ONCE int egress_is_hosts(const struct cnet_pkt* pkt) {
    return pkt && is_host_addr(&pkt->tuple.src);
}

/* A flow for what the kernel forwards of an adopted bridge's, out of this uplink. By itself too. */
VERIFIED_ONCE int egress_masquerade(struct cnet_pkt* pkt, __u32 bridge_ifindex, __u32 ifindex) {
    struct cnet_port* bridge = bpf_map_lookup_elem(&cnet_port, &bridge_ifindex);
    struct cnet_uplink* uplink = bpf_map_lookup_elem(&cnet_uplinks, &ifindex);
    struct scratch* scratch = scratch_get();
    union cnet_addr source = {};
    struct flow_new* flow;
    int keeps;

    if (!pkt) return V_DROP;
    if (!bridge) return drop(pkt, CNET_R_LEAK);
    keeps = !port_masquerades(bridge->flags, pkt->flags & PKT_IP6);
    if (!(pkt->flags & PKT_HAS_TUPLE) || !ct_may_begin(pkt))
        return keeps ? pass(pkt, CNET_R_NOT_OURS) : drop(pkt, CNET_R_LEAK);
    if (!scratch || !uplink ||
        !masquerade_source(pkt, bridge_ifindex, uplink, &pkt->tuple.dst, &source))
        return drop(pkt, CNET_R_NO_UPLINK_ADDR);
    flow = flow_prepare(scratch, CNET_CT_SNAT, bridge->network_id, 0);
    flow_tuple_of(&flow->forward, pkt, bridge->network_id);
    flow_tuple(&flow->reply, CNET_ZONE_WORLD, pkt->tuple.l4_proto, &pkt->tuple.dst, &source,
               pkt->tuple.dst_port_be, pkt->tuple.src_port_be);
    flow->keep_port = keeps || !l4_is_known(pkt->tuple.l4_proto);
    flow_port_range(flow, pkt->tuple.src_port_be);
    return V_NEXT;
}

/*
 * Forwarded by the kernel out of an adopted bridge that we do NAT for. V_NEXT: the kernel has
 * translated it itself, a connection from before the bridge was adopted: it is the host's own; or
 * it is no answer from a published port, and the bridge's maker masquerades.
 */
VERIFIED_ONCE int egress_adopted(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 network_id,
                                 __u32 port_flags) {
    int verdict = V_NEXT;

    if (!pkt) return V_DROP;
    if (egress_is_hosts(pkt)) return V_NEXT;
    if (pkt->flags & PKT_FRAGMENT) verdict = frag_track(skb, pkt, network_id);
    if (verdict == V_NEXT && pkt->flags & PKT_HAS_TUPLE)
        verdict = nat_forward(skb, pkt, network_id, 0);
    else if (verdict == V_NEXT && pkt->flags & PKT_ICMP_ERROR)
        verdict = icmp_error_nat(skb, pkt, network_id, 0);
    if (verdict != V_NEXT || !(port_flags & CNET_PORT_MASQUERADE)) return verdict;
    return nat_begin(skb, pkt, network_id,
                     egress_masquerade(pkt, skb->ingress_ifindex, skb->ifindex));
}

static __always_inline enum cnet_verdict egress_send(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                     __u32 l2_len) {
    __u32 from_ifindex = skb->ingress_ifindex;
    struct cnet_port* from = NULL;
    struct cnet_slot* slot;
    int verdict;

    pkt->len = skb->len;
    if (from_ifindex && skb->tc_index == CNET_TRANSLATED) return pass(pkt, CNET_R_TRANSLATED);
    if (unlikely(from_ifindex)) from = bpf_map_lookup_elem(&cnet_port, &from_ifindex);
    verdict = uplink_parse(skb, pkt, l2_len);
    if (unlikely(from && !(from->flags & CNET_PORT_BRIDGED)))
        return verdict == V_NEXT ? egress_forwarded(skb, pkt, from->network_id)
                                 : drop(pkt, CNET_R_LEAK);
    if (verdict == V_NEXT &&
        unlikely(from && from->flags & (CNET_PORT_MASQUERADE | CNET_PORT_PUBLISHED)))
        verdict = egress_adopted(skb, pkt, from->network_id, from->flags);
    if (verdict != V_NEXT) return verdict;
    if (unlikely(pkt->flags & PKT_FRAGMENT)) return pass(pkt, CNET_R_UPLINK_FRAGMENT);
    if (!(pkt->flags & PKT_HAS_TUPLE)) return pass(pkt, CNET_R_NOT_OURS);
    slot = slot_lookup(pkt->tuple.l4_proto, pkt->tuple.src_port_be);
    if (likely(!slot || !slot->nat_refs)) return pass(pkt, CNET_R_NOT_OURS);
    /* Its own tuple first: a port once translated stays so after the mapping it met has gone. */
    verdict = nat_forward(skb, pkt, CNET_ZONE_HOST, 0);
    if (verdict != V_NEXT) return verdict;
    return nat_begin(skb, pkt, CNET_ZONE_HOST, egress_collision(pkt));
}

SEC("tc")
int cnet_uplink_egress(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_UPLINK_EGRESS};

    return tc_exit(skb, &pkt, egress_send(skb, &pkt, ETH_HLEN));
}

SEC("tc")
int cnet_uplink_egr_l3(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_UPLINK_EGRESS};

    return tc_exit(skb, &pkt, egress_send(skb, &pkt, 0));
}
