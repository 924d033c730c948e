/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: ICMP and ICMPv6 errors about translated packets (RFC 5508 section 4). The error quotes a
 * packet of the flow as this side saw it, so the flow is found under the quoted tuple's inverse,
 * and both the quote and the outer addresses are put back to what the other side knows. An error
 * never refreshes a flow.
 */
#ifndef CNET_LIB_ICMP_NAT_H
#define CNET_LIB_ICMP_NAT_H

#include "nat.h"
#include "slot.h"

struct icmp_quote {
    struct cnet_ct_key key; /* the quoted tuple's inverse: replies to the quoted packet have it */
    union l4_head l4;
    __u32 ip_off; /* where the quoted packet begins */
    __u32 l4_off;
    __be16 ip_check; /* IPv4 */
    __u8 pad[2];
};

static __always_inline int icmp_quote_load4(struct __sk_buff* skb, struct icmp_quote* quote) {
    struct iphdr ip;

    if (bpf_skb_load_bytes(skb, quote->ip_off, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5 ||
        ip.frag_off & bpf_htons(IP4_OFFSET_MASK))
        return 0;
    quote->l4_off = quote->ip_off + ip.ihl * 4;
    quote->ip_check = ip.check;
    quote->key.src = addr_from_v4(ip.daddr);
    quote->key.dst = addr_from_v4(ip.saddr);
    quote->key.l4_proto = ip.protocol;
    return ip.protocol != IPPROTO_ICMPV6;
}

static __always_inline int icmp_quote_load6(struct __sk_buff* skb, struct icmp_quote* quote) {
    struct ip6_walk walk = {.off = quote->ip_off + IP6_HLEN};

    if (bpf_skb_load_bytes(skb, quote->ip_off + __builtin_offsetof(struct ipv6hdr, nexthdr),
                           &walk.next, 1) ||
        bpf_skb_load_bytes(skb, quote->ip_off + __builtin_offsetof(struct ipv6hdr, saddr),
                           &quote->key.dst, 16) ||
        bpf_skb_load_bytes(skb, quote->ip_off + __builtin_offsetof(struct ipv6hdr, daddr),
                           &quote->key.src, 16))
        return 0;
    if (addr_is_v4(&quote->key.src) || addr_is_v4(&quote->key.dst)) return 0;
    if (ip6_extensions(skb, &walk) != PARSE_OK ||
        walk.fragment & bpf_htons(IP6_FRAGMENT_OFFSET_MASK))
        return 0;
    quote->l4_off = walk.off;
    quote->key.l4_proto = walk.next;
    return walk.next != IPPROTO_ICMP;
}

static __always_inline int icmp_quote_load(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                           struct icmp_quote* quote) {
    quote->ip_off = pkt->l4_off + sizeof(struct icmp_hdr);
    if (!(pkt->flags & PKT_IP6 ? icmp_quote_load6(skb, quote) : icmp_quote_load4(skb, quote)))
        return 0;
    /* What lies behind the packet's end in the frame is no quote. */
    if (quote->l4_off + sizeof(quote->l4) > pkt->l3_off + pkt->ip_len ||
        bpf_skb_load_bytes(skb, quote->l4_off, &quote->l4, sizeof(quote->l4)))
        return 0;
    return l4_tuple(quote->key.l4_proto, &quote->l4, &quote->key.dst_port_be,
                    &quote->key.src_port_be);
}

/*
 * The quoted L4 header with the other side's ports, and its checksum after them when it is among
 * the bytes quoted. `addresses` is what the quoted packet's pseudo header changes by. Returns what
 * the eight bytes change by.
 */
static __always_inline __u64 icmp_quote_ports(struct icmp_quote* quote,
                                              const struct cnet_ct_key* to, __u64 addresses) {
    union l4_head* l4 = &quote->l4;
    __be16* check = NULL;
    __be16 old_check;
    __u64 ports;

    if (unlikely(!l4_is_known(quote->key.l4_proto))) return 0;
    if (proto_is_icmp(quote->key.l4_proto)) {
        int is_request = icmp_is_query(quote->key.l4_proto, l4->icmp.type);
        __be16 id_be = is_request ? to->src_port_be : to->dst_port_be;

        ports = csum_replace(l4->icmp.id_be, id_be);
        l4->icmp.id_be = id_be;
        check = &l4->icmp.checksum;
        if (quote->key.l4_proto == IPPROTO_ICMP) addresses = 0;
    } else {
        ports = csum_replace(l4->src_port_be, to->src_port_be) +
                csum_replace(l4->dst_port_be, to->dst_port_be);
        l4->src_port_be = to->src_port_be;
        l4->dst_port_be = to->dst_port_be;
        if (quote->key.l4_proto == IPPROTO_UDP && l4->icmp.seq_or_mtu_be)
            check = &l4->icmp.seq_or_mtu_be; /* where a UDP header has its checksum */
    }
    if (!check) return ports;
    old_check = *check;
    *check = csum_update(old_check, addresses + ports);
    return ports + csum_replace(old_check, *check);
}

/* struct iphdr from its checksum on. */
struct ip4_quote_tail {
    __be16 check;
    __be32 src_be;
    __be32 dst_be;
} __attribute__((packed));

/*
 * Rewrites the quoted headers to the tuple `to`, which must lie in a map, and the error's checksum
 * over them. A quoted IPv4 header sums to the same as before, its own checksum seeing to that.
 */
static __always_inline long icmp_quote_rewrite(struct __sk_buff* skb, const struct cnet_pkt* pkt,
                                               struct icmp_quote* quote,
                                               const struct cnet_ct_key* to) {
    __u64 addresses = addr_difference(pkt, &quote->key.dst, &to->src) +
                      addr_difference(pkt, &quote->key.src, &to->dst);
    __u64 difference = icmp_quote_ports(quote, to, addresses);
    long err;

    if (pkt->flags & PKT_IP6) {
        difference += addresses;
        err = bpf_skb_store_bytes(skb, quote->ip_off + __builtin_offsetof(struct ipv6hdr, saddr),
                                  &to->src, 32, 0);
    } else {
        struct ip4_quote_tail tail = {.check = csum_update(quote->ip_check, addresses),
                                      .src_be = to->src.words_be[3],
                                      .dst_be = to->dst.words_be[3]};

        err = bpf_skb_store_bytes(skb, quote->ip_off + __builtin_offsetof(struct iphdr, check),
                                  &tail, sizeof(tail), 0);
    }
    difference = (difference & 0xffffffff) + (difference >> 32);
    difference = (difference & 0xffffffff) + (difference >> 32);
    err = err ?: bpf_l4_csum_replace(skb, l4_check_off(pkt), 0, difference, 0);
    return err ?: bpf_skb_store_bytes(skb, quote->l4_off, &quote->l4, sizeof(quote->l4), 0);
}

/* Sends the error, now about the other side's packet, on to that side. */
static __always_inline enum cnet_verdict
icmp_error_deliver(struct __sk_buff* skb, struct cnet_pkt* pkt, const struct ct_hit* hit,
                   const union cnet_addr* src, const union cnet_addr* dst) {
    __u32 zone = hit->entry->other.zone;
    struct cnet_neigh_entry* neigh;
    struct cnet_network* open;
    struct fib_route route;

    if (ip_rewrite(skb, pkt, src, dst, zone != CNET_ZONE_HOST) ||
        l4_addresses_changed(skb, pkt, src, dst))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    if (zone == CNET_ZONE_HOST) return pass(pkt, CNET_R_ICMP_ERROR_NAT);
    if (zone == CNET_ZONE_WORLD) {
        if (flow_route(skb, pkt, hit->owner, dst, clock_coarse_ns(), &route))
            return drop(pkt, CNET_R_NO_ROUTE);
        skb->tc_index = CNET_TRANSLATED;
        return redirected(pkt, fib_send(&route), CNET_R_ICMP_ERROR_NAT);
    }
    neigh = neigh_lookup(zone, dst);
    if (!neigh) {
        open = network_open(zone);
        if (!open) return drop(pkt, CNET_R_NO_NEIGH);
        return stranger_send(skb, pkt, open->host_ifindex, CNET_R_ICMP_ERROR_NAT);
    }
    if (unlikely(neigh->peer_id)) return drop(pkt, CNET_R_GATEWAY_LOCAL);
    if (eth_rewrite(skb, pkt, neigh->mac, neigh->gateway_mac))
        return drop(pkt, CNET_R_REWRITE_FAILED);
    return redirected(pkt, tc_send_to_port(skb, neigh->ifindex, neigh->port_flags),
                      CNET_R_ICMP_ERROR_NAT);
}

/*
 * V_NEXT: the quoted packet is of no flow of ours, or of none whose entry has these flags. `zone`
 * is where the error was seen. The error's own source stays when a router sent it; when the flow's
 * far end did, it becomes the address that the other side knows it by.
 */
VERIFIED_ONCE int icmp_error_nat(struct __sk_buff* skb, struct cnet_pkt* pkt, __u32 zone,
                                 __u32 entry_flags) {
    struct icmp_quote quote = {.key.zone = zone};
    const union cnet_addr* src;
    const struct cnet_ct_key* to;
    struct ct_hit hit;

    if (!pkt) return V_DROP;
    if (pkt->ttl <= 1 || !icmp_quote_load(skb, pkt, &quote)) return V_NEXT;
    /* An error goes to whoever sent what it quotes; any other is made up, to see where it ends. */
    if (!addr_equal(&pkt->tuple.dst, &quote.key.dst) || !ct_lookup(&quote.key, &hit)) return V_NEXT;
    if (entry_flags & ~hit.entry->flags || hit.entry->type == CNET_CT_KERNEL) return V_NEXT;
    to = &hit.entry->other;
    src = &pkt->tuple.src;
    if (addr_equal(&pkt->tuple.src, &quote.key.src))
        src = &to->dst;
    else if (to->zone == CNET_ZONE_WORLD && !addr_equal(&pkt->tuple.src, &to->dst))
        return drop(pkt, CNET_R_LEAK);
    /* point of no return */
    if (icmp_quote_rewrite(skb, pkt, &quote, to)) return drop(pkt, CNET_R_REWRITE_FAILED);
    return icmp_error_deliver(skb, pkt, &hit, src, &to->src);
}

#endif
