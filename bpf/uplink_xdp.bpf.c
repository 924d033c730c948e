// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * XDP of an uplink: drops what the tc program would drop for what stands in the first headers
 * alone, for the same reason and by the same maps, before there is an skb. All else goes on to it,
 * untouched.
 */
#define CNET_XDP
#include "lib/early.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline enum cnet_verdict early_receive(struct xdp_md* ctx, struct cnet_pkt* pkt) {
    int verdict = V_NEXT;

    if (xdp_parse(ctx, pkt) != PARSE_OK) return V_NEXT;
    if (unlikely(is_vxlan(pkt))) verdict = early_vxlan(ctx, pkt);
    if (verdict == V_NEXT) verdict = early_published(pkt);
    return verdict == V_DROP && early_is_for_host(pkt) ? V_DROP : V_NEXT;
}

/* Frags: without it a driver would refuse an MTU of more than a page, and nothing here minds. */
SEC("xdp.frags")
int cnet_uplink_xdp(struct xdp_md* ctx) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_UPLINK_XDP};

    return xdp_exit(ctx, &pkt, early_receive(ctx, &pkt));
}
