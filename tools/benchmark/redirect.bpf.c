/* bpf_redirect_peer alone, between devices whose numbers differ in the last bit. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int cnet_redirect(struct __sk_buff* skb) {
    return bpf_redirect_peer(skb->ifindex ^ 1, 0);
}

char cnet_license[] SEC("license") = "GPL";
