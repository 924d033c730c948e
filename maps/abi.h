/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ABI between the BPF programs and user space: every key, value, limit and enumeration that
 * both sides read.
 *
 * Includes <linux/types.h> only and compiles as C11 and C++20. All padding is explicit, so that a
 * key hashes the same whoever builds it: zero a struct before filling it. `_be` marks network byte
 * order, `_ns` is CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns). Addresses are always 16 bytes;
 * IPv4 is ::ffff:a.b.c.d. A change of a size or of a field's meaning bumps CNET_ABI_VERSION: cnetd
 * refuses pins of another version.
 */
#ifndef CNET_MAPS_ABI_H
#define CNET_MAPS_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define CNET_SIZE(type, sum) static_assert(sizeof(type) == (sum), #type " has hidden padding")
#else
#define CNET_SIZE(type, sum) _Static_assert(sizeof(type) == (sum), #type " has hidden padding")
#endif

#define CNET_ABI_VERSION 6
#define CNET_MAC_LEN 6

/* The hooks of the data path. Numbers are part of the counter map's layout: append only. */
enum cnet_hook {
    CNET_HOOK_ENDPOINT = 0,      /* tc ingress, host side of an endpoint's veth */
    CNET_HOOK_HOSTPORT = 1,      /* tc ingress, inner end of a network's host port */
    CNET_HOOK_UPLINK = 2,        /* tc ingress, uplink */
    CNET_HOOK_UPLINK_EGRESS = 3, /* tc egress, uplink */
    CNET_HOOK_VXLAN = 4,         /* tc ingress, the kept vxlan device */
    CNET_HOOK_UPLINK_XDP = 5,    /* XDP, physical uplink */
    CNET_HOOK_SOCK = 6,          /* cgroup connect/sendmsg/recvmsg/getpeername */
    CNET_HOOK_BRIDGE_PORT = 7,   /* tc ingress, port of an adopted bridge */
    CNET_HOOK_BRIDGE = 8,        /* tc egress, an adopted bridge's own device */
    CNET_HOOK_MAX = 16,
};

enum cnet_reason {
#define CNET_REASON(name, class_, text, meaning) CNET_R_##name,
#include "reasons.def"
#undef CNET_REASON
    CNET_R_COUNT,
};

/* Counter slots per hook; larger than CNET_R_COUNT so that reasons can be appended without a new
 * map layout. */
#define CNET_REASON_MAX 128

/* An IPv4 or IPv6 address; IPv4 as ::ffff:a.b.c.d, words_be[3] being the IPv4 address. */
union cnet_addr {
    __u8 bytes[16];
    __be32 words_be[4];
};
CNET_SIZE(union cnet_addr, 16);

/* ---- cnet_meta: array[1]. Written once by cnetd when it creates the maps. ---- */
struct cnet_meta {
    __u32 abi_version;
    __u32 reserved;
    __u64 netns_cookie; /* SO_NETNS_COOKIE of the namespace whose ifindexes the maps hold */
};
CNET_SIZE(struct cnet_meta, 4 + 4 + 8);

/*
 * ---- cnet_port: ifindex -> the switch port that this device is. Writer: cnetd. ----
 * A host port stands here twice, with one value: under its inner end, where the program sits, and
 * under its outer end, so that a route or a packet through it is known as ours.
 */
