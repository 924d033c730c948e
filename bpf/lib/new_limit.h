/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How fast connections to a published port may begin: a token bucket in its binding, so that a port
 * without a limit pays for a branch. A token is a flow: a packet of none, of whichever protocol, or
 * a SYN with the tuple of a connection that is over. `uplink` takes them; uplink_xdp only looks
 * whether there is one, since what passes there is asked again.
 */
#ifndef CNET_LIB_NEW_LIMIT_H
#define CNET_LIB_NEW_LIMIT_H

#include "clock.h"
#include "conntrack.h"
#include "token_bucket.h"

static __always_inline __u64 new_limit_capacity_ns(const struct cnet_binding* binding) {
    return (__u64)binding->new_interval_ns * binding->new_burst;
}

static __always_inline int new_limit_takes(struct cnet_binding* binding) {
    if (likely(!binding->new_interval_ns)) return 1;
    return token_take(&binding->new_full_at_ns, binding->new_interval_ns,
                      new_limit_capacity_ns(binding), bpf_ktime_get_ns());
}

/* A flow's entry lives on for minutes, and busy clients dial by the same ports again and again. */
static __always_inline int new_limit_takes_again(const struct ct_hit* hit) {
    __u32 id = hit->owner->binding_id;
    struct cnet_binding* binding;

    if (hit->entry->type != CNET_CT_DNAT || hit->is_reply) return 1;
    binding = bpf_map_lookup_elem(&cnet_binding, &id);
    return !binding || new_limit_takes(binding);
}

/* Who has a token by the last tick's time has one now: most look at no other clock. */
static __always_inline int new_limit_is_reached(const struct cnet_binding* binding) {
    __u64 full_at_ns, capacity_ns;

    if (likely(!binding->new_interval_ns)) return 0;
    full_at_ns = READ_ONCE(binding->new_full_at_ns);
    capacity_ns = new_limit_capacity_ns(binding);
    if (token_is_there(full_at_ns, binding->new_interval_ns, capacity_ns, clock_coarse_ns()))
        return 0;
    return !token_is_there(full_at_ns, binding->new_interval_ns, capacity_ns, bpf_ktime_get_ns());
}

#endif
