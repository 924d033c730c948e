/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage: which port a frame arrived on, and whether its source may be what it says. Reads
 * cnet_port, cnet_neigh. */
#ifndef CNET_LIB_PORT_H
#define CNET_LIB_PORT_H

#include "ctx_tc.h"
#include "dhcp.h"
#include "memo.h"

/* Ethernet ARP for IPv4, RFC 826. */
struct arp_ip4 {
    __be16 hardware_be;
    __be16 protocol_be;
    __u8 hardware_len;
    __u8 protocol_len;
    __be16 operation_be;
    __u8 sender_mac[CNET_MAC_LEN];
    __u8 sender_ip[4];
    __u8 target_mac[CNET_MAC_LEN];
    __u8 target_ip[4];
} __attribute__((packed));

#define ARP_HARDWARE_ETHER 1
#define ARP_REQUEST 1
#define ARP_REPLY 2

/* What leaves the network from this port has another source outside. */
static __always_inline int port_masquerades(__u32 port_flags, int v6) {
    return port_flags & CNET_PORT_MASQUERADE &&
           !(port_flags & (v6 ? CNET_PORT_KEEP6 : CNET_PORT_KEEP4));
}

/* Whoever is outside may come straight to this port's addresses. */
static __always_inline int port_is_direct(__u32 port_flags, int v6) {
    return port_flags & (v6 ? CNET_PORT_DIRECT6 : CNET_PORT_DIRECT4);
}

/* And does so to what is published alone. */
static __always_inline int port_is_guarded(__u32 port_flags, int v6) {
    return port_flags & (v6 ? CNET_PORT_GUARDED6 : CNET_PORT_GUARDED4);
}

/* Other networks of the host may, too. */
static __always_inline int port_is_routed(__u32 port_flags, int v6) {
    return port_flags & CNET_PORT_ROUTED ||
           (port_is_direct(port_flags, v6) && port_is_guarded(port_flags, v6));
}

static __always_inline struct cnet_neigh_entry* neigh_lookup(__u32 network_id,
                                                             const union cnet_addr* addr) {
    struct cnet_neigh_key key = {.network_id = network_id, .addr = *addr};

    return bpf_map_lookup_elem(&cnet_neigh, &key);
}

/*
 * Nobody stated who is behind a port without a source check, so whoever is asked from there has to
 * hear of the asker, as on a bridge: the question is not answered in place but brought to the one
 * that it is for, and to nobody else; V_NEXT: by way of pkt->peer_id.
 */
static __always_inline int asker_is_unstated(const struct cnet_pkt* pkt) {
    return !(pkt->port_flags & (CNET_PORT_CHECK_SOURCE | CNET_PORT_HOST));
}

static __always_inline enum cnet_verdict ask_owner(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                   const struct cnet_neigh_entry* neigh) {
    if (neigh->peer_id) {
        pkt->peer_id = neigh->peer_id;
        return V_NEXT;
    }
    return redirected(pkt, tc_send_to_port(skb, neigh->ifindex, neigh->port_flags),
                      CNET_R_SWITCHED);
}

/* Does the control plane say that this address lives on this device? */
static __always_inline int neigh_is_at(__u32 network_id, const union cnet_addr* addr,
                                       __u32 ifindex) {
    struct cnet_neigh_entry* neigh = neigh_lookup(network_id, addr);

    return neigh && neigh->ifindex == ifindex;
}

static __always_inline int source4_allowed(const struct cnet_pkt* pkt, const struct cnet_port* port,
                                           __be32 addr_be) {
    union cnet_addr addr;

    if (likely(addr_be == port->addr4_be && addr_be)) return 1;
    addr = addr_from_v4(addr_be);
    return neigh_is_at(pkt->network_id, &addr, pkt->ifindex);
}

static __always_inline int arp_source_allowed(const struct cnet_pkt* pkt,
                                              const struct cnet_port* port, void* data,
                                              void* data_end) {
    struct arp_ip4* arp = data + ETH_HLEN;
    __be32 sender_be;

    if ((void*)(arp + 1) > data_end) return 0;
    if (!mac_equal(arp->sender_mac, port->mac)) return 0;
    __builtin_memcpy(&sender_be, arp->sender_ip, 4);
    /* 0.0.0.0: an address-conflict probe, RFC 5227. */
    return sender_be == 0 || source4_allowed(pkt, port, sender_be);
}

