/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: which flow an IP fragment belongs to. The first fragment of a datagram has the ports and
 * leaves them in cnet_frag; later ones take them from there. A later one that overtakes its first
 * is held in cnet_frag_held and sent again, through the same hook, once the first has come;
 * netfilter gets the same result by putting datagrams together.
 *
 * Every eight bytes of a datagram have a bit, so that overlaps (RFC 1858, RFC 5722) are told
 * exactly and a complete datagram frees its entry at once: identifications come round again fast.
 */
#ifndef CNET_LIB_FRAG_H
#define CNET_LIB_FRAG_H

#include "ctx_tc.h"
#include "scratch.h"

/* A first fragment that comes again after this long begins another datagram under the same
 * identification. */
#define FRAG_REUSE_NS 1000000000ull

/*
 * No IP packet is shorter. Not zero: before 6.3 the verifier learns nothing from "is not 0". Nor
 * does it from the one comparison that the compiler makes of a lower and an upper bound; a barrier
 * keeps them apart.
 */
#define FRAG_LEN_MIN sizeof(struct iphdr)

/* What later fragments inherit of enum cnet_pkt_flag. */
#define FRAG_L4_FLAGS (PKT_HAS_TUPLE | PKT_BEGINS_NOTHING)

/* One fragment, as its IP headers describe it. Bytes count from the start of the datagram's
 * payload. */
struct frag_piece {
    struct cnet_frag_key key;
    __u32 begin;
    __u32 end;
    __u32 is_last;
};

static __always_inline int frag_piece_load(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                           __u32 zone, struct frag_piece* piece) {
    __u32 offset;

    if (pkt->flags & PKT_IP6) {
        struct ip6_walk walk = {.off = pkt->l3_off + IP6_HLEN};

        if (bpf_skb_load_bytes(skb, pkt->l3_off + __builtin_offsetof(struct ipv6hdr, nexthdr),
                               &walk.next, 1) ||
            ip6_extensions(skb, &walk) != PARSE_OK)
            return 0;
        piece->key.id = walk.id_be;
        offset = bpf_ntohs(walk.fragment) & IP6_FRAGMENT_OFFSET_MASK;
        piece->is_last = !(walk.fragment & bpf_htons(IP6_MORE_FRAGMENTS));
    } else {
        struct iphdr ip;

        if (bpf_skb_load_bytes(skb, pkt->l3_off, &ip, sizeof(ip))) return 0;
        piece->key.id = ip.id;
        offset = (bpf_ntohs(ip.frag_off) & IP4_OFFSET_MASK) * 8;
        piece->is_last = !(ip.frag_off & bpf_htons(IP4_MORE_FRAGMENTS));
    }
    piece->key.src = pkt->tuple.src;
    piece->key.dst = pkt->tuple.dst;
    piece->key.zone = zone;
    piece->key.l4_proto = pkt->tuple.l4_proto;
    piece->key.hook = pkt->hook;
    piece->begin = offset;
    piece->end = offset + pkt->ip_len - (pkt->l4_off - pkt->l3_off);
    return 1;
}

/* Whole units of eight bytes but for the last piece, within what a datagram can hold, and nothing
 * that could lay itself over the L4 header of the first. */
static __always_inline int frag_piece_is_sane(const struct cnet_pkt* pkt,
                                              const struct frag_piece* piece) {
    __u32 l4_least = pkt->tuple.l4_proto == IPPROTO_TCP ? sizeof(struct tcphdr) : 8;

    if (piece->end <= piece->begin || piece->end > 65535) return 0;
    if (!piece->is_last && (piece->end - piece->begin) % 8) return 0;
    return piece->begin ? piece->begin >= l4_least : piece->end >= l4_least;
}

struct frag_mark_walk {
    struct cnet_frag* frag;
    __u32 first, last; /* units, inclusive */
    __u32 overlaps;
};

/* Sets the bits of one word; the old ones tell whether anybody was there before. */
static long frag_mark_word(__u32 index, void* data) {
    struct frag_mark_walk* walk = data;
    __u32 word = walk->first / 64 + index;
    __u64 bits = ~0ull;

    if (word >= CNET_FRAG_WORDS || word > walk->last / 64) return 1;
    if (word == walk->first / 64) bits &= ~0ull << (walk->first % 64);
    if (word == walk->last / 64) bits &= ~0ull >> (63 - walk->last % 64);
    if (__sync_fetch_and_or(&walk->frag->seen[word], bits) & bits) walk->overlaps = 1;
    return 0;
}

