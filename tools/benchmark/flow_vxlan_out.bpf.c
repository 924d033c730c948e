/*
 * The way out through a flow-based vxlan device ("external"), whose number differs in the last bit:
 * the program says to whom. 10.88.0.N is at the host 198.18.0.(N-1).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VNI 300
#define FIRST_HOST 0xc6120000
#define IP_DESTINATION 30
#define ARP_TARGET 38

SEC("tc")
int cnet_flow_vxlan(struct __sk_buff* skb) {
    struct bpf_tunnel_key key = {.tunnel_id = VNI, .tunnel_ttl = 64};
    int where = skb->protocol == bpf_htons(ETH_P_ARP) ? ARP_TARGET : IP_DESTINATION;
    __be32 target = 0;

    if (skb->protocol != bpf_htons(ETH_P_ARP) && skb->protocol != bpf_htons(ETH_P_IP))
        return TC_ACT_SHOT;
    if (bpf_skb_load_bytes(skb, where, &target, sizeof(target))) return TC_ACT_SHOT;
    key.remote_ipv4 = FIRST_HOST + (bpf_ntohl(target) & 0xff) - 1;
    if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX)) return TC_ACT_SHOT;
    return bpf_redirect(skb->ifindex ^ 1, 0);
}

char cnet_license[] SEC("license") = "GPL";
