/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stages: unicast to a known port of the network, and the bounded flood for everything else. */
#ifndef CNET_LIB_BRIDGE_H
#define CNET_LIB_BRIDGE_H

#include "fdb.h"
#include "port.h"

#define VLAN_TAG_LEN 4

/* --icc off: an endpoint reaches the host port and nothing else of its network. */
static __always_inline int icc_forbids(const struct cnet_pkt* pkt, __u32 to_port_flags) {
    return pkt->port_flags & CNET_PORT_ICC_OFF &&
           !((pkt->port_flags | to_port_flags) & CNET_PORT_HOST);
}

/* Does the device take so large a frame, a VLAN tag aside? Our own devices have their network's MTU
 * and the kernel checks it on them; a redirect to any other device goes past that check. */
static __always_inline int port_takes(struct __sk_buff* skb, __u32 ifindex, __u32 port_flags) {
    __u32 mtu = 0;

    if (likely(port_flags & (CNET_PORT_PEER | CNET_PORT_HOST))) return 1;
    return bpf_check_mtu(skb, ifindex, &mtu, -VLAN_TAG_LEN, 0) <= 0; /* < 0: it has just gone */
}

/* V_NEXT when the MAC is a group's or nobody knows it. */
static __always_inline enum cnet_verdict bridge_forward(struct __sk_buff* skb,
                                                        struct cnet_pkt* pkt) {
    struct cnet_fdb_entry* entry;

    if (unlikely(mac_is_multicast(pkt->dst_mac))) return V_NEXT;
    entry = fdb_lookup(pkt->network_id, pkt->dst_mac);
    if (unlikely(!entry)) return V_NEXT;
    if (unlikely(entry->ifindex == pkt->ifindex)) return drop(pkt, CNET_R_SAME_PORT);
    if (unlikely(icc_forbids(pkt, entry->port_flags))) return drop(pkt, CNET_R_ICC_OFF);
    if (unlikely(!port_takes(skb, entry->ifindex, entry->port_flags)))
        return drop(pkt, CNET_R_PORT_MTU);
    return redirected(pkt, tc_send_to_port(skb, entry->ifindex, entry->port_flags),
                      CNET_R_SWITCHED);
}

/* Whether, not how many: a running number in bpf_loop's context keeps the verifier from ever seeing
 * the loop converge. */
struct flood_walk {
    struct __sk_buff* skb;
    const struct cnet_pkt* pkt;
    __u32 any_sent;
    __u32 any_lost;
};

static __always_inline int flood_copy(struct __sk_buff* skb, const struct cnet_flood_port* port) {
    if (!port_takes(skb, port->ifindex, port->port_flags)) return 0;
    /* A positive answer is the device's own refusal (NET_XMIT_DROP, a full backlog): that copy is
     * lost too. */
    return !effects_allowed() ||
           !bpf_clone_redirect(skb, port->ifindex,
                               port->port_flags & CNET_PORT_HOST ? BPF_F_INGRESS : 0);
}

static long flood_one(__u32 index, void* data) {
    struct flood_walk* walk = data;
    struct cnet_flood_key key = {.network_id = walk->pkt->network_id, .index = index};
    struct cnet_flood_port* port = bpf_map_lookup_elem(&cnet_flood, &key);
    __u32 from =
        walk->pkt->port_flags & CNET_PORT_HOST ? walk->pkt->host_ifindex : walk->pkt->ifindex;

    if (!port || port->ifindex == from || icc_forbids(walk->pkt, port->port_flags)) return 0;
    if (flood_copy(walk->skb, port)) {
        walk->any_sent = 1;
    } else {
        walk->any_lost = 1;
        count(walk->pkt->hook, CNET_R_FLOOD_COPY_LOST, walk->pkt->len);
    }
    return 0;
}

/*
 * A copy to each other port of the network. The per-CPU backlog (netdev_max_backlog, 1000) takes no
 * more than that many copies at once; what it refuses is counted per copy. The original always ends
 * here.
 */
VERIFIED_ONCE int bridge_flood(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    struct flood_walk walk = {.skb = skb, .pkt = pkt};
    struct cnet_network* network;
    __u32 network_id, ports;

    if (!pkt) return V_DROP;
    network_id = pkt->network_id;
    network = bpf_map_lookup_elem(&cnet_network, &network_id);
    if (!network) return drop(pkt, CNET_R_UNKNOWN_PORT);
    ports = network->flood_ports;
    if (ports > CNET_FLOOD_PORTS_MAX) ports = CNET_FLOOD_PORTS_MAX;
    bpf_loop(ports, flood_one, &walk, 0);
    if (!walk.any_sent) return drop(pkt, walk.any_lost ? CNET_R_FLOOD_FAILED : CNET_R_FLOOD_NOBODY);
    return drop(pkt, CNET_R_FLOODED);
}

#endif
