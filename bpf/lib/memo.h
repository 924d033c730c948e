/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entries of hashes that were looked up in this tick, for the next packet on this CPU: a look-up is
 * a call that returns four times, this is a few loads.
 *
 * A copy counts while its stamp is memo_stamp(): until the next tick, or until somebody has changed
 * a table that is remembered, which adds to cnet_written after the change. The stamp is taken
 * before the hash is asked, so what is older than a change has an older stamp. What is not there is
 * not remembered, and `explain` neither asks nor writes.
 *
 * For programs of packets alone, of which none runs inside another on a CPU: see scratch.h. A copy
 * stays as it is until the same table is asked for another key.
 */
#ifndef CNET_LIB_MEMO_H
#define CNET_LIB_MEMO_H

#include "count.h"

/* Powers of two: a key's place follows from its low bits. */
#define MEMO_PORTS 64
#define MEMO_MACS 64
#define MEMO_TUNNELS 16

struct memo_port {
    __u64 stamp;
    __u32 ifindex;
    struct cnet_port port;
};

struct memo_mac {
    __u64 stamp;
    struct cnet_fdb_entry entry;
    struct cnet_fdb_key key;
};

struct memo_vtep {
    __u64 stamp;
    union cnet_addr addr;
    struct cnet_vtep vtep;
};

struct memo_vni {
    __u64 stamp;
    struct cnet_vni network;
    __u32 vni;
};

struct memo {
    struct memo_port ports[MEMO_PORTS];
    struct memo_mac macs[MEMO_MACS];
    struct memo_vtep vteps[MEMO_TUNNELS];
    struct memo_vni vnis[MEMO_TUNNELS];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct memo);
} cnet_memo SEC(".maps");

static __always_inline int memo_is_used(void) {
    return !CNET_EXPLAINING && effects_allowed();
}

static __always_inline struct memo* memo_get(void) {
    __u32 zero = 0;

    return bpf_map_lookup_elem(&cnet_memo, &zero); /* never NULL, as scratch_get() */
}

static __always_inline __u64 memo_stamp(void) {
    return (__u64)READ_ONCE(cnet_written_state.changes) << 32 | (__u32)bpf_jiffies64();
}

/* A table that is remembered has just been changed by the programs themselves. */
static __always_inline void memo_forget(void) {
    __sync_fetch_and_add(&cnet_written_state.changes, 1);
}

#endif
