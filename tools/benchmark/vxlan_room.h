/* What vxlan_out.bpf.c, vxlan_neigh_out.bpf.c and vxlan_in.bpf.c agree on. */
#ifndef CNET_BENCH_VXLAN_ROOM_H
#define CNET_BENCH_VXLAN_ROOM_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Between the outer Ethernet header and the inner IP header. */
struct room {
    struct iphdr ip;
    struct udphdr udp;
    __u8 vxlan[8];
    struct ethhdr inner;
} __attribute__((packed));

#define ROOM_FLAGS (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET)
#define OUT_FLAGS                                                                                  \
    (ROOM_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |                     \
     BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

/* Makes room for the header, which has still to be stored; it is the same for each packet. */
static __always_inline long make_room(struct __sk_buff* skb, struct room* room) {
    *room = (struct room){.ip.version = 4, .ip.ihl = 5, .ip.ttl = 64, .ip.protocol = IPPROTO_UDP};
    bpf_skb_load_bytes(skb, 0, &room->inner, sizeof(room->inner));
    return bpf_skb_adjust_room(skb, sizeof(*room), BPF_ADJ_ROOM_MAC, OUT_FLAGS);
}

char cnet_license[] SEC("license") = "GPL";

#endif
