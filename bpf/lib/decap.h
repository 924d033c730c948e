/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: VXLAN from peers, on an uplink. A plain packet is taken apart in place. A GRO aggregate is
 * left to the kept vxlan device where the kernel has no helper that takes the marks of a tunnel off
 * one (see docs/adr/): what is left on it would break it up wrongly later. So is whatever is not
 * plain.
 */
#ifndef CNET_LIB_DECAP_H
#define CNET_LIB_DECAP_H

#include "overlay.h"
#include "rewrite.h"
#include "vxlan_hdr.h"

#define DECAP_FLAGS (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET)

/*
 * To the kernel, by way of the namespace where the kept device's other half listens: the host's
 * packet filter is asked no more about this than about what is taken apart in place.
 */
static __always_inline enum cnet_verdict decap_leave(struct cnet_pkt* pkt,
                                                     const struct cnet_vtep* from) {
    if (unlikely(!from->receiver_ifindex)) return pass(pkt, CNET_R_VXLAN_LEFT);
    trace_send(from->receiver_ifindex, CNET_TRACE_SEND_PEER);
    return redirected(pkt, bpf_redirect_peer(from->receiver_ifindex, 0), CNET_R_VXLAN_LEFT);
}

/*
 * The outer UDP checksum may go: there is none, or the device has summed the packet (RFC 7348
 * section 5 leaves verifying to the receiver). Otherwise it may be one that the sender left to be
 * computed (CHECKSUM_PARTIAL, over a virtual wire), and skb->csum_start would point at a header
 * that is gone.
 */
static __always_inline int decap_checksum_may_go(struct __sk_buff* skb, __be16 check) {
    return likely(!check) || bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0 ||
           bpf_csum_update(skb, 0) >= 0;
}

/*
 * The congestion mark that the outer header brings, RFC 6040 section 4.2. Reads and writes the
 * inner packet at `l3_off`, before the outer headers go. V_DROP: a mark that the inner packet
 * cannot carry.
 */
VERIFIED_ONCE int decap_ecn(struct __sk_buff* skb, __u32 l3_off, __u32 outer_ecn) {
    __u8 ip[2], ecn, marked;
    __be16 check;

    if (bpf_skb_load_bytes(skb, l3_off, ip, sizeof(ip))) return V_NEXT;
    ecn = ip_traffic_class(ip) & ECN_MASK;
    if (!ecn) return outer_ecn == ECN_CE ? V_DROP : V_NEXT;
    if (ecn == ECN_CE || (outer_ecn != ECN_CE && (outer_ecn != ECN_ECT1 || ecn != ECN_ECT0)))
        return V_NEXT;
    if (!effects_allowed()) return V_NEXT;
    if (ip[0] >> 4 == 4) {
        if (bpf_skb_load_bytes(skb, l3_off + __builtin_offsetof(struct iphdr, check), &check, 2))
            return V_NEXT;
        marked = (ip[1] & ~ECN_MASK) | outer_ecn;
        check = csum_update(check, csum_replace(bpf_htons(ip[1]), bpf_htons(marked)));
        if (bpf_skb_store_bytes(skb, l3_off + 1, &marked, 1, BPF_F_RECOMPUTE_CSUM) ||
            bpf_skb_store_bytes(skb, l3_off + __builtin_offsetof(struct iphdr, check), &check, 2,
                                BPF_F_RECOMPUTE_CSUM))
            return V_DROP;
        return V_NEXT;
    }
    marked = (ip[1] & ~(ECN_MASK << 4)) | outer_ecn << 4;
    return bpf_skb_store_bytes(skb, l3_off + 1, &marked, 1, BPF_F_RECOMPUTE_CSUM) ? V_DROP : V_NEXT;
}

/* Not 0: refused, and nothing has changed; a negative value: point of no return. What checksum the
 * device has verified was the outermost. */
