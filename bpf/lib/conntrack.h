/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows: two entries of cnet_ct, FORWARD and REVERSE, each holding the other's key (see abi.h).
 * Written by BPF alone. REVERSE goes in first with BPF_NOEXIST, which is the lock on the translated
 * tuple; when FORWARD then cannot go in, REVERSE comes out again. The collector (gc.bpf.c) claims
 * FORWARD by setting last_seen_ns to CNET_CLAIMED and deletes both; a claimed entry counts as
 * absent.
 *
 * Tolerated race: a packet that read last_seen_ns just before the claim is still translated, and
 * may store a newer time over the claim; the collector deletes the entry all the same, and the next
 * packet begins a new flow.
 */
#ifndef CNET_LIB_CONNTRACK_H
#define CNET_LIB_CONNTRACK_H

#include "clock.h"
#include "metrics.h"

#define CT_REFRESH_NS 250000000ull

/* What a look-up found: the entry under the key, and the one that owns the flow's state (they may
 * be the same). */
struct ct_hit {
    struct cnet_ct_entry* entry; /* inverse of entry->other is the translated tuple */
    struct cnet_ct_entry* owner;
    int is_reply;
};

static __always_inline int ct_lookup(const struct cnet_ct_key* key, struct ct_hit* hit) {
    hit->entry = bpf_map_lookup_elem(&cnet_ct, key);
    if (!hit->entry) return 0;
    hit->is_reply = hit->entry->kind == CNET_CT_REVERSE;
    hit->owner = hit->is_reply ? bpf_map_lookup_elem(&cnet_ct, &hit->entry->other) : hit->entry;
    return hit->owner && READ_ONCE(hit->owner->last_seen_ns) != CNET_CLAIMED;
}

/* A connection is asked for, and nothing else said. */
static __always_inline int ct_asks(const struct cnet_pkt* pkt) {
    __u8 flags = pkt->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);

    return flags == TCP_SYN || pkt->sctp_chunk == SCTP_INIT;
}

/* The tuple of a connection that is over begins another (RFC 9293 section 3.6.1), from either side:
 * what guard_begin() lets in comes against its flow's direction. */
static __always_inline int ct_begins_again(const struct ct_hit* hit, const struct cnet_pkt* pkt) {
    return unlikely(ct_asks(pkt)) && hit->owner->state >= CNET_CT_TIME_WAIT;
}

/*
 * Half open until both sides have said more than that they ask for a connection: a SYN from a
 * forged source is answered, even with an ACK when its number is another one (RFC 5961 section 4),
 * and whoever sent it cannot acknowledge that (RFC 5382 section 5, RFC 9293 section 3.5).
 */
static __always_inline void ct_track_handshake(const struct ct_hit* hit, int says_more,
                                               int goes_on) {
    const __u8 both = CNET_CT_SPOKE_FORWARD | CNET_CT_SPOKE_REPLY;
    struct cnet_ct_entry* owner = hit->owner;

    if (says_more) owner->flags |= hit->is_reply ? CNET_CT_SPOKE_REPLY : CNET_CT_SPOKE_FORWARD;
    if (!goes_on || (owner->flags & both) != both) return;
    owner->flags &= ~both;
    owner->state = CNET_CT_ESTABLISHED;
}

static __always_inline void ct_track_fin(const struct ct_hit* hit, struct cnet_pkt* pkt) {
    const __u8 both = CNET_CT_FIN_FORWARD | CNET_CT_FIN_REPLY;
    struct cnet_ct_entry* owner = hit->owner;

    owner->flags |= hit->is_reply ? CNET_CT_FIN_REPLY : CNET_CT_FIN_FORWARD;
    if ((owner->flags & both) != both) {
        owner->state = CNET_CT_CLOSING;
        return;
    }
    if (owner->state != CNET_CT_TIME_WAIT) pkt->events |= CNET_EVENT_FLOW_END;
    owner->state = CNET_CT_TIME_WAIT;
}

static __always_inline void ct_track_tcp(const struct ct_hit* hit, struct cnet_pkt* pkt) {
    struct cnet_ct_entry* owner = hit->owner;
    __u8 tcp_flags = pkt->tcp_flags;

    if (unlikely(tcp_flags & TCP_RST)) {
        if (owner->state != CNET_CT_CLOSED) pkt->events |= CNET_EVENT_FLOW_END;
        owner->state = CNET_CT_CLOSED;
    } else if (unlikely(tcp_flags & TCP_FIN)) {
        ct_track_fin(hit, pkt);
    } else if (owner->state == CNET_CT_NEW) {
        ct_track_handshake(hit, tcp_flags & TCP_ACK, !(tcp_flags & TCP_SYN));
    }
}

/*
 * Whether a peer believes an ABORT, by its verification tag, is not ours to see: an association
 * that goes on is established again. What belongs to none is answered by ABORT, SHUTDOWN COMPLETE
 * or nothing, and so is a cookie that was made up (RFC 9260 sections 5.1.5 and 8.4).
 */
static __always_inline void ct_track_sctp(const struct ct_hit* hit, struct cnet_pkt* pkt) {
    struct cnet_ct_entry* owner = hit->owner;

    switch (pkt->sctp_chunk) {
    case SCTP_INIT:
    case SCTP_INIT_ACK:
        break;
    case SCTP_SHUTDOWN:
    case SCTP_SHUTDOWN_ACK:
        owner->state = CNET_CT_CLOSING;
        break;
    case SCTP_ABORT:
    case SCTP_SHUTDOWN_COMPLETE:
        if (owner->state != CNET_CT_CLOSED) pkt->events |= CNET_EVENT_FLOW_END;
        owner->state = CNET_CT_CLOSED;
        break;
    default:
        if (owner->state != CNET_CT_ESTABLISHED) ct_track_handshake(hit, 1, 1);
    }
}

/* Notes that a packet of the flow passed. Plain stores: two CPUs may race, and either outcome is
 * true enough. */
static __always_inline void ct_track(const struct ct_hit* hit, struct cnet_pkt* pkt, __u64 now_ns) {
    struct cnet_ct_entry* owner = hit->owner;

    if (!effects_allowed()) return;
    if (now_ns - owner->last_seen_ns > CT_REFRESH_NS) owner->last_seen_ns = now_ns;
    if (ct_begins_again(hit, pkt)) {
        /* The mapping is kept, its life starts anew. */
        owner->state = CNET_CT_NEW;
        owner->flags = 0;
        owner->created_ns = now_ns;
    } else if (pkt->tuple.l4_proto == IPPROTO_TCP) {
        ct_track_tcp(hit, pkt);
    } else if (unlikely(pkt->tuple.l4_proto == IPPROTO_SCTP)) {
        ct_track_sctp(hit, pkt);
    } else if (hit->is_reply && owner->state == CNET_CT_NEW) {
        owner->state = CNET_CT_ESTABLISHED;
    }
}

/* May this packet begin a flow? A reset, an abort or an echo reply of no flow may not; mid-stream
 * TCP may, as netfilter does. */
static __always_inline int ct_may_begin(const struct cnet_pkt* pkt) {
    return !(pkt->flags & PKT_BEGINS_NOTHING);
}

/* The first packet of a flow says more than that a connection is asked for. */
static __always_inline int ct_begins_midway(const struct cnet_pkt* pkt) {
    return pkt->tcp_flags & (TCP_ACK | TCP_FIN) || pkt->sctp_chunk > SCTP_INIT;
}

#endif
