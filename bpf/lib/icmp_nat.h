/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: ICMP errors about translated packets (RFC 5508 section 4). The error quotes a packet of
 * the flow as this side saw it, so the flow is found under the quoted tuple's inverse, and both the
 * quote and the outer addresses are put back to what the other side knows. An error never refreshes
 * a flow.
 */
#ifndef CNET_LIB_ICMP_NAT_H
#define CNET_LIB_ICMP_NAT_H

#include "nat.h"
#include "slot.h"

struct icmp_quote {
    struct iphdr ip;
    union l4_head l4;
    __u32 l4_off; /* where l4 begins in the packet */
};

static __always_inline int icmp_quote_load(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                           struct icmp_quote* quote, struct tuple4* tuple) {
    __u32 ip_off = pkt->l4_off + sizeof(struct icmp4_hdr);

    if (bpf_skb_load_bytes(skb, ip_off, &quote->ip, sizeof(quote->ip)) || quote->ip.version != 4 ||
        quote->ip.ihl < 5 || quote->ip.frag_off & bpf_htons(IP4_OFFSET_MASK))
        return 0;
    quote->l4_off = ip_off + quote->ip.ihl * 4;
    if (bpf_skb_load_bytes(skb, quote->l4_off, &quote->l4, sizeof(quote->l4))) return 0;
    tuple->src_be = quote->ip.saddr;
    tuple->dst_be = quote->ip.daddr;
    return l4_tuple(quote->ip.protocol, &quote->l4, &tuple->src_port_be, &tuple->dst_port_be);
}

/* The quoted L4 header with the other side's ports; a UDP checksum that is quoted follows them. */
static __always_inline void icmp_quote_ports(union l4_head* l4, __u8 proto,
                                             const struct tuple4* from, const struct tuple4* to) {
    if (proto == IPPROTO_ICMP) {
        __be16 id_be = l4->icmp_type == ICMP4_ECHO ? to->src_port_be : to->dst_port_be;

        l4->icmp_check = csum_update(l4->icmp_check, csum_replace(l4->icmp_id_be, id_be));
        l4->icmp_id_be = id_be;
        return;
    }
    l4->src_port_be = to->src_port_be;
    l4->dst_port_be = to->dst_port_be;
    if (proto == IPPROTO_UDP) {
        __be16* check = (__be16*)&l4->bytes[6];

        if (*check)
            *check = csum_update(*check, csum_replace(from->src_be, to->src_be) +
                                             csum_replace(from->dst_be, to->dst_be) +
                                             csum_replace(from->src_port_be, to->src_port_be) +
                                             csum_replace(from->dst_port_be, to->dst_port_be));
    }
}

/* Rewrites the quoted headers and the error's checksum over them. */
static __always_inline long icmp_quote_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                               struct icmp_quote* quote, const struct tuple4* from,
                                               const struct tuple4* to) {
    struct iphdr ip = quote->ip;
    union l4_head l4 = quote->l4;
    __s64 difference;
    long err;

    ip.saddr = to->src_be;
    ip.daddr = to->dst_be;
    ip.check = csum_update(ip.check, csum_replace(from->src_be, to->src_be) +
                                         csum_replace(from->dst_be, to->dst_be));
    icmp_quote_ports(&l4, ip.protocol, from, to);

    difference = bpf_csum_diff((__be32*)&quote->ip, sizeof(ip), (__be32*)&ip, sizeof(ip), 0);
    difference =
        bpf_csum_diff((__be32*)&quote->l4, sizeof(l4), (__be32*)&l4, sizeof(l4), difference);
    err = bpf_l4_csum_replace(skb, pkt->l4_off + __builtin_offsetof(struct icmp4_hdr, checksum), 0,
                              difference, 0);
    err =
        err ?: bpf_skb_store_bytes(skb, pkt->l4_off + sizeof(struct icmp4_hdr), &ip, sizeof(ip), 0);
    return err ?: bpf_skb_store_bytes(skb, quote->l4_off, &l4, sizeof(l4), 0);
}

/* Sends the error, now about the other side's packet, on to that side. */
static __always_inline enum cnet_verdict icmp_error_deliver(struct __sk_buff* skb,
                                                            struct cnet_pkt* pkt,
                                                            const struct ct_hit* hit, __be32 src_be,
                                                            __be32 dst_be) {
    __u32 zone = hit->entry->other.zone;
    struct cnet_neigh_entry* neigh;
    struct fib_route route;
    union cnet_addr target;

    if (zone == CNET_ZONE_HOST)
        return ip4_rewrite(skb, pkt, src_be, dst_be, 0) ? drop(pkt, CNET_R_REWRITE_FAILED)
                                                        : pass(pkt, CNET_R_ICMP_ERROR_NAT);
    if (ip4_rewrite(skb, pkt, src_be, dst_be, 1)) return drop(pkt, CNET_R_REWRITE_FAILED);
    if (zone == CNET_ZONE_WORLD) {
        if (flow_route(skb, pkt, hit->owner, dst_be, bpf_ktime_get_coarse_ns(), &route))
            return drop(pkt, CNET_R_NO_ROUTE);
        skb->tc_index = CNET_TRANSLATED;
        return redirected(pkt, fib_send(&route), CNET_R_ICMP_ERROR_NAT);
    }
    target = addr_from_v4(dst_be);
    neigh = neigh_lookup(zone, &target);
    if (!neigh) return drop(pkt, CNET_R_NO_NEIGH);
    if (eth_rewrite(skb, pkt, neigh->mac, neigh->gateway_mac))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_to_port(skb, neigh->ifindex, neigh->port_flags),
                      CNET_R_ICMP_ERROR_NAT);
}

/*
 * V_NEXT: the quoted packet is of no flow of ours. `zone` is where the error was seen. The error's
 * own source stays when a router sent it; when the flow's far end did, it becomes the address that
 * the other side knows it by.
 */
static __noinline int icmp_error_nat(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 zone) {
    struct icmp_quote quote;
    struct tuple4 from, to;
    struct cnet_ct_key key;
    struct ct_hit hit;
    __be32 src_be;

    if (pkt->ttl <= 1 || !icmp_quote_load(skb, pkt, &quote, &from)) return V_NEXT;
    key = ct_key4(zone, quote.ip.protocol, from.dst_be, from.src_be, from.dst_port_be,
                  from.src_port_be);
    if (!ct_lookup(&key, &hit)) return V_NEXT;
    to.src_be = hit.entry->other.src.words_be[3];
    to.dst_be = hit.entry->other.dst.words_be[3];
    to.src_port_be = hit.entry->other.src_port_be;
    to.dst_port_be = hit.entry->other.dst_port_be;
    src_be = pkt->src4_be == from.dst_be ? to.dst_be : pkt->src4_be;
    if (hit.entry->other.zone == CNET_ZONE_WORLD && src_be == pkt->src4_be && src_be != to.dst_be)
        return drop(pkt, CNET_R_LEAK);
    /* point of no return */
    if (icmp_quote_rewrite(skb, pkt, &quote, &from, &to)) return drop(pkt, CNET_R_REWRITE_FAILED);
    return icmp_error_deliver(skb, pkt, &hit, src_be, to.src_be);
}

#endif