enum cnet_port_flag {
    CNET_PORT_PEER =
        1 << 0, /* veth whose far end is in another namespace: bpf_redirect_peer works */
    CNET_PORT_HOST = 1 << 1, /* the network's host port: deliver with BPF_F_INGRESS to `ifindex` */
    CNET_PORT_LEARNING = 1 << 2,     /* learn source MACs here */
    CNET_PORT_CHECK_SOURCE = 1 << 3, /* managed endpoint: source MAC and IP must be its own */
    CNET_PORT_ICC_OFF = 1 << 4,      /* network option, on every port but the host's */
    CNET_PORT_INTERNAL = 1 << 5,     /* network option: nothing beyond the host */
    CNET_PORT_MASQUERADE = 1 << 6,   /* network option: SNAT towards uplinks */
    CNET_PORT_ROUTED = 1 << 7,       /* network option, on the host's port too: reachable as it is,
                                        from outside and from other networks */
    CNET_PORT_ISOLATED = 1 << 8,     /* network option, on the host's port too: the host has no
                                        address here; comes with CNET_PORT_INTERNAL */
    CNET_PORT_PUBLISHED = 1 << 9,    /* in cnet_port alone: some binding leads to this endpoint */
    CNET_PORT_NAT_INDEPENDENT = 1 << 10, /* network option, comes with CNET_PORT_MASQUERADE: ports
                                            are mapped and filtered whoever the remote is */
    CNET_PORT_REMOTE = 1 << 11,          /* no device: what a peer sends, or is sent */
    CNET_PORT_DHCP = 1 << 12,    /* in cnet_port alone: what a DHCP server says here is believed */
    CNET_PORT_BRIDGED = 1 << 13, /* of an adopted bridge, which alone sends to this port, or takes
                                    what comes from it; comes with CNET_PORT_HOST on its device */
    /* By family, on an adopted bridge's device and the host's port too: */
    CNET_PORT_KEEP4 = 1 << 14, /* sources are left as they are, CNET_PORT_MASQUERADE or not */
    CNET_PORT_KEEP6 = 1 << 15,
    CNET_PORT_DIRECT4 = 1 << 16, /* reachable as it is, from outside */
    CNET_PORT_DIRECT6 = 1 << 17,
    CNET_PORT_GUARDED4 = 1 << 18, /* with CNET_PORT_ROUTED or CNET_PORT_DIRECT4: by ICMP and by the
                                     ports that it publishes alone, and from other networks too */
    CNET_PORT_GUARDED6 = 1 << 19,
};

struct cnet_port {
    __u32 network_id;
    __u32 endpoint_id;  /* 0 for the host port */
    __u32 flags;        /* enum cnet_port_flag */
    __u32 host_ifindex; /* the host port's outer end: punts go there with BPF_F_INGRESS */
    __be32 addr4_be; /* the endpoint's first IPv4 address, 0 when none; others are in cnet_neigh */
    __be32 gateway4_be;     /* 0 when none */
    __be32 snat4_be;        /* fixed masquerade address (--snat), 0: the uplink's own */
    __u32 vni;              /* of its network; 0: none, or cnet_network alone has it so far */
    __u8 mac[CNET_MAC_LEN]; /* the endpoint's; of a bridge's port: of a veth's far end */
    __u8 gateway_mac[CNET_MAC_LEN]; /* the network's host port */
    __u8 reserved2[4];
    union cnet_addr addr6; /* first global IPv6 address, zero when none */
    union cnet_addr gateway6;
    union cnet_addr snat6;
};
CNET_SIZE(struct cnet_port, 8 * 4 + 6 + 6 + 4 + 3 * 16);

/* ---- cnet_network: network id -> what only slow paths need. Writer: cnetd. ---- */
enum cnet_network_flag {
    CNET_NETWORK_OPEN = 1 << 0, /* some port may have addresses that the control plane never heard
                                   of: the kernel's neighbour table knows them */
    CNET_NETWORK_ADOPTED = 1 << 1, /* a bridge that somebody else made; comes with it */
};

struct cnet_network {
    __u32 flags;        /* enum cnet_network_flag */
    __u32 flood_ports;  /* entries 0..flood_ports-1 of cnet_flood belong to this network */
    __u32 mac_limit;    /* learned MACs at most, 0: no limit but the map's */
    __u32 ageing_s;     /* learned MACs die this long after their last frame, 0: never */
    __u32 host_ifindex; /* outer end of the host port */
    __u32 vni;          /* 0: not an overlay */
    __u32 policy_id;    /* reserved for policy */
    __u32 mtu;          /* bytes */
    __u32 flood_peers;  /* entries 0..flood_peers-1 of cnet_flood_peer belong to this network */
    __u32 flood_interval_ns; /* between frames that one sender may flood, 0: no limit */
};
CNET_SIZE(struct cnet_network, 10 * 4);

