/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of the ABI that is about flows: connection tracking, fragments, the collector. Include
 * abi.h, which includes this. */
#ifndef CNET_MAPS_ABI_FLOW_H
#define CNET_MAPS_ABI_FLOW_H

#include <linux/types.h>

/* ---- cnet_ct: tuple as seen on the wire of its zone -> flow. Writer: BPF alone, the collector
 * included; what the kernel has already, cnetd. ---- */
/* Where a tuple is seen: a network's id, or one of these. */
#define CNET_ZONE_WORLD 0u         /* on the uplinks */
#define CNET_ZONE_HOST 0xffffffffu /* between the host's stack and the uplinks */
#define CNET_CLAIMED (~0ull) /* last_seen_ns of an entry that the collector is about to delete */

/*
 * TCP, UDP, SCTP: ports as on the wire; 0 where a protocol has none. ICMP echo and other queries:
 * the identifier stands where the asking side's port would be: a request has it in src_port_be and
 * 0 in dst_port_be, a reply the other way round, so inverting a tuple works as for TCP.
 */
struct cnet_ct_key {
    union cnet_addr src;
    union cnet_addr dst;
    __be16 src_port_be;
    __be16 dst_port_be;
    __u32 zone;
    __u8 l4_proto; /* IPPROTO_* */
    __u8 mapping;  /* 1: of a CNET_CT_MAPPING; no packet has such a tuple */
    __u8 pad[2];
};
CNET_SIZE(struct cnet_ct_key, 16 + 16 + 2 + 2 + 4 + 1 + 1 + 2);

enum cnet_ct_kind {
    CNET_CT_FORWARD = 1, /* keyed by the tuple of whoever began the flow; owns the flow's state */
    CNET_CT_REVERSE =
        2, /* keyed by the tuple of the replies; only `other` and `kind` mean anything */
};

enum cnet_ct_type {
    CNET_CT_SNAT = 1,      /* masqueraded endpoint flow */
    CNET_CT_DNAT = 2,      /* published port, from the world */
    CNET_CT_HAIRPIN = 3,   /* published port, from an endpoint */
    CNET_CT_HOST_XLAT = 4, /* host flow whose port collided with a mapping */
    CNET_CT_ROUTED = 5,    /* endpoint to an endpoint of a routed network of this host */
    CNET_CT_MAPPING = 6,   /* no flow: what an endpoint's port is outside, to everybody */
    CNET_CT_KERNEL = 7,    /* the kernel's own connection tracking has it: FORWARD alone */
};

/*
 * A mapping (CNET_PORT_NAT_INDEPENDENT) is two entries like a flow's, without a remote side:
 * FORWARD from the endpoint's address and port to the outside address, port 0; REVERSE from nobody
 * (all zero, or ::ffff:0.0.0.0) and port 0 to the outside address and port. New flows take their
 * port from it; its last_seen_ns is when one last did. cnetd keeps it while a flow of the
 * endpoint's port lives.
 */

enum cnet_ct_state {
    CNET_CT_NEW = 0,         /* TCP, SCTP: half open; others: no reply yet */
    CNET_CT_ESTABLISHED = 1, /* replies seen; TCP, SCTP: the handshake is over */
    CNET_CT_CLOSING = 2,     /* TCP: one side has sent FIN; SCTP: SHUTDOWN or its ACK seen */
    CNET_CT_TIME_WAIT = 3,   /* TCP: both sides have */
    CNET_CT_CLOSED = 4,      /* TCP: RST; SCTP: ABORT or SHUTDOWN COMPLETE */
    CNET_CT_STATE_MAX = 5,
};

enum cnet_ct_flag {
    CNET_CT_FIN_FORWARD = 1 << 0, /* FIN seen from the side that began */
    CNET_CT_FIN_REPLY = 1 << 1,
    CNET_CT_SWITCHED =
        1 << 2, /* REVERSE: its packets are addressed to a sibling, not the gateway */
    /* Of what is not established: seen from the side that began, beyond what asks for a connection.
     * TCP: an ACK; SCTP: what is neither INIT nor INIT ACK. */
    CNET_CT_SPOKE_FORWARD = 1 << 3,
    CNET_CT_SPOKE_REPLY = 1 << 4,
};

/*
 * A flow is two entries: FORWARD under the initiator's tuple, REVERSE under the replies', each
 * holding the other's key. Translating a packet means: look its tuple up in its zone, take the
 * inverse of `other` as the new tuple, and deliver where `other.zone` says. REVERSE is inserted
 * first, with BPF_NOEXIST: that insert is the lock on the translated tuple.
 */