/* An address beside the port's first may be a lease, which the client can give up. */
static __always_inline int ip4_source_allowed(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                              const struct cnet_port* port, void* data,
                                              void* data_end) {
    struct iphdr* ip = data + ETH_HLEN;
    struct udphdr* udp = (void*)(ip + 1);

    if ((void*)(ip + 1) > data_end) return 0;
    if (likely(ip->saddr == port->addr4_be && ip->saddr)) return 1;
    if (source4_allowed(pkt, port, ip->saddr)) {
        if (unlikely(dhcp_is(pkt, ip, data_end, DHCP_CLIENT_PORT, DHCP_SERVER_PORT)))
            dhcp_report(skb, pkt, 1);
        return 1;
    }
    /* A DHCP client has no address yet: 0.0.0.0 to port 67, RFC 2131. */
    return ip->saddr == 0 && ip->protocol == IPPROTO_UDP && ip->ihl == 5 &&
           (void*)(udp + 1) <= data_end && udp->dest == bpf_htons(DHCP_SERVER_PORT);
}

/* fe80::/64 with the modified EUI-64 of the port's MAC, RFC 4291 appendix A: the only link-local
 * address we know. */
static __always_inline void link_local_of(const __u8* mac, union cnet_addr* addr) {
    *addr = (union cnet_addr){.bytes = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2],
                                        0xff, 0xfe, mac[3], mac[4], mac[5]}};
}

static __always_inline int addr6_is_own(const struct cnet_pkt* pkt, const struct cnet_port* port,
                                        const union cnet_addr* addr) {
    union cnet_addr link_local;

    if (addr_equal(addr, &port->addr6) && !addr_is_zero(addr)) return 1;
    link_local_of(port->mac, &link_local);
    if (addr_equal(addr, &link_local)) return 1;
    /* An IPv4-mapped address would find the endpoint's IPv4 one; on the wire it is nobody's. */
    return !addr_is_v4(addr) && neigh_is_at(pkt->network_id, addr, pkt->ifindex);
}

/* Neighbour discovery needs no extension headers and RFC 6980 forbids it fragments: whoever puts a
 * message behind one wants it to go unseen. */
static __always_inline int nd_is_hidden(struct __sk_buff* skb, __u8 next) {
    struct ip6_walk walk = {.off = ETH_HLEN + IP6_HLEN, .next = next};
    __u8 type;

    if (likely(!ip6_is_extension(next))) return 0;
    if (ip6_extensions(skb, &walk) != PARSE_OK) return 1;
    if (walk.next != IPPROTO_ICMPV6 || walk.fragment & bpf_htons(IP6_FRAGMENT_OFFSET_MASK))
        return 0;
    if (bpf_skb_load_bytes(skb, walk.off, &type, sizeof(type))) return 1;
    return type >= ICMP6_ROUTER_SOLICIT && type <= ICMP6_REDIRECT;
}

/* The port's own entry is looked up again: this is a function of its own. */
VERIFIED_ONCE int ip6_source_allowed(struct __sk_buff* skb, const struct cnet_pkt* pkt) {
    void *data = tc_data(skb), *data_end = tc_data_end(skb);
    struct ipv6hdr* ip6 = data + ETH_HLEN;
    __u32 ifindex = skb->ifindex;
    struct cnet_port* port = bpf_map_lookup_elem(&cnet_port, &ifindex);
    union cnet_addr addr;
    __u8* icmp6 = (void*)(ip6 + 1);

    if (!pkt || !port || (void*)(ip6 + 1) > data_end) return 0;
    __builtin_memcpy(&addr, &ip6->saddr, 16);
    /* `::` is what duplicate address detection and MLD send from, RFC 4862 and 3590. */
    if (!addr_is_zero(&addr) && !addr6_is_own(pkt, port, &addr)) return 0;
    if (ip6->nexthdr != IPPROTO_ICMPV6) return !nd_is_hidden(skb, ip6->nexthdr);
    if ((void*)(icmp6 + 24) > data_end) return 1; /* too short for any of the messages below */
    /* An endpoint is no router, and advertises none but its own addresses. */
    if (icmp6[0] == ICMP6_ROUTER_ADVERT || icmp6[0] == ICMP6_REDIRECT) return 0;
    if (icmp6[0] != ICMP6_NEIGHBOUR_ADVERT) return 1;
    __builtin_memcpy(&addr, icmp6 + 8, 16);
    return addr6_is_own(pkt, port, &addr);
}

