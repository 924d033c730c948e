/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The smallest programs with the data path's names and maps: they let everything pass. */
#include "maps/defs.bpf.h"

#include <linux/pkt_cls.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct cnet_config cnet_cfg = {};

#define TEST_PROGRAM(name)                                                                         \
    SEC("tc") int name(struct __sk_buff* skb) {                                                    \
        return skb->mark == TEST_MARK ? TC_ACT_SHOT : -1;                                          \
    }

TEST_PROGRAM(cnet_endpoint)
TEST_PROGRAM(cnet_hostport)
TEST_PROGRAM(cnet_uplink)
TEST_PROGRAM(cnet_uplink_l3)
TEST_PROGRAM(cnet_uplink_egress)
TEST_PROGRAM(cnet_uplink_egr_l3)

SEC("xdp.frags")
int cnet_uplink_xdp(struct xdp_md* ctx) {
    return ctx->rx_queue_index == TEST_MARK ? XDP_DROP : XDP_PASS;
}

/* Shows what reached it: the number of candidates, but the configuration when there are one or two.
 */
SEC("tc")
int cnet_gc(struct __sk_buff* skb) {
    struct cnet_gc_header header;

    if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header))) return 1000;
    if (header.count == 1) return cnet_cfg.fib_cache_ms == 777;
    if (header.count == 2) return cnet_cfg.dry_run;
    return header.count;
}