struct cnet_ct_entry {
    /* What every packet reads comes first, so that it shares two cache lines. */
    __u64 last_seen_ns;
    __u8 kind;                /* enum cnet_ct_kind */
    __u8 type;                /* enum cnet_ct_type */
    __u8 state;               /* enum cnet_ct_state */
    __u8 flags;               /* enum cnet_ct_flag */
    struct cnet_ct_key other; /* key of the flow's other entry */
    __u32 fib_ifindex;        /* uplink towards the WORLD side of the flow; of REVERSE: the port
                                 whose quota the flow counts against, 0: none */
    __u32 fib_mtu;            /* of that route, bytes */
    __u64 fib_checked_ns;     /* when fib_* was taken from the routing table */
    union cnet_addr fib_nexthop;
    __u64 created_ns;
    __u32 binding_id; /* DNAT, HAIRPIN: the binding that made it */
    __u32 network_id; /* of the endpoint */
};
CNET_SIZE(struct cnet_ct_entry, 8 + 4 + 44 + 4 + 4 + 8 + 16 + 8 + 4 + 4);

/*
 * ---- cnet_quota: ifindex of a port -> the flows that it may have begun at a time. Made by cnetd
 * with `max_flows` alone, then written by BPF. ----
 * `begun` counts all that ever began, `gone` those of them that a sweep found missing (the
 * collector stores it for cnetd): their difference is what there is, and a sweep that counts anew
 * takes any error out of it.
 */
struct cnet_quota {
    __u32 max_flows;
    __u32 begun;
    __u32 gone;
};
CNET_SIZE(struct cnet_quota, 3 * 4);

/* ---- cnet_frag: a datagram that comes in fragments -> its ports. Writer: BPF; cnetd deletes what
 * is left behind. ---- */
#define CNET_FRAG_WORDS 128 /* 65536 bytes, a bit for eight of them */

struct cnet_frag_key {
    union cnet_addr src;
    union cnet_addr dst;
    __u32 zone;
    __be32 id; /* IPv4: the 16 bits as they lie in the header */
    __u8 l4_proto;
    __u8 hook; /* enum cnet_hook: a datagram may be seen on two, in different pieces */
    __u8 pad[2];
};
CNET_SIZE(struct cnet_frag_key, 16 + 16 + 4 + 4 + 1 + 1 + 2);

struct cnet_frag {
    __u64 first_ns;              /* when the first fragment to arrive did */
    __u64 seen[CNET_FRAG_WORDS]; /* bit n: bytes 8n to 8n+7 of the payload have passed */
    __u32 received;              /* bytes of payload that have passed */
    __u32 total;                 /* bytes of payload, 0 until the last fragment has passed */
    __u32 held;                  /* fragments that came before the first one */
    __u32 has_first;             /* the first one has come: the fields below are valid */
    __be16 src_port_be;          /* as in struct cnet_ct_key */
    __be16 dst_port_be;
    __u32 l4_flags; /* what else its L4 header said */
};
CNET_SIZE(struct cnet_frag, 8 + 8 * CNET_FRAG_WORDS + 4 * 4 + 2 + 2 + 4);

/* ---- cnet_frag_held: fragments that wait for the first of their datagram. Writer: as cnet_frag.
 * ---- */
#define CNET_FRAG_HELD_PER_DATAGRAM 64
#define CNET_FRAG_HELD_BYTES 2048

struct cnet_frag_held_key {
    struct cnet_frag_key datagram;
    __u32 index; /* order of arrival, from 0 */
};
CNET_SIZE(struct cnet_frag_held_key, 44 + 4);

struct cnet_frag_held {
    __u64 since_ns;
    __u32 len;
    __u32 pad;
    __u8 bytes[CNET_FRAG_HELD_BYTES]; /* the frame as it arrived */
};
CNET_SIZE(struct cnet_frag_held, 8 + 4 + 4 + CNET_FRAG_HELD_BYTES);

/* ---- The collector (gc.bpf.c): run with BPF_PROG_TEST_RUN; its "packet" is a header and
 * candidates. ---- */
enum cnet_gc_op {
    CNET_GC_CT = 1,    /* candidates are cnet_gc_ct, forward keys */
    CNET_GC_FDB = 2,   /* candidates are cnet_gc_fdb, learned entries */
    CNET_GC_QUOTA = 3, /* no candidates but cnet_gc_quota, of which each is stored */
};
#define CNET_GC_BATCH_MAX 48

/* BPF_PROG_TEST_RUN insists on an Ethernet header's worth of packet, which this is. */
struct cnet_gc_header {
    __u32 op;    /* enum cnet_gc_op */
    __u32 count; /* candidates that follow, CNET_GC_BATCH_MAX at most */
    __u8 pad[8];
};
CNET_SIZE(struct cnet_gc_header, 4 + 4 + 8);

/* The program deletes a candidate whose last_seen_ns is still the one given; 0 deletes it whatever
 * it is. */
struct cnet_gc_ct {
    struct cnet_ct_key key;
    __u32 pad;
    __u64 last_seen_ns;
};
CNET_SIZE(struct cnet_gc_ct, 44 + 4 + 8);

struct cnet_gc_fdb {
    struct cnet_fdb_key key;
    __u32 pad;
    __u64 last_seen_ns;
};
CNET_SIZE(struct cnet_gc_fdb, 12 + 4 + 8);

struct cnet_gc_quota {
    __u32 ifindex;
    __u32 gone;
};
CNET_SIZE(struct cnet_gc_quota, 4 + 4);

#endif
