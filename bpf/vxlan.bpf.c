// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tc ingress of the kept vxlan device: what `uplink` left to the kernel, taken apart by it. Nothing
 * of this is the host's own.
 */
#include "lib/overlay.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The tunnel's far end and VNI. False: not from the tunnel at all. */
static __always_inline int tunnel_source(struct __sk_buff* skb, union cnet_addr* remote,
                                         __u32* vni) {
    struct bpf_tunnel_key key = {};

    if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0)) {
        *remote = addr_from_v4(bpf_htonl(key.remote_ipv4));
    } else if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6)) {
        __builtin_memcpy(remote, key.remote_ipv6, sizeof(*remote));
    } else {
        return 0;
    }
    *vni = key.tunnel_id;
    return 1;
}

static __always_inline enum cnet_verdict vxlan_receive(struct __sk_buff* skb,
                                                       struct cnet_pkt* pkt) {
    struct overlay_target target;
    union cnet_addr remote;
    const struct cnet_vtep* from;
    int verdict;
    __u32 vni;

    pkt->len = skb->len;
    if (!tunnel_source(skb, &remote, &vni)) return drop(pkt, CNET_R_VXLAN_STRANGER);
    from = vtep_sender(&remote);
    if (!from || !from->peer_id) return drop(pkt, CNET_R_VXLAN_STRANGER);
    verdict = overlay_network(pkt, from->peer_id, vni);
    if (verdict == V_NEXT && eth_parse(pkt, tc_data(skb), tc_data_end(skb)) != PARSE_OK)
        verdict = drop(pkt, CNET_R_VXLAN_BAD);
    if (verdict == V_NEXT) verdict = overlay_switch(pkt, &target);
    return verdict == V_NEXT ? overlay_deliver(skb, pkt, &target) : verdict;
}

SEC("tc")
int cnet_vxlan(struct __sk_buff* skb) {
    struct cnet_pkt pkt = {.hook = CNET_HOOK_VXLAN};

    return tc_exit(skb, &pkt, vxlan_receive(skb, &pkt));
}
