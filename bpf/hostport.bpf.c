// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc ingress of the host port's inner end: what the host sends into a network. The host's stack has
 * routed it to the outer end, which holds the gateway's address and MAC.
 */
#include "lib/arp.h"
#include "lib/bridge.h"
#include "lib/host_source.h"
#include "lib/nd.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int cnet_hostport(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_HOSTPORT};
    const struct cnet_port* port;
    int verdict = port_admit(skb, &pkt, &port);

    if (verdict == V_NEXT) verdict = arp_answer(skb, &pkt);
    if (verdict == V_NEXT) verdict = nd_answer(skb, &pkt);
    if (verdict == V_NEXT) verdict = host_source_check(skb, &pkt, port);
    if (verdict == V_NEXT && port->flags & CNET_PORT_DHCP) dhcp_from_server(skb, &pkt);
    if (verdict == V_NEXT) verdict = bridge_forward(skb, &pkt);
    if (verdict == V_NEXT && unlikely(pkt.peer_id)) verdict = drop(&pkt, CNET_R_GATEWAY_LOCAL);
    if (verdict == V_NEXT) verdict = bridge_flood(skb, &pkt);
    return tc_exit(skb, &pkt, verdict);
}
