/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stages: unicast to a known port of the network, and the bounded flood for everything else. */
#ifndef CNET_LIB_BRIDGE_H
#define CNET_LIB_BRIDGE_H

#include "fdb.h"
#include "peer.h"
#include "port.h"
#include "token_bucket.h"

#define VLAN_TAG_LEN 4
#define FLOOD_BURST_NS 1000000000ull

/* --icc off: an endpoint reaches the host port and nothing else of its network. */
static __always_inline int icc_forbids(const struct cnet_pkt* pkt, __u32 to_port_flags) {
    return pkt->port_flags & CNET_PORT_ICC_OFF &&
           !((pkt->port_flags | to_port_flags) & CNET_PORT_HOST);
}

/* Does the device take so large a frame, a VLAN tag aside? Our own devices have their network's MTU
 * and the kernel checks it on them; a redirect to any other device goes past that check. */
static __always_inline int port_takes(struct __sk_buff* skb, __u32 ifindex, __u32 port_flags) {
    __u32 mtu = 0;

    if (likely(port_flags & (CNET_PORT_PEER | CNET_PORT_HOST | CNET_PORT_REMOTE))) return 1;
    return bpf_check_mtu(skb, ifindex, &mtu, -VLAN_TAG_LEN, 0) <= 0; /* < 0: it has just gone */
}

/* V_NEXT when the MAC is a group's or nobody knows it, or when it is behind a peer: then
 * pkt->peer_id says which. */
static __always_inline enum cnet_verdict bridge_forward(struct __sk_buff* skb,
                                                        struct cnet_pkt* pkt) {
    const struct cnet_fdb_entry* entry;

    if (unlikely(mac_is_multicast(pkt->dst_mac))) return V_NEXT;
    entry = fdb_lookup(pkt->network_id, pkt->dst_mac);
    if (unlikely(!entry)) return V_NEXT;
    if (unlikely(entry->ifindex == pkt->ifindex)) return drop(pkt, CNET_R_SAME_PORT);
    if (unlikely(icc_forbids(pkt, entry->port_flags))) return drop(pkt, CNET_R_ICC_OFF);
    if (unlikely(entry->peer_id)) {
        pkt->peer_id = entry->peer_id;
        return V_NEXT;
    }
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
    __u32 vni;
    __u32 any_sent;
    __u32 any_lost;
};

/* A frame from a peer is none of the host's: its gateway is its own host. */
static __always_inline int flood_skips(const struct cnet_pkt* pkt,
                                       const struct cnet_flood_port* port) {
    __u32 from = pkt->port_flags & CNET_PORT_HOST ? pkt->host_ifindex : pkt->ifindex;

    return port->ifindex == from || icc_forbids(pkt, port->port_flags) ||
           (pkt->port_flags & CNET_PORT_REMOTE && port->port_flags & CNET_PORT_HOST);
}

/* A positive answer is the device's own refusal (NET_XMIT_DROP, a full backlog): that copy is lost
 * too. */
static __always_inline void flood_copy(struct flood_walk* walk, __u32 ifindex, __u32 port_flags,
                                       __u64 flags) {
    trace_copy(ifindex);
    if (port_takes(walk->skb, ifindex, port_flags) &&
        (!effects_allowed() || !bpf_clone_redirect(walk->skb, ifindex, flags))) {
        walk->any_sent = 1;
    } else {
        walk->any_lost = 1;
        count(walk->pkt->hook, CNET_R_FLOOD_COPY_LOST, walk->pkt->len);
    }
}

static long flood_one(__u32 index, void* data) {
    struct flood_walk* walk = data;
    struct cnet_flood_key key = {.network_id = walk->pkt->network_id, .index = index};
    struct cnet_flood_port* port = bpf_map_lookup_elem(&cnet_flood, &key);

    if (!port || flood_skips(walk->pkt, port)) return 0;
    flood_copy(walk, port->ifindex, port->port_flags,
               port->port_flags & CNET_PORT_HOST ? BPF_F_INGRESS : 0);
    return 0;
}

/* By the kept vxlan device, which takes any frame and resolves any neighbour. */
static long flood_peer(__u32 index, void* data) {
    struct flood_walk* walk = data;
    struct cnet_flood_key key = {.network_id = walk->pkt->network_id, .index = index};
    __u32* peer_id = bpf_map_lookup_elem(&cnet_flood_peer, &key);
    struct cnet_peer* peer = peer_id ? peer_lookup(*peer_id) : NULL;

    if (!peer || peer_address_tunnel(walk->skb, peer, walk->vni)) return 0;
    flood_copy(walk, peer->device_ifindex, CNET_PORT_REMOTE, 0);
    return 0;
}

/* An endpoint's frame goes to the peers that have the network. The host's does not, each has its
 * own; a peer's has come to all of them already. */
static __always_inline void flood_peers(struct flood_walk* walk,
                                        const struct cnet_network* network) {
    __u32 peers = network->flood_peers;

    if (likely(!peers) || walk->pkt->port_flags & (CNET_PORT_HOST | CNET_PORT_REMOTE) ||
        walk->pkt->port_flags & CNET_PORT_ICC_OFF)
        return;
    if (peers > CNET_FLOOD_PEERS_MAX) peers = CNET_FLOOD_PEERS_MAX;
    walk->vni = network->vni;
    bpf_loop(peers, flood_peer, walk, 0);
}

/*
 * Is this more than the sender may flood? Each port and each peer has a bucket of a second's worth,
 * made with it: who has none is on its way out. The host itself is not limited.
 */
static __always_inline int flood_exceeds(const struct cnet_pkt* pkt, __u64 interval_ns) {
    struct cnet_flood_rate_key key = {
        .network_id = pkt->network_id,
        .ifindex = pkt->ifindex,
        .peer_id = pkt->ifindex ? 0 : pkt->peer_id,
    };
    __u64* full_at_ns;

    if (likely(!interval_ns) || pkt->port_flags & CNET_PORT_HOST) return 0;
    full_at_ns = bpf_map_lookup_elem(&cnet_flood_rate, &key);
    return !full_at_ns || !token_take(full_at_ns, interval_ns, FLOOD_BURST_NS, bpf_ktime_get_ns());
}

/*
 * A copy to each other port of the network, and to each other host. The per-CPU backlog
 * (netdev_max_backlog, 1000) takes no more than that many copies at once; what it refuses is
 * counted per copy. The original always ends here.
 */
VERIFIED_ONCE int bridge_flood(struct __sk_buff* skb, struct cnet_pkt* pkt) {
    struct flood_walk walk = {.skb = skb, .pkt = pkt};
    struct cnet_network* network;
    __u32 network_id, ports;

    if (!pkt) return V_DROP;
    network_id = pkt->network_id;
    network = bpf_map_lookup_elem(&cnet_network, &network_id);
    if (!network) return drop(pkt, CNET_R_UNKNOWN_PORT);
    if (unlikely(flood_exceeds(pkt, network->flood_interval_ns)))
        return drop(pkt, CNET_R_FLOOD_LIMIT);
    ports = network->flood_ports;
    if (ports > CNET_FLOOD_PORTS_MAX) ports = CNET_FLOOD_PORTS_MAX;
    bpf_loop(ports, flood_one, &walk, 0);
    flood_peers(&walk, network);
    if (!walk.any_sent) return drop(pkt, walk.any_lost ? CNET_R_FLOOD_FAILED : CNET_R_FLOOD_NOBODY);
    return drop(pkt, CNET_R_FLOODED);
}

#endif