/* ---- cnet_flood: (network, dense index) -> a port that floods reach. Writer: cnetd. ---- */
#define CNET_FLOOD_PORTS_MAX 4096

struct cnet_flood_key {
    __u32 network_id;
    __u32 index;
};
CNET_SIZE(struct cnet_flood_key, 4 + 4);

struct cnet_flood_port {
    __u32 ifindex;
    __u32 port_flags; /* enum cnet_port_flag of that port */
};
CNET_SIZE(struct cnet_flood_port, 4 + 4);

/*
 * ---- cnet_flood_rate: who floods -> a token bucket (bpf/lib/token_bucket.h). There for each port
 * but the host's, and each peer, of a network with a limit. Created by cnetd as 0, then BPF only.
 * ----
 */
struct cnet_flood_rate_key {
    __u32 network_id;
    __u32 ifindex; /* 0: a peer */
    __u32 peer_id; /* 0: a port */
};
CNET_SIZE(struct cnet_flood_rate_key, 3 * 4);

/* ---- cnet_fdb: (network, MAC) -> port. Static entries by cnetd; learned ones by `endpoint`. ----
 */
struct cnet_fdb_key {
    __u32 network_id;
    __u8 mac[CNET_MAC_LEN];
    __u8 pad[2];
};
CNET_SIZE(struct cnet_fdb_key, 4 + 6 + 2);

enum cnet_fdb_flag {
    CNET_FDB_STATIC = 1 << 0, /* stated by the control plane: never aged, never moved by learning */
};

struct cnet_fdb_entry {
    __u64 last_seen_ns; /* learned entries; CNET_CLAIMED while the collector deletes it */
    __u32 ifindex; /* where to send; the host port's outer end when port_flags has CNET_PORT_HOST, 0
                      when peer_id is not */
    __u32 port_flags; /* enum cnet_port_flag of that port */
    __u32 flags;      /* enum cnet_fdb_flag */
    __u32 peer_id;    /* 0: local; else the peer (VTEP) behind which the MAC lives */
};
CNET_SIZE(struct cnet_fdb_entry, 8 + 4 * 4);

/* ---- cnet_fdb_count: network id -> learned entries now. Created by cnetd as 0, then BPF only.
 * ---- */

/* ---- cnet_neigh: (network, address) -> who has it: ARP/ND, source check, delivery. Writer: cnetd.
 * ---- */
struct cnet_neigh_key {
    __u32 network_id;
    union cnet_addr addr;
};
CNET_SIZE(struct cnet_neigh_key, 4 + 16);

struct cnet_neigh_entry {
    __u32 ifindex; /* the port; the host port's outer end for the gateway; 0 when peer_id is not */
    __u32 port_flags; /* enum cnet_port_flag of that port */
    __u32 endpoint_id;
    __u32 peer_id; /* 0: local */
    __u32 mtu;     /* of the network, bytes */
    __u8 mac[CNET_MAC_LEN];
    __u8 gateway_mac[CNET_MAC_LEN]; /* source MAC of what the gateway delivers */
};
CNET_SIZE(struct cnet_neigh_entry, 5 * 4 + 6 + 6);

/* ---- cnet_uplinks: ifindex -> uplink. Writer: cnetd, following netlink. ---- */
#define CNET_UPLINK_ADDRS_MAX 8

struct cnet_uplink_addr {
    union cnet_addr addr;
    __u32 prefix_len; /* of the 128-bit form: 96 + n for IPv4 */
};
CNET_SIZE(struct cnet_uplink_addr, 16 + 4);

struct cnet_uplink {
    __u32 flags;      /* reserved */
    __u32 addr_count; /* global-scope addresses, neither temporary, deprecated nor tentative, in the
                         kernel's order: the first of a family is its primary */
    struct cnet_uplink_addr addrs[CNET_UPLINK_ADDRS_MAX];
};
CNET_SIZE(struct cnet_uplink, 4 + 4 + 8 * 20);

/* ---- cnet_host_addr: every address of the host (gateways too, 127.0.0.0/8 not). Writer: cnetd.
 * ---- */
