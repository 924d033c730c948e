/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of the ABI that is about networks across hosts: peers, their VTEPs, VNIs. Include abi.h,
 * which includes this. */
#ifndef CNET_MAPS_ABI_OVERLAY_H
#define CNET_MAPS_ABI_OVERLAY_H

#include <linux/types.h>

/* Copies of one flooded frame to other hosts, at most. */
#define CNET_FLOOD_PEERS_MAX 1024

/* UDP source ports of the outer header, from the inner flow's hash (RFC 7348 section 5). */
#define CNET_VXLAN_PORT_MIN 49152
#define CNET_VXLAN_PORT_MAX 65535

/* ---- cnet_peer: peer id (not 0) -> another host. Writer: cnetd, but for what is BPF's. ---- */
struct cnet_peer {
    union cnet_addr remote; /* its VTEP */
    union cnet_addr local;  /* ours towards it: the source of what we send, and the only destination
                               of what we take */
    __u32 device_ifindex;   /* the kept vxlan device */
    __u32 reserved;
    /* BPF's: what the routing table said, and when. Zero where cnetd writes. */
    __u32 fib_ifindex;
    __u32 fib_mtu;
    __u64 fib_checked_ns;
    union cnet_addr fib_nexthop;
};
CNET_SIZE(struct cnet_peer, 16 + 16 + 4 + 4 + 4 + 4 + 8 + 16);

/* ---- cnet_vtep: address -> whose it is: a peer's, or this host's own. Writer: cnetd. ---- */
struct cnet_vtep {
    __u32 peer_id;          /* 0: this host's own */
    __u32 receiver_ifindex; /* a veth whose far end takes what the kernel is to take apart; 0: the
                               host's own stack does */
    union cnet_addr local;  /* as in struct cnet_peer; zero for the host's own */
};
CNET_SIZE(struct cnet_vtep, 4 + 4 + 16);

/* ---- cnet_vni: VNI -> network. Writer: cnetd. ---- */
struct cnet_vni {
    __u32 network_id;
    __u32 port_flags; /* enum cnet_port_flag of what comes from peers: CNET_PORT_REMOTE, and what
                         the network says */
};
CNET_SIZE(struct cnet_vni, 4 + 4);

/* ---- cnet_flood_peer: (network, dense index) -> peer id. Writer: cnetd. Key: cnet_flood_key. ----
 */

#endif
