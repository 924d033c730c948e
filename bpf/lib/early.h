/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages: what `uplink` would drop, told before there is an skb. V_NEXT: whatever else it is, the
 * tc program says. A stage that drops has asked all that overlay_receive() (decap.h) and
 * uplink_new() (uplink.h) ask before they drop for that reason.
 */
#ifndef CNET_LIB_EARLY_H
#define CNET_LIB_EARLY_H

#include "conntrack.h"
#include "ctx_xdp.h"
#include "fdb.h"
#include "host_addr.h"
#include "new_limit.h"
#include "slot.h"
#include "vtep.h"

/* From a peer, with its headers at `inside`. Whoever left a checksum to be computed may have been
 * damaged, and is the kernel's. */
static __always_inline enum cnet_verdict
early_vni(struct cnet_pkt* pkt, const struct vxlan_inside* inside, __u32 ip_hlen) {
    __u32 vni;

    if (!vxlan_read(&inside->vxlan, &vni)) return drop(pkt, CNET_R_VXLAN_BAD);
    if (inside->udp.check || !decap_is_plain(pkt, inside, ip_hlen)) return V_NEXT;
    return bpf_map_lookup_elem(&cnet_vni, &vni) ? V_NEXT : drop(pkt, CNET_R_VXLAN_VNI);
}

static __always_inline enum cnet_verdict early_vxlan(struct xdp_md* ctx, struct cnet_pkt* pkt) {
    void *data = xdp_data(ctx), *data_end = xdp_data_end(ctx);
    const struct cnet_vtep* from = vtep_sender(&pkt->tuple.src);
    __u32 ip_hlen = pkt->flags & PKT_IP6 ? IP6_HLEN : sizeof(struct iphdr);
    struct vxlan_inside* inside;

    if (!from || !from->peer_id || !addr_equal(&from->local, &pkt->tuple.dst))
        return decap_stranger(pkt);
    if (pkt->l4_off != ETH_HLEN + ip_hlen) return V_NEXT;
    inside = data + ETH_HLEN + ip_hlen;
    if ((void*)(inside + 1) > data_end) return V_NEXT;
    return early_vni(pkt, inside, ip_hlen);
}

/* Not of a flow that somebody has begun: an entry for the packet's tuple holds its slot. */
static __always_inline int early_begins(const struct cnet_slot* slot, const struct cnet_pkt* pkt) {
    struct cnet_ct_key key = pkt->tuple;
    struct ct_hit hit;

    if (!slot->nat_refs) return 1;
    key.zone = CNET_ZONE_WORLD;
    return !ct_lookup(&key, &hit);
}

/* To a published port, from a client that may not use it, or that may not now. Most pay one array
 * look-up here, and who dials a port without a list one more. */
static __always_inline enum cnet_verdict early_published(struct cnet_pkt* pkt) {
    struct cnet_slot* slot = slot_lookup(pkt->tuple.l4_proto, pkt->tuple.dst_port_be);
    struct cnet_binding* binding;
    int permitted;

    if (likely(!slot || slot->binding_id == CNET_BINDING_NONE)) return V_NEXT;
    binding = binding_lookup(slot, &pkt->tuple);
    if (!binding) return V_NEXT;
    permitted = allow_list_permits(binding, &pkt->tuple.src);
    if (likely(permitted && !new_limit_is_reached(binding))) return V_NEXT;
    if (!early_begins(slot, pkt)) return V_NEXT;
    if (peer_is_forged(pkt, &pkt->tuple.src, pkt->tuple.src_port_be))
        return drop(pkt, CNET_R_VXLAN_FORGED);
    if (binding->flags & CNET_BINDING_LOOPBACK || !is_host_addr(&pkt->tuple.dst)) return V_NEXT;
    if (!ct_may_begin(pkt)) return drop(pkt, CNET_R_NO_FLOW);
    if (pkt->ttl <= 1) return V_NEXT;
    return drop(pkt, permitted ? CNET_R_NEW_LIMIT : CNET_R_NOT_ALLOWED);
}

/* Addressed to the uplink itself, whose MAC the control plane states: others' packets come by in
 * promiscuous mode, and a device on top of this one may be whose they are. */
static __always_inline int early_is_for_host(const struct cnet_pkt* pkt) {
    const struct cnet_fdb_entry* entry = fdb_lookup(CNET_ZONE_WORLD, pkt->dst_mac);

    return entry && entry->ifindex == pkt->ifindex;
}

#endif
