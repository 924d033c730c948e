// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tc ingress of an endpoint's host-side veth: everything that the container sends. */
#include "lib/arp.h"
#include "lib/bridge.h"
#include "lib/encap.h"
#include "lib/gateway.h"
#include "lib/hairpin.h"
#include "lib/nd.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline enum cnet_verdict
source_learn_or_check(struct __sk_buff* skb, struct cnet_pkt* pkt, const struct cnet_port* port) {
    enum cnet_verdict verdict = V_NEXT;

    if (likely(port->flags & CNET_PORT_CHECK_SOURCE)) verdict = source_check(skb, pkt, port);
    if (verdict == V_NEXT && unlikely(port->flags & CNET_PORT_LEARNING)) {
        verdict = fdb_learn(pkt);
        if (verdict == V_NEXT && port->flags & CNET_PORT_DHCP) dhcp_from_server(skb, pkt);
    }
    return verdict;
}

SEC("tc")
int cnet_endpoint(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_ENDPOINT};
    const struct cnet_port* port;
    int verdict = port_admit(skb, &pkt, &port);

    if (verdict == V_NEXT) verdict = source_learn_or_check(skb, &pkt, port);
    if (verdict == V_NEXT) verdict = arp_answer(skb, &pkt);
    if (verdict == V_NEXT) verdict = nd_answer(skb, &pkt);
    if (verdict == V_NEXT && mac_equal(pkt.dst_mac, port->gateway_mac))
        verdict = gateway_forward(skb, &pkt);
    if (verdict == V_NEXT) verdict = hairpin_answer(skb, &pkt);
    if (verdict == V_NEXT) verdict = bridge_forward(skb, &pkt);
    if (verdict == V_NEXT && unlikely(pkt.peer_id)) verdict = overlay_send(skb, &pkt, port->vni);
    if (verdict == V_NEXT) verdict = bridge_flood(skb, &pkt);
    return tc_exit(skb, &pkt, verdict);
}
