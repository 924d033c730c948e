/* What vxlan_out.bpf.c and vxlan_in.bpf.c agree on. */
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
};

#define ROOM_FLAGS (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET)

char cnet_license[] SEC("license") = "GPL";

#endif
