/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys and values of a version to come: all fields of this one, in another order, some wider, and
 * more of them. */
#ifndef CNET_TEST_LATER_H
#define CNET_TEST_LATER_H

#include <linux/types.h>

struct later_key {
    __u32 zone;
    __u8 l4_proto;
    __u8 mapping;
    __u8 more;
    __u8 pad;
    __be16 src_port_be;
    __be16 dst_port_be;
    __u8 src[16];
    __u8 dst[16];
};

struct later_entry {
    __u64 created_ns;
    __u64 more_ns;
    __u64 last_seen_ns;
    __u32 state; /* has become wider */
    __u8 flags;
    __u8 kind;
    __u8 more;
    __u8 type;
    struct later_key other;
    __u32 network_id;
    __u32 binding_id;
    __u32 more_of_route;
    __u32 fib_mtu;
    __u32 fib_ifindex;
    __u8 fib_nexthop[16];
    __u32 pad;
    __u64 fib_checked_ns;
    __u64 bytes_each_way[2];
};

struct later_counter {
    __u64 more;
    __u64 bytes;
    __u64 packets;
};

#endif
