/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a packet meets, step by step, for `explain`. Each program is compiled twice from the same
 * source: attached is the one without CNET_EXPLAIN, where trace() is a constant NULL and nothing
 * of a trace is left, not an instruction; the other one runs on demand alone, with
 * cnet_cfg.dry_run, and never on a packet of the wire. docs/adr/0020 says why not a setting.
 */
#ifndef CNET_LIB_TRACE_H
#define CNET_LIB_TRACE_H

#include "../../maps/abi.h"
#include "../../maps/abi_trace.h"
#include "compat.h"

#ifdef CNET_EXPLAIN
#define CNET_EXPLAINING 1
struct cnet_trace cnet_trace_log SEC(CNET_TRACE_SECTION);

/* The next step to fill in; NULL when there were more than anybody will read. */
static __always_inline struct cnet_trace_step* trace(enum cnet_step step) {
    __u32 index = cnet_trace_log.count;
    struct cnet_trace_step* entry;

    if (index >= CNET_TRACE_STEPS) return NULL;
    barrier_var(index);
    entry = &cnet_trace_log.steps[index];
    cnet_trace_log.count = index + 1;
    entry->step = step;
    return entry;
}
#else
#define CNET_EXPLAINING 0
static __always_inline struct cnet_trace_step* trace(enum cnet_step step) {
    (void)step;
    return NULL;
}
#endif

static __always_inline void trace_send(__u32 ifindex, enum cnet_trace_send how) {
    struct cnet_trace_step* step = trace(CNET_STEP_SEND);

    if (!step) return;
    step->ifindex = ifindex;
    step->detail = how;
}

static __always_inline void trace_port(const struct cnet_port* port, __u32 ifindex) {
    struct cnet_trace_step* step = trace(CNET_STEP_PORT);

    if (!step) return;
    step->ifindex = ifindex;
    step->id = port->network_id;
    step->value = port->flags;
}

static __always_inline void trace_learn(enum cnet_trace_learn what) {
    struct cnet_trace_step* step = trace(CNET_STEP_LEARN);

    if (step) step->detail = what;
}

static __always_inline void trace_binding(const struct cnet_binding* binding,
                                          const union cnet_addr* target) {
    struct cnet_trace_step* step = trace(CNET_STEP_BINDING);

    if (!step) return;
    step->id = binding->id;
    step->value = binding->endpoint_id;
    step->addr = *target;
}

static __always_inline void trace_new_flow(__u8 type, const struct cnet_ct_key* reply) {
    struct cnet_trace_step* step = trace(CNET_STEP_NEW_FLOW);

    if (!step) return;
    step->detail = type;
    step->key = *reply;
}

static __always_inline void trace_neighbour(const union cnet_addr* addr,
                                            const struct cnet_neigh_entry* neigh) {
    struct cnet_trace_step* step = neigh ? trace(CNET_STEP_NEIGHBOUR) : NULL;

    if (!step) return;
    step->ifindex = neigh->ifindex;
    step->id = neigh->peer_id;
    step->addr = *addr;
}

static __always_inline void trace_route(__u32 ifindex, __u32 mtu, const union cnet_addr* nexthop,
                                        __u16 remembered) {
    struct cnet_trace_step* step = trace(CNET_STEP_ROUTE);

    if (!step) return;
    step->ifindex = ifindex;
    step->value = mtu;
    step->addr = *nexthop;
    step->detail = remembered;
}

static __always_inline void trace_no_route(const union cnet_addr* dst, __u32 answer) {
    struct cnet_trace_step* step = trace(CNET_STEP_NO_ROUTE);

    if (!step) return;
    step->addr = *dst;
    step->value = answer;
}

static __always_inline void trace_fdb(const struct cnet_fdb_entry* entry) {
    struct cnet_trace_step* step = trace(entry ? CNET_STEP_FDB : CNET_STEP_NO_FDB);

    if (!step || !entry) return;
    step->ifindex = entry->ifindex;
    step->id = entry->peer_id;
    step->detail = !(entry->flags & CNET_FDB_STATIC);
}

static __always_inline void trace_peer(const struct cnet_peer* peer, __u32 peer_id, __u32 vni) {
    struct cnet_trace_step* step = trace(CNET_STEP_PEER);

    if (!step) return;
    step->id = peer_id;
    step->value = vni;
    step->addr = peer->remote;
}

static __always_inline void trace_tunnel(__u32 network_id, __u32 peer_id, __u32 vni) {
    struct cnet_trace_step* step = trace(CNET_STEP_TUNNEL);

    if (!step) return;
    step->id = network_id;
    step->ifindex = peer_id;
    step->value = vni;
}

static __always_inline void trace_copy(__u32 ifindex) {
    struct cnet_trace_step* step = trace(CNET_STEP_COPY);

    if (step) step->ifindex = ifindex;
}

static __always_inline void trace_icmp_error(__u16 reason, __u32 mtu) {
    struct cnet_trace_step* step = trace(CNET_STEP_ICMP_ERROR);

    if (!step) return;
    step->detail = reason;
    step->value = mtu;
}

#endif
