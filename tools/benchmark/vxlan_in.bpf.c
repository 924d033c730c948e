/* The other half of vxlan_out.bpf.c: 50 bytes taken away again, and bpf_redirect_peer. What is no
 * such packet, as ARP, is redirected as it is. */
#include "vxlan_room.h"

SEC("tc")
int cnet_vxlan_in(struct __sk_buff* skb) {
    struct room room;

    if (!bpf_skb_load_bytes(skb, ETH_HLEN, &room, sizeof(room)) &&
        room.ip.protocol == IPPROTO_UDP) {
        if (bpf_skb_adjust_room(skb, -(int)sizeof(room), BPF_ADJ_ROOM_MAC, ROOM_FLAGS))
            return TC_ACT_SHOT;
        bpf_skb_store_bytes(skb, 0, &room.inner, sizeof(room.inner), 0);
    }
    return bpf_redirect_peer(skb->ifindex ^ 1, 0);
}