/* The plain case of ip6_source_allowed(): TCP or UDP from the port's first address. */
static __always_inline int ip6_source_is_plain(const struct cnet_port* port, void* data,
                                               void* data_end) {
    struct ipv6hdr* ip6 = data + ETH_HLEN;
    const union cnet_addr* source = (void*)&ip6->saddr;

    if ((void*)(ip6 + 1) > data_end) return 0;
    if (ip6->nexthdr != IPPROTO_TCP && ip6->nexthdr != IPPROTO_UDP) return 0;
    return addr_equal(source, &port->addr6) && !addr_is_zero(source);
}

static __always_inline enum cnet_verdict source_check(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                      const struct cnet_port* port) {
    void *data = tc_data(skb), *data_end = tc_data_end(skb);
    int allowed = 1;

    if (unlikely(!mac_equal(pkt->src_mac, port->mac))) return drop(pkt, CNET_R_SPOOFED_MAC);
    if (likely(pkt->eth_proto == bpf_htons(ETH_P_IP)))
        allowed = ip4_source_allowed(skb, pkt, port, data, data_end);
    else if (pkt->eth_proto == bpf_htons(ETH_P_IPV6))
        allowed = ip6_source_is_plain(port, data, data_end) || ip6_source_allowed(skb, pkt);
    else if (pkt->eth_proto == bpf_htons(ETH_P_ARP))
        allowed = arp_source_allowed(pkt, port, data, data_end);
    else if (pkt->flags & PKT_VLAN)
        return drop(pkt, CNET_R_VLAN_UNCHECKED);
    if (unlikely(!allowed)) return drop(pkt, CNET_R_SPOOFED_IP);
    trace(CNET_STEP_SOURCE);
    return V_NEXT;
}

/* What source_check() reads: IPv4 with UDP ports, ARP; IPv6 with an ICMPv6 message and its target.
 */
#define PORT_NEED_IP4 (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr))
#define PORT_NEED_IP6 (ETH_HLEN + IP6_HLEN + 24)

/* The port that a packet came in by. No other device is asked for this way, so that the answer
 * stays as it is while the program runs. */
static __always_inline const struct cnet_port* port_of_device(__u32 ifindex) {
    struct memo* memo = memo_get();
    __u64 stamp = memo_stamp();
    struct memo_port* known;
    struct cnet_port* port;

    if (!memo_is_used()) return bpf_map_lookup_elem(&cnet_port, &ifindex);
    if (!memo) return NULL;
    known = &memo->ports[ifindex % MEMO_PORTS];
    if (likely(known->stamp == stamp && known->ifindex == ifindex)) return &known->port;
    port = bpf_map_lookup_elem(&cnet_port, &ifindex);
    if (!port) return NULL;
    known->port = *port;
    known->ifindex = ifindex;
    known->stamp = stamp;
    return &known->port;
}

/* Parses the Ethernet header and takes over what later stages need of the port. */
static __always_inline enum cnet_verdict port_admit(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                    const struct cnet_port** port_out) {
    __u32 ifindex = skb->ifindex;
    const struct cnet_port* port;

    pkt->len = skb->len;
    pkt->ifindex = ifindex;
    port = port_of_device(ifindex);
    if (unlikely(!port)) return drop(pkt, CNET_R_UNKNOWN_PORT);
    *port_out = port;
    trace_port(port, ifindex);
    pkt->network_id = port->network_id;
    pkt->port_flags = port->flags;
    pkt->host_ifindex = port->host_ifindex;

    if (eth_parse(pkt, tc_data(skb), tc_data_end(skb)) != PARSE_OK)
        return drop(pkt, CNET_R_MALFORMED);
    if (skb->vlan_present) pkt->flags |= PKT_VLAN;
    tc_need(skb, pkt->eth_proto == bpf_htons(ETH_P_IPV6) ? PORT_NEED_IP6 : PORT_NEED_IP4);
    if (unlikely(mac_is_multicast(pkt->src_mac))) return drop(pkt, CNET_R_MULTICAST_SOURCE);
    if (unlikely(mac_is_link_local(pkt->dst_mac))) return drop(pkt, CNET_R_LINK_LOCAL_MCAST);
    return V_NEXT;
}

#endif
