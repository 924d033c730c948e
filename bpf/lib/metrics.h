/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters, the settings in .rodata, and the one exit that every packet leaves through. */
#ifndef CNET_LIB_METRICS_H
#define CNET_LIB_METRICS_H

#include "../../maps/defs.bpf.h"
#include "compat.h"
#include "pkt.h"

const volatile struct cnet_config cnet_cfg = {.fib_cache_ms = 250};

/* False under `explain`: nothing may change, so every map write and every clone asks this first. */
static __always_inline int effects_allowed(void) {
    return !cnet_cfg.dry_run;
}

static __always_inline void count(__u8 hook, __u16 reason, __u32 bytes) {
    __u32 index = CNET_COUNTER_INDEX(hook, reason);
    struct cnet_counter* counter;

    if (!effects_allowed()) return;
    counter = bpf_map_lookup_elem(&cnet_counters, &index);
    if (!counter) return;
    counter->packets++;
    counter->bytes += bytes;
}

static __always_inline int tc_exit(const struct cnet_pkt* pkt, int verdict) {
    count(pkt->hook, pkt->reason, pkt->len);
    if (verdict == V_REDIRECT) return pkt->action;
    return verdict == V_DROP ? TC_ACT_SHOT : CNET_TC_NEXT;
}

#endif
