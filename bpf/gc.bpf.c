// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The collector, run by cnetd through BPF_PROG_TEST_RUN. Its "packet" is a cnet_gc_header and
 * candidates that user space believes dead. Only what has not been seen since is claimed, by
 * compare-and-swap on last_seen_ns, and deleted; so no packet that arrives meanwhile loses its
 * flow. Returns how many it deleted.
 */
#include "lib/fdb.h"
#include "lib/slot.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct gc_walk {
    struct __sk_buff* skb;
    __u32 deleted;
};

/* `expected_ns` 0: whatever it is. */
static __always_inline int claim(__u64* last_seen_ns, __u64 expected_ns) {
    __u64 seen_ns = READ_ONCE(*last_seen_ns);

    if (seen_ns == CNET_CLAIMED || (expected_ns && seen_ns != expected_ns)) return 0;
    return __sync_val_compare_and_swap(last_seen_ns, seen_ns, CNET_CLAIMED) == seen_ns;
}

/*
 * Deletes both halves and gives their ports back. An expired REVERSE whose FORWARD is gone (a crash
 * cannot leave one, a full map during roll-back cannot either; a hand with bpftool can) is a
 * candidate itself.
 */
static long collect_ct(__u32 index, void* data) {
    struct gc_walk* walk = data;
    struct cnet_gc_ct candidate;
    struct cnet_ct_entry *entry, *other;
    struct cnet_ct_key other_key;
    __u8 flags, other_flags = 0;

    if (bpf_skb_load_bytes(walk->skb, sizeof(struct cnet_gc_header) + index * sizeof(candidate),
                           &candidate, sizeof(candidate)))
        return 1;
    entry = bpf_map_lookup_elem(&cnet_ct, &candidate.key);
    if (!entry) return 0;
    other_key = entry->other;
    other = bpf_map_lookup_elem(&cnet_ct, &other_key);
    if (entry->kind == CNET_CT_REVERSE && other) return 0;
    flags = entry->kind == CNET_CT_REVERSE ? entry->flags : 0;
    if (other && other->kind == CNET_CT_REVERSE) other_flags = other->flags;
    if (!claim(&entry->last_seen_ns, candidate.last_seen_ns)) return 0;
    if (entry->kind == CNET_CT_FORWARD && !bpf_map_delete_elem(&cnet_ct, &other_key))
        slot_hold(&other_key, other_flags, -1);
    if (!bpf_map_delete_elem(&cnet_ct, &candidate.key)) {
        slot_hold(&candidate.key, flags, -1);
        walk->deleted++;
    }
    return 0;
}

static long collect_fdb(__u32 index, void* data) {
    struct gc_walk* walk = data;
    struct cnet_fdb_entry* entry;
    struct cnet_gc_fdb candidate;
    __u32* learned;

    if (bpf_skb_load_bytes(walk->skb, sizeof(struct cnet_gc_header) + index * sizeof(candidate),
                           &candidate, sizeof(candidate)))
        return 1;
    entry = bpf_map_lookup_elem(&cnet_fdb, &candidate.key);
    if (!entry || entry->flags & CNET_FDB_STATIC ||
        !claim(&entry->last_seen_ns, candidate.last_seen_ns))
        return 0;
    if (bpf_map_delete_elem(&cnet_fdb, &candidate.key)) return 0;
    memo_forget();
    walk->deleted++;
    learned = bpf_map_lookup_elem(&cnet_fdb_count, &candidate.key.network_id);
    if (learned) __sync_fetch_and_add(learned, -1);
    return 0;
}

/* What cnetd has counted; `begun` goes on meanwhile, so the entry cannot be written as a whole. */
static long settle_quota(__u32 index, void* data) {
    struct gc_walk* walk = data;
    struct cnet_gc_quota counted;
    struct cnet_quota* quota;

    if (bpf_skb_load_bytes(walk->skb, sizeof(struct cnet_gc_header) + index * sizeof(counted),
                           &counted, sizeof(counted)))
        return 1;
    quota = bpf_map_lookup_elem(&cnet_quota, &counted.ifindex);
    if (quota) WRITE_ONCE(quota->gone, counted.gone);
    return 0;
}

SEC("tc")
int cnet_gc(struct __sk_buff* skb) {
    struct gc_walk walk = {.skb = skb};
    struct cnet_gc_header header;
    __u32 candidates;

    if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header))) return 0;
    candidates = header.count > CNET_GC_BATCH_MAX ? CNET_GC_BATCH_MAX : header.count;
    if (header.op == CNET_GC_CT)
        bpf_loop(candidates, collect_ct, &walk, 0);
    else if (header.op == CNET_GC_FDB)
        bpf_loop(candidates, collect_fdb, &walk, 0);
    else if (header.op == CNET_GC_QUOTA)
        bpf_loop(candidates, settle_quota, &walk, 0);
    return walk.deleted;
}
