/* bpf_redirect alone, between devices whose numbers differ in the last bit. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int cnet_redirect_out(struct __sk_buff* skb) {
    return bpf_redirect(skb->ifindex ^ 1, 0);
}

char cnet_license[] SEC("license") = "GPL";
