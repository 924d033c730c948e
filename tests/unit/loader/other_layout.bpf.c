// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A version in which cnet_host_addr's value has grown. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct larger {
    __u64 words[64];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, struct larger);
} cnet_host_addr SEC(".maps");

SEC("tc")
int cnet_endpoint(struct __sk_buff* skb) {
    __u32 key = skb->mark;
    struct larger* value = bpf_map_lookup_elem(&cnet_host_addr, &key);

    return value ? (int)value->words[0] : -1;
}