/* Notes the piece down. False: it lies over another one. */
static __always_inline int frag_mark(struct cnet_frag* frag, const struct frag_piece* piece) {
    struct frag_mark_walk walk = {
        .frag = frag, .first = piece->begin / 8, .last = (piece->end - 1) / 8};

    bpf_loop(walk.last / 64 - walk.first / 64 + 1, frag_mark_word, &walk, 0);
    if (walk.overlaps) return 0;
    if (piece->is_last) frag->total = piece->end;
    __sync_fetch_and_add(&frag->received, piece->end - piece->begin);
    return 1;
}

/* The datagram's entry, made if need be; NULL when the table is full. */
static __always_inline struct cnet_frag* frag_entry(const struct frag_piece* piece, __u64 now_ns) {
    struct cnet_frag* frag = bpf_map_lookup_elem(&cnet_frag, &piece->key);
    struct scratch* scratch = scratch_get();

    if (!effects_allowed()) return frag;
    if (frag && !piece->begin && frag->has_first && now_ns - frag->first_ns > FRAG_REUSE_NS) {
        bpf_map_delete_elem(&cnet_frag, &piece->key);
        frag = NULL;
    }
    if (frag || !scratch) return frag;
    /* `seen` of the template is never written, so it stays as zero as a new map's values are. */
    scratch->frag.first_ns = now_ns;
    map_insert(&cnet_frag, &piece->key, &scratch->frag);
    return bpf_map_lookup_elem(&cnet_frag, &piece->key);
}

/* Keeps a fragment that came before its first. False: no room, or too long. */
static __always_inline int frag_hold(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                     struct cnet_frag* frag, struct cnet_frag_held_key* key) {
    struct scratch* scratch = scratch_get();
    __u32 len = pkt->len;

    if (!scratch) return 0;
    key->index = __sync_fetch_and_add(&frag->held, 1);
    if (key->index >= CNET_FRAG_HELD_PER_DATAGRAM || len > CNET_FRAG_HELD_BYTES) return 0;
    barrier_var(len);
    if (len < FRAG_LEN_MIN || bpf_skb_load_bytes(skb, 0, scratch->held.bytes, len)) return 0;
    scratch->held.len = len;
    scratch->held.since_ns = bpf_ktime_get_coarse_ns();
    return !map_insert(&cnet_frag_held, key, &scratch->held);
}

/* Makes the skb carry these bytes. */
static __always_inline long frag_replace(struct __sk_buff* skb, const struct cnet_frag_held* held) {
    __u32 len = held->len;
    long err;

    if (len > CNET_FRAG_HELD_BYTES) return -1;
    barrier_var(len);
    if (len < FRAG_LEN_MIN) return -1;
    err = bpf_skb_change_tail(skb, len, 0);
    return err ?: bpf_skb_store_bytes(skb, 0, held->bytes, len, BPF_F_RECOMPUTE_CSUM);
}

struct frag_release_walk {
    struct __sk_buff* skb;
    const struct cnet_pkt* pkt;
    struct cnet_frag_held_key key;
};

static long frag_release_one(__u32 index, void* data) {
    struct frag_release_walk* walk = data;
    struct cnet_frag_held* held;

    walk->key.index = index;
    held = bpf_map_lookup_elem(&cnet_frag_held, &walk->key);
    if (!held) return 0;
    if (frag_replace(walk->skb, held) ||
        bpf_clone_redirect(walk->skb, walk->pkt->ifindex, BPF_F_INGRESS))
        count(walk->pkt->hook, CNET_R_FRAGMENT_LOST, walk->pkt->len);
    bpf_map_delete_elem(&cnet_frag_held, &walk->key);
    return 0;
}

/*
 * The first fragment has come: those that were held go through this hook again, behind it. The skb
 * lends itself to each of them and gets its own bytes back at the end. False: it could not.
 */
VERIFIED_ONCE int frag_release(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                               const struct frag_piece* piece, __u32 held_count) {
    struct frag_release_walk walk = {.skb = skb, .pkt = pkt};
    struct scratch* scratch = scratch_get();
    __u32 len;

    if (!pkt || !piece || !scratch) return 0;
    len = pkt->len;
    if (len > CNET_FRAG_HELD_BYTES) return 0;
    barrier_var(len);
    if (len < FRAG_LEN_MIN || bpf_skb_load_bytes(skb, 0, scratch->held.bytes, len)) return 0;
    scratch->held.len = len;
    walk.key.datagram = piece->key;
    if (held_count > CNET_FRAG_HELD_PER_DATAGRAM) held_count = CNET_FRAG_HELD_PER_DATAGRAM;
    bpf_loop(held_count, frag_release_one, &walk, 0);
    return !frag_replace(skb, &scratch->held);
}

