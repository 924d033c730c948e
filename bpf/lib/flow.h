/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Beginning a flow: a free port for its translated tuple, then both entries.
 *
 * The port that may vary is the replies' destination, `reply.dst_port_be` (for echo the
 * identifier). It keeps the initiator's own when it can; else random ones of netfilter's three
 * ranges are tried (RFC 4787 REQ-3, RFC 6056).
 */
#ifndef CNET_LIB_FLOW_H
#define CNET_LIB_FLOW_H

#include "conntrack.h"
#include "scratch.h"
#include "slot.h"

/* Beyond 25 tries the chance hardly grows (cilium/cilium#37389). */
#define FLOW_PORT_TRIES 32
/* Source ports of hairpin flows stay above the default ip_local_port_range while there are any, so
 * that they meet no connection that the client, or the host, has with the endpoint directly. */
#define FLOW_HAIRPIN_PORT_MIN 61000
#define FLOW_HAIRPIN_WIDE_PORT_MIN 1024

enum flow_result { FLOW_OK = 0, FLOW_NO_PORT, FLOW_MAP_FULL, FLOW_EXISTS, FLOW_QUOTA };

/*
 * Does a socket of the host receive what comes in for this port? bpf_skc_lookup_tcp sees
 * established, TIME_WAIT and listening sockets, bpf_sk_lookup_udp connected and bound ones. A TCP
 * socket that is bound and neither listens nor is connected cannot be seen: if it connects later to
 * the very same remote port, uplink_egress gives it another.
 */
static __always_inline int host_socket_uses(struct __sk_buff* skb, const struct cnet_ct_key* reply,
                                            __be16 port_be) {
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock* sock;
    __u32 size = sizeof(tuple.ipv4);

    if (addr_is_v4(&reply->dst)) {
        tuple.ipv4.saddr = reply->src.words_be[3];
        tuple.ipv4.daddr = reply->dst.words_be[3];
        tuple.ipv4.sport = reply->src_port_be;
        tuple.ipv4.dport = port_be;
    } else {
        size = sizeof(tuple.ipv6);
        __builtin_memcpy(tuple.ipv6.saddr, &reply->src, 16);
        __builtin_memcpy(tuple.ipv6.daddr, &reply->dst, 16);
        tuple.ipv6.sport = reply->src_port_be;
        tuple.ipv6.dport = port_be;
    }
    if (reply->l4_proto == IPPROTO_TCP)
        sock = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
    else if (reply->l4_proto == IPPROTO_UDP)
        sock = bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
    else
        return 0;
    if (!sock) return 0;
    bpf_sk_release(sock);
    return 1;
}

/*
 * A port outside: published by nobody, no socket's, and of no mapping but the flow's own. A mapping
 * takes only what nobody uses at all, towards whichever remote.
 */
static __always_inline int flow_port_is_free(struct __sk_buff* skb, const struct flow_new* flow) {
    struct cnet_slot* slot = slot_lookup(flow->reply.l4_proto, flow->reply.dst_port_be);

    if (!slot || slot->binding_id != CNET_BINDING_NONE) return 0;
    if (flow->type == CNET_CT_MAPPING ? slot->nat_refs != 0 : slot_is_mapped(slot) && !flow->mapped)
        return 0;
    return !host_socket_uses(skb, &flow->reply, flow->reply.dst_port_be);
}

struct flow_port_walk {
    struct __sk_buff* skb;
    struct flow_new* flow;
    const struct cnet_ct_entry* reverse;
    int result; /* enum flow_result */
};

