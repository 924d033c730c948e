/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP as on the wire (RFC 792, RFC 1191). Our own, because <linux/icmp.h> of 6.1 pulls libc's
 * socket headers in. */
#ifndef CNET_LIB_ICMP_HDR_H
#define CNET_LIB_ICMP_HDR_H

#include <linux/types.h>

enum icmp4_type {
    ICMP4_ECHO_REPLY = 0,
    ICMP4_UNREACHABLE = 3,
    ICMP4_SOURCE_QUENCH = 4,
    ICMP4_REDIRECT = 5,
    ICMP4_ECHO = 8,
    ICMP4_TIME_EXCEEDED = 11,
    ICMP4_PARAMETER_PROBLEM = 12,
};

enum icmp4_unreachable_code { ICMP4_NET_UNREACHABLE = 0, ICMP4_FRAGMENTATION_NEEDED = 4 };

struct icmp4_hdr {
    __u8 type;
    __u8 code;
    __be16 checksum;
    __be16 id_be;         /* echo; unused in errors */
    __be16 seq_or_mtu_be; /* echo: sequence number; fragmentation needed: MTU of the next hop */
};

#endif
