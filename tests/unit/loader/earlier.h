/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys and values of a version before: fewer fields, in another order, and one that is no more. */
#ifndef CNET_TEST_EARLIER_H
#define CNET_TEST_EARLIER_H

#include <linux/types.h>

struct earlier_key {
    __u8 src[16];
    __u8 dst[16];
    __u8 l4_proto;
    __u8 pad[3];
    __u32 zone;
    __be16 dst_port_be;
    __be16 src_port_be;
};

struct earlier_entry {
    struct earlier_key other;
    __u32 network_id;
    __u32 no_more;
    __u16 state; /* has become narrower */
    __u8 kind;
    __u8 pad[5];
    __u64 last_seen_ns;
};

struct earlier_counter {
    __u32 packets;
};

#endif
