/* What any translation by BPF costs at least on its way in: one port, known when this is compiled,
 * no table, no state. The container's veth is the device whose number differs in the last bit. What
 * is not for the port goes to the host. */
#include "static_nat.h"

SEC("tc")
int cnet_nat_in(struct __sk_buff* skb) {
    const struct ethhdr eth = {CONTAINER_MAC, PORT_MAC, bpf_htons(ETH_P_IP)};
    struct packet* packet = packet_of(skb);

    if (!packet || packet->ip.daddr != HOST_ADDRESS || packet->tcp.dest != HOST_PORT)
        return TC_ACT_UNSPEC;
    if (correct_tcp(skb, HOST_ADDRESS, ADDRESS, HOST_PORT, PORT)) return TC_ACT_SHOT;
    packet = packet_of(skb);
    if (!packet) return TC_ACT_SHOT;
    packet->eth = eth;
    packet->ip.check = checksum_after(packet->ip.check, HOST_ADDRESS, ADDRESS);
    packet->ip.daddr = ADDRESS;
    packet->tcp.dest = PORT;
    return bpf_redirect_peer(skb->ifindex ^ 1, 0);
}
