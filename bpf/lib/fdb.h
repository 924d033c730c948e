/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The forwarding database: look-up, learning, ageing. Stated entries (CNET_FDB_STATIC) are cnetd's
 * and are never touched here. Learned ones are written here alone and deleted by the collector,
 * which claims them first.
 */
#ifndef CNET_LIB_FDB_H
#define CNET_LIB_FDB_H

#include "clock.h"
#include "memo.h"
#include "metrics.h"

/* How stale last_seen_ns may get: writing it for each frame would bounce the line between CPUs. */
#define FDB_REFRESH_NS 500000000ull
#define FDB_AGEING_MIN_NS 1000000000ll /* the least of cnet_network's ageing_s */

static __always_inline struct cnet_fdb_key fdb_key(__u32 network_id, const __u8* mac) {
    struct cnet_fdb_key key = {.network_id = network_id};

    mac_copy(key.mac, mac);
    return key;
}

/* Signed: the clock may seem to go back. Whoever still sends is never asked for the network. */
static __always_inline int fdb_is_aged(const struct cnet_fdb_entry* entry, __u32 network_id,
                                       __u64 now_ns) {
    __s64 age_ns = now_ns - entry->last_seen_ns;
    struct cnet_network* network;

    if (likely(age_ns <= FDB_AGEING_MIN_NS)) return 0;
    network = bpf_map_lookup_elem(&cnet_network, &network_id);
    return network && network->ageing_s && age_ns > (__s64)network->ageing_s * 1000000000ll;
}

/* Claimed, or past its age: the collector may not have come by yet. */
static __always_inline int fdb_is_over(const struct cnet_fdb_entry* entry, __u32 network_id) {
    return !(entry->flags & CNET_FDB_STATIC) && (entry->last_seen_ns == CNET_CLAIMED ||
                                                 fdb_is_aged(entry, network_id, clock_coarse_ns()));
}

/* Where the MAC is remembered on this CPU, if it is. */
static __always_inline struct memo_mac* fdb_place(const struct cnet_fdb_key* key) {
    struct memo* memo = memo_is_used() ? memo_get() : NULL;

    return memo ? &memo->macs[(key->mac[5] ^ key->network_id) % MEMO_MACS] : NULL;
}

static __always_inline int fdb_is_known(const struct memo_mac* place, __u64 stamp,
                                        const struct cnet_fdb_key* key) {
    return place && place->stamp == stamp && place->key.network_id == key->network_id &&
           mac_equal(place->key.mac, key->mac);
}

static __always_inline const struct cnet_fdb_entry*
fdb_remember(struct memo_mac* place, __u64 stamp, const struct cnet_fdb_key* key,
             const struct cnet_fdb_entry* entry) {
    if (!memo_is_used()) return entry;
    if (!place) return NULL;
    place->entry = *entry;
    place->key = *key;
    place->stamp = stamp;
    return &place->entry;
}

/* A usable entry, or NULL. */
static __always_inline const struct cnet_fdb_entry* fdb_lookup(__u32 network_id, const __u8* mac) {
    struct cnet_fdb_key key = fdb_key(network_id, mac);
    struct memo_mac* place = fdb_place(&key);
    __u64 stamp = memo_stamp();
    struct cnet_fdb_entry* entry;

    if (likely(fdb_is_known(place, stamp, &key))) return &place->entry;
    entry = bpf_map_lookup_elem(&cnet_fdb, &key);
    if (entry && fdb_is_over(entry, network_id)) entry = NULL;
    trace_fdb(entry);
    return entry ? fdb_remember(place, stamp, &key, entry) : NULL;
}

/* A place in the network's count of learned MACs, or 0 when --mac-limit leaves none. */
static __always_inline int fdb_reserve(__u32 network_id, __u32** learned) {
    struct cnet_network* network = bpf_map_lookup_elem(&cnet_network, &network_id);

    *learned = bpf_map_lookup_elem(&cnet_fdb_count, &network_id);
    if (!network || !*learned) return 0;
    if (__sync_fetch_and_add(*learned, 1) >= network->mac_limit && network->mac_limit) {
        __sync_fetch_and_add(*learned, -1);
        return 0;
    }
    return 1;
}

