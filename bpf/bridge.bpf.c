// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A bridge that somebody else made. What comes in at its ports and goes to a MAC that was learned
 * at another one goes there at once; so does what the host sends out of the bridge's own device,
 * since the bridge, which sees nothing of the rest, would flood it before long.
 */
#include "lib/adopted_nat.h"
#include "lib/adopted_rules.h"
#include "lib/hairpin.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int cnet_bridgeport(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_BRIDGE_PORT};
    const struct cnet_port* port;
    int verdict = adopted_admit(skb, &pkt, &port);

    if (verdict == V_NEXT) verdict = hairpin_answer(skb, &pkt);
    if (verdict == V_NEXT && unlikely(pkt.port_flags & ADOPTED_LIMITED))
        verdict = adopted_limit(skb, &pkt);
    if (verdict == V_NEXT) verdict = adopted_learn(&pkt, port);
    if (verdict == V_NEXT && pkt.port_flags & ADOPTED_ROUTED &&
        mac_equal(pkt.dst_mac, port->gateway_mac))
        verdict = adopted_route(skb, &pkt);
    if (verdict == V_NEXT) verdict = adopted_forward(skb, &pkt);
    return tc_exit(skb, &pkt, verdict);
}

SEC("tc")
int cnet_bridge(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_BRIDGE};
    const struct cnet_port* port;
    int verdict = adopted_admit(skb, &pkt, &port);
    int marked = skb->tc_index == CNET_TRANSLATED;

    /* Of stranger_send(): a container that forwards the packet would forward the mark. */
    if (skb->tc_index) skb->tc_index = 0;
    if (verdict == V_NEXT && pkt.port_flags & ADOPTED_GUARDED)
        verdict = adopted_guard(skb, &pkt, marked);
    if (verdict == V_NEXT) verdict = adopted_from_host(skb, &pkt);
    return tc_exit(skb, &pkt, verdict);
}
