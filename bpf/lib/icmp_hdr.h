/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443, RFC 4861) as on the wire. Our own, because
 * <linux/icmp.h> of 6.1 pulls libc's socket headers in. */
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
    ICMP4_TIMESTAMP = 13,
    ICMP4_TIMESTAMP_REPLY = 14,
    ICMP4_INFORMATION = 15,
    ICMP4_INFORMATION_REPLY = 16,
    ICMP4_ADDRESS_MASK = 17,
    ICMP4_ADDRESS_MASK_REPLY = 18,
};

enum icmp4_unreachable_code { ICMP4_NET_UNREACHABLE = 0, ICMP4_FRAGMENTATION_NEEDED = 4 };

enum icmp6_type {
    ICMP6_UNREACHABLE = 1,
    ICMP6_TOO_BIG = 2,
    ICMP6_TIME_EXCEEDED = 3,
    ICMP6_PARAMETER_PROBLEM = 4,
    ICMP6_ECHO = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_ROUTER_SOLICIT = 133,
    ICMP6_ROUTER_ADVERT = 134,
    ICMP6_NEIGHBOUR_SOLICIT = 135,
    ICMP6_NEIGHBOUR_ADVERT = 136,
    ICMP6_REDIRECT = 137,
};

#define ICMP6_ERROR_MAX 127 /* types up to here are errors, RFC 4443 section 2.1 */

/* The same eight bytes in both families. */
struct icmp_hdr {
    __u8 type;
    __u8 code;
    __be16 checksum;
    union {
        struct {
            __be16 id_be;         /* echo; unused in errors */
            __be16 seq_or_mtu_be; /* echo: sequence number; fragmentation needed: next hop's MTU */
        };
        __be32 mtu6_be; /* packet too big */
    };
};

#endif
