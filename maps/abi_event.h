/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between the programs and whoever watches them (`cnet-bpf monitor`): who listens, and what is
 * told. Include abi.h first.
 */
#ifndef CNET_MAPS_ABI_EVENT_H
#define CNET_MAPS_ABI_EVENT_H

#include <linux/types.h>

#define CNET_WATCHERS 4
#define CNET_WATCH_RING 1048576 /* bytes, of a watcher's ring at least */
#define CNET_SNAP_MAX 2048u     /* a power of two */
/* A watcher gets so many events of a CPU in a window at most: 10,000 a second. */
#define CNET_WATCH_WINDOW_NS 100000000ull
#define CNET_WATCH_BURST 1000u

enum cnet_event_kind {
    CNET_EVENT_DROP = 1 << 0,
    CNET_EVENT_FLOW_NEW = 1 << 1,
    CNET_EVENT_FLOW_END = 1 << 2, /* TCP: a reset, or both sides have sent FIN;
                                     SCTP: ABORT or SHUTDOWN COMPLETE */
    CNET_EVENT_MAC_NEW = 1 << 3,
    CNET_EVENT_MAC_MOVED = 1 << 4,
    CNET_EVENT_PACKET = 1 << 5, /* every packet */
    CNET_EVENT_PEER = 1 << 6,   /* sent to another host, or delivered from one; no flooding */
};

/* All conditions must hold; one that is 0 always does. */
struct cnet_watcher {
    __u64 until_ns; /* 0: free; the watcher renews it, so that one that was killed is forgotten */
    __u32 kinds;    /* enum cnet_event_kind */
    __u32 ifindex;  /* of the device that the packet came in at */
    __u32 network_id;
    __u32 hook;   /* + 1 */
    __u32 reason; /* + 1 */
    __be16 port_be;
    __u8 l4_proto;
    __u8 pad;
    union cnet_addr addr; /* source or destination */
    __u32 snap_bytes;     /* of the frame, to be sent behind the event; CNET_SNAP_MAX at most */
    __u32 sample;         /* of mere packets one in so many is told, a CPU; 0 and 1: each */
};
CNET_SIZE(struct cnet_watcher, 8 + 5 * 4 + 2 + 1 + 1 + 16 + 4 + 4);

/* ---- cnet_watch: one value, mapped. Writers: whoever watches; BPF sets `kinds` to 0 when nobody
 * is left. ---- */
struct cnet_watch {
    __u32 kinds; /* of all watchers: 0, and nothing else here is looked at */
    __u32 pad;
    struct cnet_watcher watchers[CNET_WATCHERS];
};
CNET_SIZE(struct cnet_watch, 4 + 4 + CNET_WATCHERS * 56);

/* ---- cnet_watch_cpu: per-CPU array, one value a watcher. Writer: BPF. ---- */
struct cnet_watch_cpu {
    __u64 window_ns; /* when the window began */
    __u64 lost;      /* by the limit or a full ring; only grows */
    __u32 sent;      /* in this window */
    __u32 sampled;   /* mere packets that the watcher wanted; wraps */
};
CNET_SIZE(struct cnet_watch_cpu, 8 + 8 + 4 + 4);

/* ---- cnet_rings: array of ring buffers, one a watcher, of struct cnet_event and what it has of
 * the frame, as the program leaves it. ---- */
struct cnet_event {
    __u64 time_ns;
    __u32 kinds; /* of this packet */
    __u32 len;
    __u32 ifindex;
    __u32 network_id;
    __u32 peer_id;
    __u16 reason;
    __be16 eth_proto;
    struct cnet_ct_key tuple; /* l4_proto 0: it was not looked at, or is no IP */
    struct cnet_ct_key reply; /* of a new flow */
    __u8 src_mac[CNET_MAC_LEN];
    __u8 dst_mac[CNET_MAC_LEN];
    __u8 hook;
    __u8 tcp_flags;
    __u8 has_l2; /* the frame begins with an Ethernet header */
    __u8 pad;
    __u16 snap_bytes; /* that follow */
    __u16 pad2;
    __u32 frame_bytes; /* as the program leaves it; `len` is as it arrived */
};
CNET_SIZE(struct cnet_event, 8 + 5 * 4 + 2 + 2 + 2 * 44 + 2 * 6 + 4 + 2 + 2 + 4);

#endif
