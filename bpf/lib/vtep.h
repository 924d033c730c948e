/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* VXLAN on the wire: what it is, whom it comes from and whom it is for. Needs no context, so that
 * both programs of an uplink ask the same. */
#ifndef CNET_LIB_VTEP_H
#define CNET_LIB_VTEP_H

#include "memo.h"
#include "pkt.h"
#include "vxlan_hdr.h"

static __always_inline struct cnet_vtep* vtep_lookup(const union cnet_addr* addr) {
    union cnet_addr key = *addr;

    return bpf_map_lookup_elem(&cnet_vtep, &key);
}

/* The same for whom a packet comes from. */
static __always_inline const struct cnet_vtep* vtep_sender(const union cnet_addr* addr) {
    struct memo* memo = memo_get();
    __u64 stamp = memo_stamp();
    struct memo_vtep* known;
    struct cnet_vtep* vtep;

    if (!memo_is_used()) return vtep_lookup(addr);
    if (!memo) return NULL;
    known = &memo->vteps[addr->bytes[15] % MEMO_TUNNELS];
    if (likely(known->stamp == stamp && addr_equal(&known->addr, addr))) return &known->vtep;
    vtep = vtep_lookup(addr);
    if (!vtep) return NULL;
    known->vtep = *vtep;
    known->addr = *addr;
    known->stamp = stamp;
    return &known->vtep;
}

/*
 * A flow of an endpoint's with a peer's VXLAN port: translated to this host's address it would be
 * VXLAN from a peer over there, with whatever VNI the endpoint cares to write.
 */
static __always_inline int peer_is_forged(const struct cnet_pkt* pkt, const union cnet_addr* addr,
                                          __be16 port_be) {
    struct cnet_vtep* vtep;

    if (likely(port_be != cnet_cfg.vxlan_port_be || pkt->tuple.l4_proto != IPPROTO_UDP)) return 0;
    vtep = vtep_lookup(addr);
    return vtep && vtep->peer_id;
}

static __always_inline int is_vxlan(const struct cnet_pkt* pkt) {
    return pkt->tuple.dst_port_be == cnet_cfg.vxlan_port_be && pkt->tuple.l4_proto == IPPROTO_UDP &&
           pkt->flags & PKT_HAS_TUPLE && !(pkt->flags & PKT_FRAGMENT);
}

/* Headers without options, and lengths that agree: what decap_strip() can remove without losing
 * anything. */
static __always_inline int decap_is_plain(const struct cnet_pkt* pkt,
                                          const struct vxlan_inside* inside, __u32 ip_hlen) {
    return pkt->l4_off == ETH_HLEN + ip_hlen && pkt->len == ETH_HLEN + pkt->ip_len &&
           bpf_ntohs(inside->udp.len) == pkt->ip_len - ip_hlen;
}

/* From an address that is no peer's. What is not meant for this host's VTEP is none of our
 * business.
 */
static __always_inline enum cnet_verdict decap_stranger(struct cnet_pkt* pkt) {
    struct cnet_vtep* to = vtep_lookup(&pkt->tuple.dst);

    if (to && !to->peer_id) return drop(pkt, CNET_R_VXLAN_STRANGER);
    return V_NEXT;
}

#endif
