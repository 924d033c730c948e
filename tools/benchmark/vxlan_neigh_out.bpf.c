/* vxlan_out.bpf.c, but that the kernel's neighbour table says the outer MACs (bpf_redirect_neigh),
 * as it does for ours: those of 198.18.0.9 on either end of the wire. */
#include "vxlan_room.h"

#define AF_INET 2
#define NEIGHBOUR 0xc6120009

SEC("tc")
int cnet_neigh_out(struct __sk_buff* skb) {
    struct bpf_redir_neigh to = {.nh_family = AF_INET, .ipv4_nh = bpf_htonl(NEIGHBOUR)};
    struct room room;

    if (skb->protocol != bpf_htons(ETH_P_IP)) return bpf_redirect(skb->ifindex ^ 1, 0);
    if (make_room(skb, &room)) return TC_ACT_SHOT;
    bpf_skb_store_bytes(skb, ETH_HLEN, &room, sizeof(room), 0);
    return bpf_redirect_neigh(skb->ifindex ^ 1, &to, sizeof(to), 0);
}
