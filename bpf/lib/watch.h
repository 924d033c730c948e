/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling whoever watches. While nobody does, a packet pays one load and one branch: the value is a
 * variable to the verifier, shared by all programs. Nothing here waits: a ring that is full, or a
 * watcher that has had its share, loses the event, and that is counted.
 */
#ifndef CNET_LIB_WATCH_H
#define CNET_LIB_WATCH_H

#include "../../maps/abi_event.h"
#include "scratch.h"
#include "trace.h"

struct cnet_watch cnet_watch_state SEC(".data.watch");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, CNET_WATCHERS);
    __type(key, __u32);
    __type(value, struct cnet_watch_cpu);
} cnet_watch_cpu SEC(".maps");

struct cnet_watch_ring {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, CNET_WATCH_RING);
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, CNET_WATCHERS);
    __type(key, __u32);
    __array(values, struct cnet_watch_ring);
} cnet_rings SEC(".maps");

struct watch_record {
    struct cnet_event event;
    __u8 frame[CNET_SNAP_MAX];
};

/* Where it is put together, for it is too long for the stack. As with cnet_scratch, nobody comes in
 * between. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct watch_record);
} cnet_watch_work SEC(".maps");

/* One in `sample` of what is a packet and nothing else that the watcher wants: a drop or a new flow
 * is always told. */
static __always_inline int watch_sampled(struct cnet_watch_cpu* cpu,
                                         const struct cnet_watcher* watcher, __u32 kinds) {
    __u32 sample = watcher->sample;

    if (sample <= 1 || watcher->kinds & kinds & ~(__u32)CNET_EVENT_PACKET) return 1;
    return cpu->sampled++ % sample == 0;
}

/* May a watcher be told once more now? */
static __always_inline int watch_share(struct cnet_watch_cpu* cpu, __u64 now_ns) {
    if (now_ns - cpu->window_ns > CNET_WATCH_WINDOW_NS) {
        cpu->window_ns = now_ns;
        cpu->sent = 0;
    }
    if (cpu->sent < CNET_WATCH_BURST) {
        cpu->sent++;
        return 1;
    }
    cpu->lost++;
    return 0;
}

static __always_inline int watch_wants(const struct cnet_watcher* watcher,
                                       const struct cnet_pkt* pkt, __u32 kinds) {
    const struct cnet_ct_key* tuple = &pkt->tuple;

    if (!(watcher->kinds & kinds)) return 0;
    if (watcher->ifindex && watcher->ifindex != pkt->ifindex) return 0;
    if (watcher->network_id && watcher->network_id != pkt->network_id) return 0;
    if (watcher->hook && watcher->hook != pkt->hook + 1u) return 0;
    if (watcher->reason && watcher->reason != pkt->reason + 1u) return 0;
    if (watcher->l4_proto && watcher->l4_proto != tuple->l4_proto) return 0;
    if (watcher->port_be && watcher->port_be != tuple->src_port_be &&
        watcher->port_be != tuple->dst_port_be)
        return 0;
    return addr_is_zero(&watcher->addr) || addr_equal(&watcher->addr, &tuple->src) ||
           addr_equal(&watcher->addr, &tuple->dst);
}

static __always_inline void watch_fill(struct cnet_event* event, const struct cnet_pkt* pkt,
                                       __u32 kinds, __u64 now_ns) {
    struct scratch* scratch = scratch_get();

    __builtin_memset(event, 0, sizeof(*event));
    event->time_ns = now_ns;
    event->kinds = kinds;
    event->len = pkt->len;
    event->ifindex = pkt->ifindex;
    event->network_id = pkt->network_id;
    event->peer_id = pkt->peer_id;
    event->reason = pkt->reason;
    event->eth_proto = pkt->eth_proto;
    event->tuple = pkt->tuple;
    if (kinds & CNET_EVENT_FLOW_NEW && scratch) event->reply = scratch->flow.reply;
    mac_copy(event->src_mac, pkt->src_mac);
    mac_copy(event->dst_mac, pkt->dst_mac);
    event->hook = pkt->hook;
    event->tcp_flags = pkt->tcp_flags;
}

struct watch_walk {
    cnet_ctx* ctx;
    const struct cnet_pkt* pkt;
    __u64 now_ns;
    __u32 kinds;
    __u32 alive; /* enum cnet_event_kind of those that still listen */
    int verdict;
};

/* How much of the frame is in the record now. */
static __always_inline __u32 watch_snap(cnet_ctx* ctx, struct watch_record* record, __u32 wanted) {
    __u32 bytes = ctx_len(ctx);

    if (bytes > wanted) bytes = wanted;
    if (bytes > CNET_SNAP_MAX) bytes = CNET_SNAP_MAX;
    if (!bytes) return 0;
    /* Changes nothing, but for what Linux 6.1's verifier knows: 1 to CNET_SNAP_MAX. */
    bytes--;
    barrier_var(bytes);
    bytes &= CNET_SNAP_MAX - 1;
    bytes++;
    return ctx_load_bytes(ctx, 0, record->frame, bytes) ? 0 : bytes;
}