static __always_inline int fdb_insert(struct cnet_pkt* pkt, const struct cnet_fdb_key* key,
                                      __u64 now_ns) {
    struct cnet_fdb_entry entry = {
        .last_seen_ns = now_ns,
        .ifindex = pkt->ifindex,
        .port_flags = pkt->port_flags,
        .peer_id = pkt->peer_id,
    };
    __u32* learned;
    int err;

    if (!fdb_reserve(pkt->network_id, &learned)) {
        count(pkt->hook, CNET_R_MAC_LIMIT, pkt->len);
        return 0;
    }
    err = map_insert(&cnet_fdb, key, &entry);
    if (!err) {
        pkt->events |= CNET_EVENT_MAC_NEW;
        return 1;
    }
    __sync_fetch_and_add(learned, -1);
    if (err == -CNET_EEXIST) return 1; /* another CPU learned it just now */
    count(pkt->hook, CNET_R_FDB_FULL, pkt->len);
    return 0;
}

/* Behind this device, or, without one, behind this peer. */
static __always_inline int fdb_is_at(const struct cnet_fdb_entry* entry,
                                     const struct cnet_pkt* pkt) {
    return entry->ifindex == pkt->ifindex && entry->peer_id == pkt->peer_id;
}

/*
 * Remembers where the source MAC lives, `entry` being what is known of it and not stated. A MAC
 * that moves takes its entry along, as on a bridge. ifindex, port_flags and peer_id are three
 * stores: a reader in between sends one frame with a part of the other place, and the kernel drops
 * it or delivers it the slow way. 0: there was no room for it.
 */
static __always_inline int fdb_note(struct cnet_pkt* pkt, const struct cnet_fdb_key* key,
                                    struct cnet_fdb_entry* entry) {
    __u64 now_ns;

    trace_learn(!entry                  ? CNET_TRACE_LEARN_NEW
                : fdb_is_at(entry, pkt) ? CNET_TRACE_LEARN_KNOWN
                                        : CNET_TRACE_LEARN_MOVED);
    if (!effects_allowed()) return 1;
    now_ns = clock_coarse_ns();
    if (!entry) return fdb_insert(pkt, key, now_ns);
    if (entry->last_seen_ns == CNET_CLAIMED) return 0;
    if (!fdb_is_at(entry, pkt) || entry->port_flags != pkt->port_flags) {
        if (!fdb_is_at(entry, pkt)) pkt->events |= CNET_EVENT_MAC_MOVED;
        entry->port_flags = pkt->port_flags;
        entry->ifindex = pkt->ifindex;
        entry->peer_id = pkt->peer_id;
        entry->last_seen_ns = now_ns;
        memo_forget();
    } else if (now_ns - entry->last_seen_ns > FDB_REFRESH_NS) {
        entry->last_seen_ns = now_ns;
    }
    return 1;
}

/* Stated, or seen lately, where the packet comes from: there is nothing to note of it. */
static __always_inline int fdb_is_fresh(const struct cnet_fdb_entry* entry,
                                        const struct cnet_pkt* pkt) {
    if (!fdb_is_at(entry, pkt)) return 0;
    return entry->flags & CNET_FDB_STATIC ||
           (entry->port_flags == pkt->port_flags &&
            clock_coarse_ns() - entry->last_seen_ns <= FDB_REFRESH_NS);
}

/* Stage: learn the source MAC. A stated one does not move, and a frame that pretends otherwise is
 * dropped. */
static __always_inline enum cnet_verdict fdb_learn(struct cnet_pkt* pkt) {
    struct cnet_fdb_key key = fdb_key(pkt->network_id, pkt->src_mac);
    struct memo_mac* place = fdb_place(&key);
    __u64 stamp = memo_stamp();
    struct cnet_fdb_entry* entry;

    if (likely(fdb_is_known(place, stamp, &key) && fdb_is_fresh(&place->entry, pkt))) return V_NEXT;
    entry = bpf_map_lookup_elem(&cnet_fdb, &key);
    if (entry && entry->flags & CNET_FDB_STATIC && !fdb_is_at(entry, pkt))
        return drop(pkt, CNET_R_SPOOFED_MAC);
    if (pkt->port_flags & CNET_PORT_LEARNING && !(entry && entry->flags & CNET_FDB_STATIC))
        fdb_note(pkt, &key, entry);
    if (entry && fdb_is_fresh(entry, pkt)) fdb_remember(place, stamp, &key, entry);
    return V_NEXT;
}

#endif