/* A first fragment: whoever comes behind it finds its ports. */
static __always_inline enum cnet_verdict frag_first(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                    struct cnet_frag* frag,
                                                    const struct frag_piece* piece) {
    __u32 held;

    if (!effects_allowed()) return V_NEXT;
    if (!frag_mark(frag, piece)) return drop(pkt, CNET_R_FRAGMENT_OVERLAP);
    frag->src_port_be = pkt->tuple.src_port_be;
    frag->dst_port_be = pkt->tuple.dst_port_be;
    frag->l4_flags = pkt->flags & FRAG_L4_FLAGS;
    /* Ports first: on another CPU a later fragment reads them once it sees this. */
    __sync_fetch_and_or(&frag->has_first, 1);
    held = READ_ONCE(frag->held);
    if (held && !frag_release(skb, pkt, piece, held)) return drop(pkt, CNET_R_REWRITE_FAILED);
    return V_NEXT;
}

/* A later fragment: V_NEXT once its ports are known, else it waits for them. */
static __always_inline enum cnet_verdict frag_later(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                    struct cnet_frag* frag,
                                                    const struct frag_piece* piece) {
    struct cnet_frag_held_key key = {.datagram = piece->key};

    if (!READ_ONCE(frag->has_first)) {
        if (!effects_allowed()) return drop(pkt, CNET_R_FRAGMENT_HELD);
        /* The kernel's own come in order. */
        if (pkt->hook == CNET_HOOK_UPLINK_EGRESS) return drop(pkt, CNET_R_FRAGMENT_FULL);
        if (!frag_hold(skb, pkt, frag, &key)) return drop(pkt, CNET_R_FRAGMENT_FULL);
        /* The first may have come meanwhile on another CPU: then either it sends this one on, or
         * we do. */
        if (!READ_ONCE(frag->has_first) || bpf_map_delete_elem(&cnet_frag_held, &key))
            return drop(pkt, CNET_R_FRAGMENT_HELD);
    }
    if (effects_allowed() && !frag_mark(frag, piece)) return drop(pkt, CNET_R_FRAGMENT_OVERLAP);
    pkt->tuple.src_port_be = frag->src_port_be;
    pkt->tuple.dst_port_be = frag->dst_port_be;
    pkt->flags |= frag->l4_flags & FRAG_L4_FLAGS;
    return V_NEXT;
}

/* Has the first fragment of this one's datagram been tracked in the zone? */
static __always_inline int frag_is_tracked(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                           __u32 zone) {
    struct frag_piece piece = {};

    return frag_piece_load(skb, pkt, zone, &piece) && bpf_map_lookup_elem(&cnet_frag, &piece.key);
}

/*
 * V_NEXT: the packet's tuple is complete, and it may be handled like a whole one. FRAGMENT_FULL is
 * a drop where we alone carry the packet; on an uplink the caller leaves it to the host.
 */
VERIFIED_ONCE int frag_track(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 zone) {
    struct frag_piece piece = {};
    struct cnet_frag* frag;
    int verdict;

    if (!pkt) return V_DROP;
    if (!l4_is_tracked(pkt->tuple.l4_proto)) return drop(pkt, CNET_R_L4_UNSUPPORTED);
    if (!frag_piece_load(skb, pkt, zone, &piece)) return drop(pkt, CNET_R_MALFORMED);
    if (!frag_piece_is_sane(pkt, &piece)) return drop(pkt, CNET_R_FRAGMENT_BAD);
    frag = frag_entry(&piece, bpf_ktime_get_coarse_ns());
    if (!frag) return piece.begin || effects_allowed() ? drop(pkt, CNET_R_FRAGMENT_FULL) : V_NEXT;
    verdict = piece.begin ? frag_later(skb, pkt, frag, &piece) : frag_first(skb, pkt, frag, &piece);
    if (effects_allowed() && verdict == V_NEXT && frag->total &&
        READ_ONCE(frag->received) >= frag->total)
        bpf_map_delete_elem(&cnet_frag, &piece.key);
    return verdict;
}

#endif