struct cnet_host_addr {
    __u32 ifindex;
    __u32 flags; /* reserved */
};
CNET_SIZE(struct cnet_host_addr, 4 + 4);

/* ---- cnet_slot: mmapable array, one slot per (protocol, port) of the host. ---- */
enum cnet_l4 {
    CNET_L4_TCP = 0,
    CNET_L4_UDP = 1,
    CNET_L4_ICMP = 2,
    CNET_L4_SCTP = 3,
    CNET_L4_MAX = 4
};
#define CNET_SLOT_COUNT (CNET_L4_MAX * 65536)
#define CNET_SLOT_INDEX(l4, port) (((__u32)(l4) << 16) | (__u32)(port))
#define CNET_BINDING_NONE 0u
#define CNET_BINDING_BY_ADDR 0xffffffffu /* look the host address up in cnet_bind_addr */

/*
 * binding_id: written by cnetd alone, as one 32-bit store through its mapping of the array.
 * nat_refs: written by BPF alone, atomically. It counts the cnet_ct entries for which somebody must
 * look at a packet: an entry in zone WORLD holds the slot of its key's destination port, one in
 * zone HOST, or with CNET_CT_SWITCHED, that of its source port. A mapping counts CNET_SLOT_MAPPING,
 * so that a look at the slot also tells whether there is one. Both words zero mean: not ours, at
 * the price of one array look-up.
 */
struct cnet_slot {
    __u32 binding_id;
    __u32 nat_refs;
};
#define CNET_SLOT_MAPPING (1u << 24)
#define CNET_CT_ENTRIES_MAX (CNET_SLOT_MAPPING - 1) /* what cnet_ct may be made to hold */
CNET_SIZE(struct cnet_slot, 4 + 4);

/*
 * ---- cnet_bind_addr: (host address, protocol, port) -> binding. Writer: cnetd. ----
 * And with CNET_PORT_GUARDED4 or 6, or some cnet_trusted, (address behind it, protocol, its own
 * port), of which no slot tells.
 */
struct cnet_bind_key {
    union cnet_addr addr; /* ::ffff:0.0.0.0 or :: for one family's wildcard */
    __u32 slot;           /* CNET_SLOT_INDEX */
};
CNET_SIZE(struct cnet_bind_key, 16 + 4);

/*
 * ---- cnet_trusted: (network, ifindex) -> 1: what comes to the host by this device may go straight
 * to what the network publishes, and cnet_bind_addr has that by its own address. Writer: cnetd.
 * ----
 */
struct cnet_trusted_key {
    __u32 network_id; /* of an adopted bridge */
    __u32 ifindex;
};
CNET_SIZE(struct cnet_trusted_key, 4 + 4);

/* ---- cnet_binding: binding id (not 0, not all ones) -> published range. Writer: cnetd. ---- */
enum cnet_binding_flag {
    CNET_BINDING_LOOPBACK = 1 << 0, /* published on 127.0.0.1 or ::1: never from the wire */
};

struct cnet_binding {
    __u32 id; /* its own key: a flow remembers which binding made it */
    __u32 network_id;
    __u32 endpoint_id;
    union cnet_addr target4; /* the endpoint's address of each family, zero when none */
    union cnet_addr target6;
    __u16 host_port;   /* first of the range, host byte order */
    __u16 target_port; /* what host_port maps to; the rest of the range keeps the distance */
    __u16 port_count;
    __u8 l4;               /* enum cnet_l4 */
    __u8 flags;            /* enum cnet_binding_flag */
    __u32 allow_list_id;   /* 0: everybody; else who is in cnet_allow under it */
    __u32 new_interval_ns; /* between new connections from outside, 0: no limit */
    __u32 new_burst;       /* so many at once after a pause */
    __u64 new_full_at_ns;  /* BPF's: their token bucket (bpf/lib/token_bucket.h) */
};
CNET_SIZE(struct cnet_binding, 3 * 4 + 2 * 16 + 3 * 2 + 2 + 4 + 4 + 4 + 8);

