/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a program built to explain tells of its way with one packet: no map that is pinned, and no
 * part of the programs that are attached, so a change here changes no layout. Include abi.h first.
 */
#ifndef CNET_MAPS_ABI_TRACE_H
#define CNET_MAPS_ABI_TRACE_H

#include <linux/types.h>

#define CNET_TRACE_SECTION ".data.trace"
#define CNET_TRACE_STEPS 48

/* What each step says in the fields of struct cnet_trace_step; what it does not name is 0. */
enum cnet_step {
    CNET_STEP_PORT = 1, /* arrived at a port: ifindex, id: network, value: enum cnet_port_flag */
    CNET_STEP_SOURCE,   /* its source is the endpoint's own */
    CNET_STEP_LEARN,    /* source MAC: detail: enum cnet_trace_learn */
    CNET_STEP_GATEWAY,  /* for the gateway: routed, not switched */
    CNET_STEP_FLOW, /* of a known flow: detail: enum cnet_ct_type, value: enum cnet_ct_state, id:
                       1 for a reply; key: what it becomes, inverted */
    CNET_STEP_NEW_FLOW,  /* would begin one: detail, key as above */
    CNET_STEP_BINDING,   /* to a published port: id: binding, value: endpoint, addr: its address */
    CNET_STEP_NEIGHBOUR, /* a stated address: addr, ifindex, or id: peer */
    CNET_STEP_ROUTE, /* the host's: ifindex, addr: next hop, value: MTU, detail: 1 if remembered */
    CNET_STEP_NO_ROUTE,   /* addr: to where, value: BPF_FIB_LKUP_RET_* */
    CNET_STEP_FDB,        /* destination MAC is known: ifindex, or id: peer; detail: 1 if learned */
    CNET_STEP_NO_FDB,     /* nobody knows it */
    CNET_STEP_PEER,       /* behind another host: id: peer, value: VNI, addr: the peer's */
    CNET_STEP_TUNNEL,     /* from another host: id: network, value: VNI, ifindex: peer */
    CNET_STEP_COPY,       /* flooded: ifindex */
    CNET_STEP_ICMP_ERROR, /* to be answered by one: detail: enum cnet_reason for which, value: MTU
                           */
    CNET_STEP_SEND,       /* ifindex, detail: enum cnet_trace_send */
    CNET_STEP_EXIT,       /* detail: enum cnet_reason, id: network, key: tuple as it arrived */
    CNET_STEP_COUNT,
};

enum cnet_trace_learn {
    CNET_TRACE_LEARN_NEW = 1,
    CNET_TRACE_LEARN_KNOWN,
    CNET_TRACE_LEARN_MOVED,
};

enum cnet_trace_send {
    CNET_TRACE_SEND_PEER = 1, /* into the namespace of the device's far end */
    CNET_TRACE_SEND_OUT,      /* out of the device */
    CNET_TRACE_SEND_HOST,     /* into the host's stack, as if it came in at the device */
    CNET_TRACE_SEND_NEIGH,    /* out of the device, to the next hop's MAC */
};

struct cnet_trace_step {
    __u16 step;   /* enum cnet_step */
    __u16 detail; /* what the step makes of it */
    __u32 ifindex;
    __u32 id;
    __u32 value;
    union cnet_addr addr;
    struct cnet_ct_key key;
    __u32 pad;
};
CNET_SIZE(struct cnet_trace_step, 2 + 2 + 3 * 4 + 16 + 44 + 4);

struct cnet_trace {
    __u32 count;
    __u32 pad;
    struct cnet_trace_step steps[CNET_TRACE_STEPS];
};
CNET_SIZE(struct cnet_trace, 4 + 4 + CNET_TRACE_STEPS * 80);

#endif
