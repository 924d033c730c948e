/*
 * What any VXLAN by bpf_skb_adjust_room costs at least on the way out: 50 bytes made, written (the
 * same for each packet, the outer MACs among them) and redirected, between devices whose numbers
 * differ in the last bit. What is not IPv4 is redirected as it is.
 */
#include "vxlan_room.h"

/* Of the uplinks on both ends of the wire. */
#define UPLINK_MAC                                                                                 \
    { 0x02, 0, 0, 0, 0x0b, 1 }

SEC("tc")
int cnet_vxlan_out(struct __sk_buff* skb) {
    struct {
        struct ethhdr outer;
        struct room room;
    } __attribute__((packed)) head = {.outer = {UPLINK_MAC, UPLINK_MAC, bpf_htons(ETH_P_IP)}};

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        if (make_room(skb, &head.room)) return TC_ACT_SHOT;
        bpf_skb_store_bytes(skb, 0, &head, sizeof(head), 0);
    }
    return bpf_redirect(skb->ifindex ^ 1, 0);
}
