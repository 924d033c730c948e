/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages: what comes from a peer, once it is known to be one's. `uplink` takes VXLAN apart itself
 * (decap.h); `vxlan` has it from the kept device, which has done so.
 */
#ifndef CNET_LIB_OVERLAY_H
#define CNET_LIB_OVERLAY_H

#include "bridge.h"

static __always_inline const struct cnet_vni* vni_lookup(__u32 vni) {
    struct memo* memo = memo_get();
    __u64 stamp = memo_stamp();
    struct cnet_vni* network;
    struct memo_vni* known;

    if (!memo_is_used()) return bpf_map_lookup_elem(&cnet_vni, &vni);
    if (!memo) return NULL;
    known = &memo->vnis[vni % MEMO_TUNNELS];
    if (likely(known->stamp == stamp && known->vni == vni)) return &known->network;
    network = bpf_map_lookup_elem(&cnet_vni, &vni);
    if (!network) return NULL;
    known->network = *network;
    known->vni = vni;
    known->stamp = stamp;
    return &known->network;
}

/* The frame's network and what that says of frames from peers. */
static __always_inline enum cnet_verdict overlay_network(struct cnet_pkt* pkt, __u32 peer_id,
                                                         __u32 vni) {
    const struct cnet_vni* network = vni_lookup(vni);

    if (unlikely(!network)) return drop(pkt, CNET_R_VXLAN_VNI);
    trace_tunnel(network->network_id, peer_id, vni);
    pkt->network_id = network->network_id;
    pkt->port_flags = network->port_flags;
    pkt->ifindex = 0;
    pkt->peer_id = peer_id;
    return V_NEXT;
}

/* Where the frame goes: a port of this host's, or to all of them. */
struct overlay_target {
    __u32 ifindex; /* 0: flood */
    __u32 port_flags;
};

/* The inner addresses are in `pkt`. Whoever is stated to live here is not behind a peer; the
 * gateway is one of them. */
VERIFIED_ONCE int overlay_switch(struct cnet_pkt* pkt, struct overlay_target* target) {
    const struct cnet_fdb_entry* entry;
    int verdict;

    if (!pkt || !target) return V_DROP;
    target->ifindex = 0;
    target->port_flags = 0;
    if (unlikely(mac_is_multicast(pkt->src_mac))) return drop(pkt, CNET_R_MULTICAST_SOURCE);
    if (unlikely(mac_is_link_local(pkt->dst_mac))) return drop(pkt, CNET_R_LINK_LOCAL_MCAST);
    verdict = fdb_learn(pkt);
    if (verdict != V_NEXT || mac_is_multicast(pkt->dst_mac)) return verdict;
    entry = fdb_lookup(pkt->network_id, pkt->dst_mac);
    if (!entry) return V_NEXT;
    if (unlikely(entry->peer_id)) return drop(pkt, CNET_R_VXLAN_RELAY);
    if (unlikely(entry->port_flags & CNET_PORT_HOST)) return drop(pkt, CNET_R_GATEWAY_LOCAL);
    if (unlikely(icc_forbids(pkt, entry->port_flags))) return drop(pkt, CNET_R_ICC_OFF);
    target->ifindex = entry->ifindex;
    target->port_flags = entry->port_flags;
    return V_NEXT;
}

static __always_inline enum cnet_verdict
overlay_deliver(struct __sk_buff* skb, struct cnet_pkt* pkt, const struct overlay_target* target) {
    if (!target->ifindex) return bridge_flood(skb, pkt);
    if (unlikely(!port_takes(skb, target->ifindex, target->port_flags)))
        return drop(pkt, CNET_R_PORT_MTU);
    return redirected(pkt, tc_send_to_port(skb, target->ifindex, target->port_flags),
                      CNET_R_VXLAN_RECEIVED);
}

#endif
