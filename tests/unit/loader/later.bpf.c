// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Maps of a version to come. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "tests/unit/loader/later.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, struct later_key);
    __type(value, struct later_entry);
} cnet_ct SEC(".maps");

/* Longer than this version's. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 65536);
    __type(key, __u32);
    __type(value, struct later_counter);
} cnet_counters SEC(".maps");

/* This version has none. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u64);
} cnet_later SEC(".maps");
