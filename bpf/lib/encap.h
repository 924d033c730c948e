/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: an endpoint's frame for a MAC behind a peer is put into VXLAN and sent to that host. Here
 * in place where it is plain IP; by the kept vxlan device where the kernel's helpers cannot
 * (bpf_skb_adjust_room takes IP alone, and no tunnel in a tunnel), or where it must be fragmented.
 */
#ifndef CNET_LIB_ENCAP_H
#define CNET_LIB_ENCAP_H

#include "nat.h"
#include "peer.h"
#include "vxlan_hdr.h"

/* Below these no "too big" is told, as the kernel's tunnels do it: the outer packet is fragmented.
 */
#define ENCAP_MTU4_MIN 576
#define ENCAP_MTU6_MIN 1280

/* GSO packets stay whole; the outer checksum is none, so nothing of the inner one's offload goes.
 */
#define ENCAP_FLAGS                                                                                \
    (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |       \
     BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

static __always_inline enum cnet_verdict encap_by_device(struct __sk_buff* skb,
                                                         struct cnet_pkt* pkt,
                                                         const struct cnet_peer* peer, __u32 vni) {
    if (peer_address_tunnel(skb, peer, vni)) return drop(pkt, CNET_R_REWRITE_FAILED);
    trace_send(peer->device_ifindex, CNET_TRACE_SEND_OUT);
    return redirected(pkt, bpf_redirect(peer->device_ifindex, 0), CNET_R_VXLAN_DEVICE);
}

/* A packet of IP whose headers are as they stand. */
static __always_inline int encap_is_plain(const struct cnet_pkt* pkt) {
    return !(pkt->flags & PKT_VLAN) &&
           (pkt->eth_proto == bpf_htons(ETH_P_IP) || pkt->eth_proto == bpf_htons(ETH_P_IPV6));
}

enum encap_size { ENCAP_FITS = 0, ENCAP_TELL, ENCAP_SPLIT };

/* Larger than the route takes, at first sight. */
VERIFIED_ONCE int encap_size(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 mtu) {
    int parsed, is_v4;

    if (!pkt) return ENCAP_SPLIT;
    is_v4 = pkt->eth_proto == bpf_htons(ETH_P_IP);
    parsed = is_v4 ? tc_parse_ip4(skb, pkt, ETH_HLEN) : tc_parse_ip6(skb, pkt, ETH_HLEN);
    if (parsed != PARSE_OK) return ENCAP_SPLIT;
    if (!exceeds_mtu(skb, pkt, mtu)) return ENCAP_FITS;
    if (pkt->flags & PKT_MAY_SPLIT || !icmp_error_allowed(pkt)) return ENCAP_SPLIT;
    return mtu < (is_v4 ? ENCAP_MTU4_MIN : ENCAP_MTU6_MIN) ? ENCAP_SPLIT : ENCAP_TELL;
}

/* What the outer header takes over of the inner one: congestion marks, RFC 6040 section 4.1; no
 * DSCP, which is the underlay's own. */
static __always_inline __u8 encap_ecn(struct __sk_buff* skb) {
    const __u8* ip = tc_data(skb) + ETH_HLEN;

    if ((void*)(ip + 2) > tc_data_end(skb)) return 0;
    return ip_traffic_class(ip) & ECN_MASK;
}

/* `udp_len` is the outer datagram's length with its header. */
static __always_inline void encap_inside(struct vxlan_inside* inside, const struct cnet_pkt* pkt,
                                         __be16 src_port_be, __u32 udp_len, __u32 vni) {
    vxlan_udp(&inside->udp, src_port_be, cnet_cfg.vxlan_port_be, udp_len);
    vxlan_fill(&inside->vxlan, vni);
    mac_copy(inside->eth.h_dest, pkt->dst_mac);
    mac_copy(inside->eth.h_source, pkt->src_mac);
    inside->eth.h_proto = pkt->eth_proto;
}

/* Not 0: adjust_room refused, and nothing has changed; a negative value: point of no return. */
static __always_inline long encap4(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                   const struct cnet_peer* peer, __u32 vni) {
    __u32 udp_len = skb->len - ETH_HLEN + sizeof(struct vxlan_inside);
    __be16 src_port_be = vxlan_source_port(bpf_get_hash_recalc(skb));
    __u8 ecn = encap_ecn(skb);
    struct vxlan4_head head;

    if (bpf_skb_adjust_room(skb, sizeof(head), BPF_ADJ_ROOM_MAC,
                            ENCAP_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
        return 1;
    vxlan4_outer(&head, &peer->local, &peer->remote, udp_len + sizeof(struct iphdr), ecn);
    encap_inside(&head.inside, pkt, src_port_be, udp_len, vni);
    return bpf_skb_store_bytes(skb, ETH_HLEN, &head, sizeof(head), 0);
}

static __always_inline long encap6(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                   const struct cnet_peer* peer, __u32 vni) {
    __u32 udp_len = skb->len - ETH_HLEN + sizeof(struct vxlan_inside);
    __be16 src_port_be = vxlan_source_port(bpf_get_hash_recalc(skb));
    __u8 ecn = encap_ecn(skb);
    struct vxlan6_head head;

    if (bpf_skb_adjust_room(skb, sizeof(head), BPF_ADJ_ROOM_MAC,
                            ENCAP_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6))
        return 1;
    vxlan6_outer(&head, &peer->local, &peer->remote, udp_len, ecn);
    encap_inside(&head.inside, pkt, src_port_be, udp_len, vni);
    return bpf_skb_store_bytes(skb, ETH_HLEN, &head, sizeof(head), 0);
}

static __always_inline enum cnet_verdict encap_in_place(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                        const struct cnet_peer* peer, __u32 vni,
                                                        const struct fib_route* route) {
    long err =
        addr_is_v4(&peer->remote) ? encap4(skb, pkt, peer, vni) : encap6(skb, pkt, peer, vni);

    if (unlikely(err > 0)) return encap_by_device(skb, pkt, peer, vni);
    if (unlikely(err)) return drop(pkt, CNET_R_REWRITE_FAILED);
    skb->tc_index = CNET_TRANSLATED;
    return redirected(pkt, fib_send(route), CNET_R_VXLAN_SENT);
}

/* Of a port whose entry is from before ports had it. */
static __always_inline __u32 network_vni(__u32 network_id) {
    struct cnet_network* network = bpf_map_lookup_elem(&cnet_network, &network_id);

    return network ? network->vni : 0;
}

/* To pkt->peer_id, from a port with this VNI. */
VERIFIED_ONCE int overlay_send(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 vni) {
    struct cnet_peer* peer;
    struct fib_route route;
    __u32 overhead;

    if (!pkt) return V_DROP;
    if (unlikely(!vni)) vni = network_vni(pkt->network_id);
    peer = peer_lookup(pkt->peer_id);
    if (unlikely(!vni || !peer || peer_route(skb, peer, pkt->peer_id, &route)))
        return drop(pkt, CNET_R_PEER_UNREACHABLE);
    trace_peer(peer, pkt->peer_id, vni);
    if (unlikely(!encap_is_plain(pkt))) return encap_by_device(skb, pkt, peer, vni);
    overhead = addr_is_v4(&peer->remote) ? sizeof(struct vxlan4_head) : sizeof(struct vxlan6_head);
    if (unlikely(skb->len - ETH_HLEN + overhead > route.mtu)) {
        switch (encap_size(skb, pkt, route.mtu - overhead)) {
        case ENCAP_FITS:
            break;
        case ENCAP_TELL:
            return icmp_too_big(skb, pkt, route.mtu - overhead);
        default:
            return encap_by_device(skb, pkt, peer, vni);
        }
    }
    return encap_in_place(skb, pkt, peer, vni, &route);
}

#endif
