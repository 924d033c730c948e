/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The time of the last tick, CLOCK_MONOTONIC. It is asked for with every packet of a flow, and
 * bpf_ktime_get_coarse_ns is a call that costs as much as a hash look-up; bpf_jiffies64 is inlined
 * to a load, so the helper is called once a tick and its answer kept.
 *
 * Two CPUs may keep an answer at once and leave the older one: the time may seem to go back, by a
 * tick or by as long as one of them was stopped. Whoever subtracts must bear that.
 */
#ifndef CNET_LIB_CLOCK_H
#define CNET_LIB_CLOCK_H

#include "compat.h"

struct {
    __u64 jiffies;
    __u64 coarse_ns;
} cnet_tick;

static __always_inline __u64 clock_coarse_ns(void) {
    __u64 jiffies = bpf_jiffies64(), now_ns;

    if (likely(READ_ONCE(cnet_tick.jiffies) == jiffies)) return READ_ONCE(cnet_tick.coarse_ns);
    now_ns = bpf_ktime_get_coarse_ns();
    WRITE_ONCE(cnet_tick.coarse_ns, now_ns);
    WRITE_ONCE(cnet_tick.jiffies, jiffies);
    return now_ns;
}

#endif