static long flow_try_port(__u32 attempt, void* data) {
    struct flow_port_walk* walk = data;
    struct flow_new* flow = walk->flow;
    __u32 span;
    int err;

    if (attempt == FLOW_PORT_TRIES / 2 && flow->port_min == FLOW_HAIRPIN_PORT_MIN)
        flow->port_min = FLOW_HAIRPIN_WIDE_PORT_MIN;
    if (attempt && flow->keep_port) return 1;
    if (attempt) {
        span = (__u32)flow->port_max - flow->port_min + 1;
        flow->reply.dst_port_be = bpf_htons(flow->port_min + bpf_get_prandom_u32() % span);
    }
    if (attempt) flow->mapped = 0;
    if (flow->reply.zone == CNET_ZONE_WORLD && !flow->keep_port &&
        !flow_port_is_free(walk->skb, flow))
        return 0;
    if (!effects_allowed()) {
        /* What egress_evict() would have made way for stands as it was. */
        if (CNET_EXPLAINING && !(flow->type == CNET_CT_HOST_XLAT && flow->keep_port) &&
            bpf_map_lookup_elem(&cnet_ct, &flow->reply))
            return 0;
        walk->result = FLOW_OK;
        return 1;
    }
    err = map_insert(&cnet_ct, &flow->reply, walk->reverse);
    if (err == -CNET_EEXIST) return 0; /* some flow has this tuple */
    walk->result = err ? FLOW_MAP_FULL : FLOW_OK;
    return 1;
}

/* The range that netfilter would choose from (nf_nat_core.c): privileged ports stay privileged. */
static __always_inline void flow_port_range(struct flow_new* flow, __be16 port_be) {
    __u16 port = bpf_ntohs(port_be);

    if (proto_is_icmp(flow->forward.l4_proto)) {
        flow->port_min = 0;
        flow->port_max = 65535;
    } else if (port < 512) {
        flow->port_min = 1;
        flow->port_max = 511;
    } else if (port < 1024) {
        flow->port_min = 600;
        flow->port_max = 1023;
    } else {
        flow->port_min = 1024;
        flow->port_max = 65535;
    }
}

/* A port of its own, far from those of direct connections. */
static __always_inline void flow_port_hairpin(struct flow_new* flow) {
    flow->port_min = FLOW_HAIRPIN_PORT_MIN;
    flow->port_max = 65535;
    flow->reply.dst_port_be =
        bpf_htons(FLOW_HAIRPIN_PORT_MIN + bpf_get_prandom_u32() % (65536 - FLOW_HAIRPIN_PORT_MIN));
}

/*
 * A clean flow in the scratch memory, field by field: a compound literal would be built on the
 * stack first. The keys get their tuples from flow_tuple().
 */
static __always_inline struct flow_new*
flow_prepare(struct scratch* scratch, enum cnet_ct_type type, __u32 network_id, __u32 binding_id) {
    struct flow_new* flow = &scratch->flow;

    __builtin_memset(flow, 0, sizeof(*flow));
    flow->type = type;
    flow->network_id = network_id;
    flow->binding_id = binding_id;
    return flow;
}

static __always_inline void flow_tuple(struct cnet_ct_key* key, __u32 zone, __u8 proto,
                                       const union cnet_addr* src, const union cnet_addr* dst,
                                       __be16 src_port_be, __be16 dst_port_be) {
    key->src = *src;
    key->dst = *dst;
    key->src_port_be = src_port_be;
    key->dst_port_be = dst_port_be;
    key->zone = zone;
    key->l4_proto = proto;
}

static __always_inline void flow_tuple_of(struct cnet_ct_key* key, const struct cnet_pkt* pkt,
                                          __u32 zone) {
    *key = pkt->tuple;
    key->zone = zone;
}

static __always_inline void flow_entry(struct cnet_ct_entry* entry, const struct flow_new* flow,
                                       const struct cnet_ct_key* other, enum cnet_ct_kind kind) {
    __u64 now_ns = clock_coarse_ns();

    __builtin_memset(entry, 0, sizeof(*entry));
    entry->last_seen_ns = now_ns;
    entry->created_ns = now_ns;
    entry->other = *other;
    entry->binding_id = flow->binding_id;
    entry->network_id = flow->network_id;
    entry->kind = kind;
    entry->type = flow->type;
    if (kind == CNET_CT_REVERSE) {
        entry->flags = flow->reverse_flags;
        return;
    }
    entry->fib_ifindex = flow->fib_ifindex;
    entry->fib_mtu = flow->fib_mtu;
    entry->fib_nexthop = flow->fib_nexthop;
    entry->fib_checked_ns = now_ns;
}