static __always_inline long decap_strip(struct __sk_buff* skb, const struct ethhdr* eth,
                                        __u32 bytes) {
    __u64 flags = DECAP_FLAGS | (cnet_cfg.decap_gso ? CNET_ADJ_ROOM_DECAP_L4_UDP : 0);

    if (bpf_skb_adjust_room(skb, -(__s32)bytes, BPF_ADJ_ROOM_MAC, flags)) return 1;
    bpf_csum_level(skb, BPF_CSUM_LEVEL_DEC);
    return bpf_skb_store_bytes(skb, 0, eth, sizeof(*eth), 0);
}

/*
 * adjust_room leaves skb->protocol as the outer header's. redirect_peer goes by it; the way through
 * the veth looks at the frame again.
 */
static __always_inline __u32 decap_port_flags(const struct cnet_pkt* pkt, __be16 outer_proto,
                                              __u32 port_flags) {
    return pkt->eth_proto == outer_proto ? port_flags : port_flags & ~(__u32)CNET_PORT_PEER;
}

static __always_inline enum cnet_verdict decap_inner(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                     const struct cnet_vtep* from,
                                                     const struct vxlan_inside* inside,
                                                     __u32 ip_hlen) {
    __u32 bytes = ip_hlen + sizeof(*inside);
    __be16 outer_proto = pkt->eth_proto;
    struct overlay_target target;
    int verdict;
    long err;

    mac_copy(pkt->dst_mac, inside->eth.h_dest);
    mac_copy(pkt->src_mac, inside->eth.h_source);
    pkt->eth_proto = inside->eth.h_proto;
    verdict = overlay_switch(pkt, &target);
    if (unlikely(verdict != V_NEXT)) return verdict;
    if (unlikely(pkt->tos & ECN_MASK) &&
        (pkt->eth_proto == bpf_htons(ETH_P_IP) || pkt->eth_proto == bpf_htons(ETH_P_IPV6)) &&
        decap_ecn(skb, ETH_HLEN + bytes, pkt->tos & ECN_MASK) != V_NEXT)
        return drop(pkt, CNET_R_VXLAN_ECN);
    err = decap_strip(skb, &inside->eth, bytes);
    if (unlikely(err > 0)) return decap_leave(pkt, from);
    if (unlikely(err)) return drop(pkt, CNET_R_REWRITE_FAILED);
    target.port_flags = decap_port_flags(pkt, outer_proto, target.port_flags);
    return overlay_deliver(skb, pkt, &target);
}

/* What follows the outer IP header. Read in place where that has no options: a helper is a call. */
static __always_inline long decap_load(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                       struct vxlan_inside* inside) {
    const struct vxlan4_head* head = tc_data(skb) + ETH_HLEN;

    if (unlikely(pkt->l4_off != ETH_HLEN + sizeof(head->ip) ||
                 (const void*)(head + 1) > tc_data_end(skb)))
        return bpf_skb_load_bytes(skb, pkt->l4_off, inside, sizeof(*inside));
    *inside = head->inside;
    return 0;
}

/* V_NEXT: not for this host's overlay. `pkt` is parsed. */
VERIFIED_ONCE int overlay_receive(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    struct vxlan_inside inside;
    const struct cnet_vtep* from;
    __u32 vni, ip_hlen;
    int verdict;

    if (!pkt) return V_DROP;
    from = vtep_sender(&pkt->tuple.src);
    if (unlikely(!from || !from->peer_id || !addr_equal(&from->local, &pkt->tuple.dst)))
        return decap_stranger(pkt);
    if (unlikely(skb->gso_size) && !cnet_cfg.decap_gso) return decap_leave(pkt, from);
    if (unlikely(decap_load(skb, pkt, &inside) || !vxlan_read(&inside.vxlan, &vni)))
        return drop(pkt, CNET_R_VXLAN_BAD);
    ip_hlen = pkt->flags & PKT_IP6 ? IP6_HLEN : sizeof(struct iphdr);
    if (unlikely(!decap_is_plain(pkt, &inside, ip_hlen) ||
                 !decap_checksum_may_go(skb, inside.udp.check)))
        return decap_leave(pkt, from);
    verdict = overlay_network(pkt, from->peer_id, vni);
    if (unlikely(verdict != V_NEXT)) return verdict;
    return decap_inner(skb, pkt, from, &inside, ip_hlen);
}

#endif