static __always_inline long watch_send(void* ring, const struct watch_walk* walk, __u32 wanted) {
    __u32 zero = 0, bytes;
    struct watch_record* record = bpf_map_lookup_elem(&cnet_watch_work, &zero);

    if (!record) return -1;
    watch_fill(&record->event, walk->pkt, walk->kinds, walk->now_ns);
    record->event.frame_bytes = ctx_len(walk->ctx);
    /* A way through the gateway has put a header in front of what had none. */
    record->event.has_l2 = walk->pkt->l3_off || walk->verdict == V_REDIRECT;
    bytes = watch_snap(walk->ctx, record, wanted);
    barrier_var(bytes);
    if (bytes > CNET_SNAP_MAX) bytes = 0;
    record->event.snap_bytes = bytes;
    return bpf_ringbuf_output(ring, record, sizeof(record->event) + bytes, 0);
}

static long watch_tell(__u32 index, void* data) {
    struct watch_walk* walk = data;
    struct cnet_watcher* watcher;
    struct cnet_watch_cpu* cpu;
    void* ring;

    if (index >= CNET_WATCHERS) return 1;
    watcher = &cnet_watch_state.watchers[index];
    if (watcher->until_ns < walk->now_ns) return 0;
    walk->alive |= watcher->kinds;
    if (!watch_wants(watcher, walk->pkt, walk->kinds)) return 0;
    ring = bpf_map_lookup_elem(&cnet_rings, &index);
    cpu = bpf_map_lookup_elem(&cnet_watch_cpu, &index);
    if (!ring || !cpu || !watch_sampled(cpu, watcher, walk->kinds)) return 0;
    if (!watch_share(cpu, walk->now_ns)) return 0;
    if (watch_send(ring, walk, watcher->snap_bytes)) cpu->lost++;
    return 0;
}

/* Addresses and ports of what was switched or dropped before anybody asked for them. */
static __always_inline void watch_parse(cnet_ctx* ctx, struct cnet_pkt* pkt) {
    struct iphdr ip;
    __be16 ports[2] = {};

    if (pkt->tuple.l4_proto || pkt->eth_proto != bpf_htons(ETH_P_IP) || pkt->flags & PKT_VLAN ||
        pkt->reason == CNET_R_VXLAN_SENT || pkt->peer_id)
        return;
    if (ctx_load_bytes(ctx, ETH_HLEN, &ip, sizeof(ip))) return;
    pkt->tuple.src = addr_from_v4(ip.saddr);
    pkt->tuple.dst = addr_from_v4(ip.daddr);
    pkt->tuple.l4_proto = ip.protocol;
    if (ip.ihl != 5 || ip.frag_off & bpf_htons(0x1fff)) return;
    if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP) return;
    if (ctx_load_bytes(ctx, ETH_HLEN + sizeof(ip), ports, sizeof(ports))) return;
    pkt->tuple.src_port_be = ports[0];
    pkt->tuple.dst_port_be = ports[1];
}

VERIFIED_ONCE int watch_packet(cnet_ctx* ctx, struct cnet_pkt* pkt, __u32 kinds, int verdict) {
    struct watch_walk walk = {.ctx = ctx, .pkt = pkt, .kinds = kinds, .verdict = verdict};

    if (!pkt) return 0;
    walk.now_ns = bpf_ktime_get_ns();
    watch_parse(ctx, pkt);
    bpf_loop(CNET_WATCHERS, watch_tell, &walk, 0);
    /* Whoever was killed took nothing away: the next packet finds nobody again. */
    if (!walk.alive) cnet_watch_state.kinds = 0;
    return 0;
}

static __always_inline int watch_crossed(const struct cnet_pkt* pkt) {
    return pkt->reason == CNET_R_VXLAN_SENT || pkt->reason == CNET_R_VXLAN_DEVICE ||
           pkt->reason == CNET_R_VXLAN_RECEIVED;
}

static __always_inline void watch_exit(cnet_ctx* ctx, struct cnet_pkt* pkt, int verdict) {
    __u32 listening = cnet_watch_state.kinds, kinds;

    if (likely(!listening) || CNET_EXPLAINING) return;
    kinds = CNET_EVENT_PACKET | pkt->events;
    if (verdict == V_DROP && pkt->reason != CNET_R_FLOODED && pkt->reason != CNET_R_FRAGMENT_HELD)
        kinds |= CNET_EVENT_DROP;
    if (watch_crossed(pkt)) kinds |= CNET_EVENT_PEER;
    if (kinds & listening) watch_packet(ctx, pkt, kinds, verdict);
}

#endif
