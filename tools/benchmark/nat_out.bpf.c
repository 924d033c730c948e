/* The other half of nat_in.bpf.c: what the port answers. All else stays where it is. */
#include "static_nat.h"

SEC("tc")
int cnet_nat_out(struct __sk_buff* skb) {
    const struct ethhdr eth = {OUTSIDE_MAC, UPLINK_MAC, bpf_htons(ETH_P_IP)};
    struct packet* packet = packet_of(skb);

    if (!packet || packet->ip.saddr != ADDRESS || packet->tcp.source != PORT) return TC_ACT_SHOT;
    if (correct_tcp(skb, ADDRESS, HOST_ADDRESS, PORT, HOST_PORT)) return TC_ACT_SHOT;
    packet = packet_of(skb);
    if (!packet) return TC_ACT_SHOT;
    packet->eth = eth;
    packet->ip.check = checksum_after(packet->ip.check, ADDRESS, HOST_ADDRESS);
    packet->ip.saddr = HOST_ADDRESS;
    packet->tcp.source = HOST_PORT;
    return bpf_redirect(skb->ifindex ^ 1, 0);
}