/*
 * ---- cnet_allow: LPM trie, (list, client address) -> 1: may use the bindings with this
 * allow_list_id; 0, or no entry: may not. Writer: cnetd, which fills a list before a binding names
 * it. 0 is what IPv4 gets in a list with ::/0, where it lies within. ----
 */
#define CNET_ALLOW_PREFIX_LEN(addr_prefix_len) (32u + (addr_prefix_len)) /* of the 128-bit form */

struct cnet_allow_key {
    __u32 prefix_len; /* bits that count, from list_id on: a look-up takes all 160 */
    __u32 list_id;
    union cnet_addr addr;
};
CNET_SIZE(struct cnet_allow_key, 4 + 4 + 16);

/* ---- cnet_counters: per-CPU array, index CNET_COUNTER_INDEX. Writer: BPF. ---- */
struct cnet_counter {
    __u64 packets;
    __u64 bytes;
};
CNET_SIZE(struct cnet_counter, 8 + 8);
#define CNET_COUNTER_INDEX(hook, reason) ((__u32)(hook)*CNET_REASON_MAX + (__u32)(reason))
#define CNET_COUNTER_COUNT (CNET_HOOK_MAX * CNET_REASON_MAX)

/*
 * ---- cnet_icmp_rate: array, how fast ICMP errors are made. Writer: BPF. ----
 * A token bucket as one time: when its tokens were all given back, were none taken from now on.
 * First one for each hook, then those of the errors' receivers, by hash of hook, network and
 * address.
 */
#define CNET_ICMP_RATE_COUNT 4096

/*
 * ---- cnet_dhcp: ring buffer (bytes) of struct cnet_dhcp_seen. Writer: BPF; reader: cnetd. ----
 * Bytes of the wire, not looked at: whose they are and what they mean is cnetd's to find out.
 */
#define CNET_DHCP_RING 262144
#define CNET_DHCP_MIN 240  /* the fixed part and the cookie, RFC 2131 */
#define CNET_DHCP_MAX 1472 /* in a packet of 1500 bytes */

struct cnet_dhcp_seen {
    __u32 network_id;
    __u32 ifindex;     /* the port that it came from */
    __u32 from_client; /* 0: from a port with CNET_PORT_DHCP */
    __u32 len;         /* of the payload; what follows in it is anything */
    __u8 payload[CNET_DHCP_MAX];
};
CNET_SIZE(struct cnet_dhcp_seen, 4 * 4 + 1472);

/*
 * ---- cnet_sock: socket -> what it dialled. Writer: BPF (`sock`). ----
 * A host process that dials a published port is connected to the endpoint itself; this is how the
 * endpoint's address becomes again what the process knows, in recvmsg and getpeername.
 */
#define CNET_SOCK_PEERS 8 /* a power of two */

struct cnet_sock_peer {
    union cnet_addr backend; /* the endpoint's */
    union cnet_addr dialled; /* the host's */
    __be16 backend_port_be;  /* 0: unused */
    __be16 dialled_port_be;
};
CNET_SIZE(struct cnet_sock_peer, 2 * 16 + 2 + 2);

struct cnet_sock {
    __u32 next; /* counts takeovers: whose turn it is to be forgotten when all are in use */
    struct cnet_sock_peer peers[CNET_SOCK_PEERS];
};
CNET_SIZE(struct cnet_sock, 4 + 8 * 36);

/* ---- Settings that are constants to the verifier, `cnet_cfg` in .rodata of every object. ---- */
struct cnet_config {
    __u8 dry_run; /* explain: no map write, no clone, no counter */
    __u8 pad[3];
    __u32 fib_cache_ms;   /* how long a flow trusts its cached route */
    __be16 vxlan_port_be; /* UDP, [overlay] port */
    __u8 decap_gso;       /* this kernel takes a tunnel's marks off a GSO packet */
    __u8 peer_scrubs;     /* ... makes what bpf_redirect_peer brings the receiver's own */
};
CNET_SIZE(struct cnet_config, 1 + 3 + 4 + 2 + 1 + 1);

#include "abi_flow.h"
#include "abi_overlay.h"

#endif
