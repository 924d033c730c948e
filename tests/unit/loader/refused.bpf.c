// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the verifier does not accept: a packet read without a bound. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int cnet_endpoint(struct __sk_buff* skb) {
    return *(char*)(long)skb->data;
}
