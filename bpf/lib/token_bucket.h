/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A token bucket as one time: when its tokens were all given back, were none taken from now on. An
 * empty bucket is nobody's write, so what is limited hardest costs least.
 */
#ifndef CNET_LIB_TOKEN_BUCKET_H
#define CNET_LIB_TOKEN_BUCKET_H

#include "count.h"

#define TOKEN_BUCKET_TRIES 4

/* The bucket's time once another token is taken. */
static __always_inline __u64 token_next_ns(__u64 seen_ns, __u64 interval_ns, __u64 now_ns) {
    return (seen_ns > now_ns ? seen_ns : now_ns) + interval_ns;
}

/* Would token_take() get one? */
static __always_inline int token_is_there(__u64 seen_ns, __u64 interval_ns, __u64 capacity_ns,
                                          __u64 now_ns) {
    return token_next_ns(seen_ns, interval_ns, now_ns) - now_ns <= capacity_ns;
}

/*
 * Takes a token: one is given back every interval_ns, and in capacity_ns all of them. Who loses the
 * bucket to another CPU several times running goes without.
 */
static __always_inline int token_take(__u64* full_at_ns, __u64 interval_ns, __u64 capacity_ns,
                                      __u64 now_ns) {
    __u64 seen_ns, next_ns;
    int i;

    for (i = 0; i < TOKEN_BUCKET_TRIES; i++) {
        seen_ns = READ_ONCE(*full_at_ns);
        next_ns = token_next_ns(seen_ns, interval_ns, now_ns);
        if (next_ns - now_ns > capacity_ns) return 0;
        if (!effects_allowed()) return 1;
        if (__sync_val_compare_and_swap(full_at_ns, seen_ns, next_ns) == seen_ns) return 1;
    }
    return 0;
}

#endif
