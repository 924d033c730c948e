/* What a device's driver does without a program of ours: every packet becomes an skb. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int cnet_xdp_pass(struct xdp_md* ctx) {
    (void)ctx;
    return XDP_PASS;
}

char cnet_license[] SEC("license") = "GPL";
