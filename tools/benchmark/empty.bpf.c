/* A program that does nothing: what the kernel counts for it is what counting costs. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int cnet_empty(struct __sk_buff* skb) {
    (void)skb;
    return TC_ACT_UNSPEC;
}

char cnet_license[] SEC("license") = "GPL";
