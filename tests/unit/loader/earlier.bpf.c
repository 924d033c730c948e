// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Maps of a version before. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "tests/unit/loader/earlier.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, struct earlier_key);
    __type(value, struct earlier_entry);
} cnet_ct SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, struct earlier_counter);
} cnet_counters SEC(".maps");

/* This version's is a hash. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} cnet_uplinks SEC(".maps");
