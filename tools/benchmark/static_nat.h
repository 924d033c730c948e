/*
 * The one published port of nat_in.bpf.c and nat_out.bpf.c, known when they are compiled:
 * 198.18.0.1:8080 on the host is 10.88.0.2:5201 in the container, and each device has a MAC of
 * these.
 */
#ifndef CNET_BENCH_STATIC_NAT_H
#define CNET_BENCH_STATIC_NAT_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define HOST_ADDRESS bpf_htonl(0xc6120001)
#define HOST_PORT bpf_htons(8080)
#define ADDRESS bpf_htonl(0x0a580002)
#define PORT bpf_htons(5201)

#define MAC(last)                                                                                  \
    { 0x02, 0, 0, 0, 0x0b, last }
#define OUTSIDE_MAC MAC(1)
#define UPLINK_MAC MAC(2)
#define PORT_MAC MAC(3)
#define CONTAINER_MAC MAC(4)

#define CHECKSUM (ETH_HLEN + sizeof(struct iphdr) + __builtin_offsetof(struct tcphdr, check))

struct packet {
    struct ethhdr eth;
    struct iphdr ip;
    struct tcphdr tcp;
} __attribute__((packed));

/* A packet of TCP without options of IP; NULL for another. */
static __always_inline struct packet* packet_of(struct __sk_buff* skb) {
    struct packet* packet = (void*)(long)skb->data;

    if ((void*)(packet + 1) > (void*)(long)skb->data_end) return NULL;
    if (packet->eth.h_proto != bpf_htons(ETH_P_IP) || packet->ip.ihl != 5 ||
        packet->ip.protocol != IPPROTO_TCP)
        return NULL;
    return packet;
}

/* RFC 1624: the header's checksum after an address of it has changed. */
static __always_inline __u16 checksum_after(__u16 check, __be32 from, __be32 to) {
    __u32 sum = (__u16)~check;

    sum += (__u16)~from + (__u16) ~(from >> 16) + (__u16)to + (to >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static __always_inline int correct_tcp(struct __sk_buff* skb, __be32 from, __be32 to,
                                       __be16 from_port, __be16 to_port) {
    return bpf_l4_csum_replace(skb, CHECKSUM, from, to, BPF_F_PSEUDO_HDR | sizeof(to)) ||
           bpf_l4_csum_replace(skb, CHECKSUM, from_port, to_port, sizeof(to_port));
}

char cnet_license[] SEC("license") = "GPL";

#endif