/* One key for both entries: whoever dials its own mapping. The second insert is what notices. */
static __always_inline int flow_answers_itself(const struct flow_new* flow) {
    const struct cnet_ct_key *a = &flow->forward, *b = &flow->reply;

    return addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst) && a->zone == b->zone &&
           a->src_port_be == b->src_port_be && a->dst_port_be == b->dst_port_be;
}

/* Whose quota the flow counts against: the port's that the packet came in by, or on its way out the
 * adopted bridge's that the kernel forwarded it from. */
static __always_inline __u32 flow_opener(const struct __sk_buff* skb) {
    return skb->ingress_ifindex ? skb->ingress_ifindex : skb->ifindex;
}

/* Two CPUs may both take the last place. */
static __always_inline int quota_is_used_up(const struct cnet_quota* quota) {
    return READ_ONCE(quota->begun) - READ_ONCE(quota->gone) >= quota->max_flows;
}

/*
 * The flow that flow_prepare() and flow_tuple() described: both entries, or none. FLOW_EXISTS:
 * another CPU began the same flow meanwhile; look it up again. In dry-run mode nothing is inserted;
 * the scratch entry is what would be.
 */
VERIFIED_ONCE int flow_begin(struct __sk_buff* skb) {
    struct scratch* scratch = scratch_get();
    struct flow_port_walk walk = {.skb = skb, .result = FLOW_NO_PORT};
    __u32 opener = flow_opener(skb);
    struct cnet_quota* quota = bpf_map_lookup_elem(&cnet_quota, &opener);
    struct cnet_ct_entry* entry;
    struct flow_new* flow;
    int err;

    if (!scratch) return FLOW_MAP_FULL;
    if (quota && quota_is_used_up(quota)) return FLOW_QUOTA;
    flow = &scratch->flow;
    entry = &scratch->entry;
    walk.flow = flow;
    walk.reverse = entry;
    flow_entry(entry, flow, &flow->forward, CNET_CT_REVERSE);
    if (quota) entry->fib_ifindex = opener;
    bpf_loop(FLOW_PORT_TRIES, flow_try_port, &walk, 0);
    if (walk.result != FLOW_OK) return walk.result;
    if (!effects_allowed()) {
        if (CNET_EXPLAINING && flow_answers_itself(flow)) return FLOW_EXISTS;
        flow_entry(entry, flow, &flow->reply, CNET_CT_FORWARD);
        trace_new_flow(flow->type, &flow->reply);
        return FLOW_OK;
    }
    slot_hold(&flow->reply, flow->reverse_flags, 1);
    slot_hold(&flow->forward, 0, 1);
    flow_entry(entry, flow, &flow->reply, CNET_CT_FORWARD);
    err = map_insert(&cnet_ct, &flow->forward, entry);
    if (!err) {
        if (quota) __sync_fetch_and_add(&quota->begun, 1);
        return FLOW_OK;
    }
    bpf_map_delete_elem(&cnet_ct, &flow->reply);
    slot_hold(&flow->reply, flow->reverse_flags, -1);
    slot_hold(&flow->forward, 0, -1);
    return err == -CNET_EEXIST ? FLOW_EXISTS : FLOW_MAP_FULL;
}

/* V_NEXT: the flow stands, or another CPU began it meanwhile. */
static __always_inline enum cnet_verdict flow_started(struct cnet_pkt* pkt, int result) {
    switch (result) {
    case FLOW_NO_PORT:
        return drop(pkt, CNET_R_PORTS_EXHAUSTED);
    case FLOW_MAP_FULL:
        return drop(pkt, CNET_R_CT_FULL);
    case FLOW_QUOTA:
        return drop(pkt, CNET_R_FLOW_QUOTA);
    default:
        return V_NEXT;
    }
}

#endif
