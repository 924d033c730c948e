/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one exit that every packet leaves through. */
#ifndef CNET_LIB_METRICS_H
#define CNET_LIB_METRICS_H

#include "count.h"
#include "pkt.h"
#include "watch.h"

static __always_inline void trace_exit(const struct cnet_pkt* pkt) {
    struct cnet_trace_step* step = trace(CNET_STEP_EXIT);

    if (!step) return;
    step->detail = pkt->reason;
    step->id = pkt->network_id;
    step->key = pkt->tuple;
}

/* Each packet once, whatever the kind of program. */
static __always_inline void count_exit(cnet_ctx* ctx, struct cnet_pkt* pkt, int verdict) {
    count(pkt->hook, pkt->reason, pkt->len);
    trace_exit(pkt);
    watch_exit(ctx, pkt, verdict);
}

#endif
