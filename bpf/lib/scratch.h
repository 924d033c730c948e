/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Working memory for what the slow paths build, because 512 bytes of stack must do for all frames
 * of a call chain. One per CPU and object: our programs run with bottom halves off and never inside
 * one another on a CPU (bpf_redirect_* act after the program has returned; clones end in a backlog
 * queue).
 */
#ifndef CNET_LIB_SCRATCH_H
#define CNET_LIB_SCRATCH_H

#include "../../maps/abi.h"
#include "compat.h"
#include "icmp_hdr.h"
#include "ip4.h"
#include "ip6.h"

/* What an ICMP error quotes: a full header with options and eight bytes, or for a plain header 48
 * bytes of payload. */
#define ICMP4_QUOTE_MAX 68
/* As much as fits into the least MTU, RFC 4443 section 2.4 (c). */
#define ICMP6_QUOTE_MAX (1280 - IP6_HLEN - 8)

struct icmp4_error {
    struct iphdr ip;
    struct icmp_hdr icmp;
};

struct icmp6_error {
    struct ipv6hdr ip6;
    struct icmp_hdr icmp;
};

/* A flow about to begin: see flow.h. */
struct flow_new {
    struct cnet_ct_key forward;
    struct cnet_ct_key reply;
    __u32 network_id;
    __u32 binding_id;
    /* What the routing table has just said of the way to the WORLD; fib_ifindex 0: nothing yet. */
    __u32 fib_ifindex;
    __u32 fib_mtu;
    union cnet_addr fib_nexthop;
    __u16 port_min; /* for tries after the first, host byte order */
    __u16 port_max;
    __u8 type;          /* enum cnet_ct_type */
    __u8 reverse_flags; /* enum cnet_ct_flag of the REVERSE entry */
    __u8 keep_port;     /* the port may not vary: this tuple, or refused */
    __u8 mapped;        /* the port is that of a mapping, of which this is a flow */
};

struct scratch {
    struct flow_new flow;
    struct flow_new waiting;    /* for its mapping, which is begun first */
    struct cnet_ct_entry entry; /* after flow_begin(): FORWARD as it went in, or would have */
    struct cnet_frag frag;      /* template of a new entry: only first_ns is ever written */
    struct cnet_frag_held held;
    union {
        struct icmp4_error icmp4;
        struct icmp6_error icmp6;
    };
    __u8 quote[ICMP6_QUOTE_MAX + 4]; /* and room for the padding of the last word */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct scratch);
} cnet_scratch SEC(".maps");

static __always_inline struct scratch* scratch_get(void) {
    __u32 zero = 0;

    return bpf_map_lookup_elem(&cnet_scratch,
                               &zero); /* never NULL, which the verifier cannot know */
}

#endif
