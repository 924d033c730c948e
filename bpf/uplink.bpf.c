// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tc ingress of an uplink: replies of tracked flows, new connections to published ports; the rest
 * is the host's. */
#include "lib/uplink.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int cnet_uplink(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_UPLINK};

    return tc_exit(skb, &pkt, uplink_receive(skb, &pkt, ETH_HLEN));
}

/* A device without Ethernet headers: tun, WireGuard, ppp. */
SEC("tc")
int cnet_uplink_l3(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_UPLINK};

    return tc_exit(skb, &pkt, uplink_receive(skb, &pkt, 0));
}
