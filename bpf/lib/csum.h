/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internet checksum arithmetic (RFC 1624). Pure. */
#ifndef CNET_LIB_CSUM_H
#define CNET_LIB_CSUM_H

#include <linux/types.h>

static __always_inline __u16 csum_fold(__u64 sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* What to add to a sum when a 32-bit word changes; 64 bits wide so that several can be added
 * without a carry. */
static __always_inline __u64 csum_replace(__be32 from_be, __be32 to_be) {
    return (__u64)(__u32)~from_be + to_be;
}

/* A header's checksum field after its words changed by `difference`. */
static __always_inline __be16 csum_update(__be16 check, __u64 difference) {
    return ~csum_fold((__u64)(__u16)~check + difference);
}

#endif
