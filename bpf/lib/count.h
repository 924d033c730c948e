/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters, and the settings in .rodata. */
#ifndef CNET_LIB_COUNT_H
#define CNET_LIB_COUNT_H

#include "../../maps/defs.bpf.h"
#include "compat.h"
#include "trace.h"

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

#endif
