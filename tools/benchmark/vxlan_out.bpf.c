/*
 * What any VXLAN by bpf_skb_adjust_room costs at least on the way out: 50 bytes made, written (the
 * same for each packet) and redirected, between devices whose numbers differ in the last bit. What
 * is not IPv4 is redirected as it is.
 */
#include "vxlan_room.h"

#define OUT_FLAGS                                                                                  \
    (ROOM_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |                     \
     BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

SEC("tc")
int cnet_vxlan_out(struct __sk_buff* skb) {
    struct room room = {.ip.version = 4, .ip.ihl = 5, .ip.ttl = 64, .ip.protocol = IPPROTO_UDP};

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        bpf_skb_load_bytes(skb, 0, &room.inner, sizeof(room.inner));
        if (bpf_skb_adjust_room(skb, sizeof(room), BPF_ADJ_ROOM_MAC, OUT_FLAGS)) return TC_ACT_SHOT;
        bpf_skb_store_bytes(skb, ETH_HLEN, &room, sizeof(room), 0);
    }
    return bpf_redirect(skb->ifindex ^ 1, 0);
}
