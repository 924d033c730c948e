/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stages: a bridge that somebody else made, gone past by what may go past it. Everything else is
 * the bridge's, as if we were not there: nothing is ever dropped here (adopted_rules.h does).
 */
#ifndef CNET_LIB_ADOPTED_H
#define CNET_LIB_ADOPTED_H

#include "bridge.h"

static __always_inline enum cnet_verdict to_bridge(struct cnet_pkt* pkt) {
    return pass(pkt, CNET_R_TO_BRIDGE);
}

/* A device without an entry is being adopted or released. */
static __always_inline enum cnet_verdict adopted_admit(struct __sk_buff* skb, struct cnet_pkt* pkt,
                                                       const struct cnet_port** port_out) {
    __u32 ifindex = skb->ifindex;
    const struct cnet_port* port;

    pkt->len = skb->len;
    pkt->ifindex = ifindex;
    port = port_of_device(ifindex);
    if (unlikely(!port)) return to_bridge(pkt);
    *port_out = port;
    trace_port(port, ifindex);
    pkt->network_id = port->network_id;
    pkt->port_flags = port->flags;
    pkt->host_ifindex = port->host_ifindex;
    if (eth_parse(pkt, tc_data(skb), tc_data_end(skb)) != PARSE_OK) return to_bridge(pkt);
    if (skb->vlan_present) pkt->flags |= PKT_VLAN;
    return V_NEXT;
}

static __always_inline int mac_is_zero(const __u8* mac) {
    const mac_word* words = (const mac_word*)mac;

    return !(words[0] | words[1] | words[2]);
}

/*
 * As the bridge learns, from any port, its own included that we do not send to: a MAC that moves
 * there must be found by the bridge. redirect_peer hands each frame to the far end as its own, so
 * it is for the far end's own MAC alone: behind it there may be others. What we have no room for
 * the bridge has to see, or it would flood all answers.
 */
static __always_inline enum cnet_verdict adopted_learn(struct cnet_pkt* pkt,
                                                       const struct cnet_port* port) {
    struct cnet_fdb_key key = fdb_key(pkt->network_id, pkt->src_mac);
    struct cnet_fdb_entry* entry;

    if (unlikely(mac_is_multicast(pkt->src_mac) || mac_is_zero(pkt->src_mac)))
        return to_bridge(pkt);
    entry = bpf_map_lookup_elem(&cnet_fdb, &key);
    if (unlikely(entry && entry->flags & CNET_FDB_STATIC)) return to_bridge(pkt);
    if (unlikely(!mac_equal(pkt->src_mac, port->mac))) pkt->port_flags &= ~CNET_PORT_PEER;
    return fdb_note(pkt, &key, entry) ? V_NEXT : to_bridge(pkt);
}

/* The device that a frame for this MAC may be sent to, or NULL. A redirect goes past the bridge's
 * look at the device's MTU, whatever the device is. */
static __always_inline const struct cnet_fdb_entry* adopted_way(struct __sk_buff* skb,
                                                                const struct cnet_pkt* pkt) {
    const struct cnet_fdb_entry* entry;
    __u32 mtu = 0;

    if (unlikely(pkt->flags & PKT_VLAN || mac_is_multicast(pkt->dst_mac))) return NULL;
    entry = fdb_lookup(pkt->network_id, pkt->dst_mac);
    if (!entry || entry->port_flags & CNET_PORT_BRIDGED || entry->ifindex == pkt->ifindex)
        return NULL;
    if (unlikely(bpf_check_mtu(skb, entry->ifindex, &mtu, -VLAN_TAG_LEN, 0))) return NULL;
    return entry;
}

static __always_inline enum cnet_verdict adopted_forward(struct __sk_buff* skb,
                                                         struct cnet_pkt* pkt) {
    const struct cnet_fdb_entry* entry;

    if (unlikely(pkt->port_flags & CNET_PORT_BRIDGED)) return to_bridge(pkt);
    entry = adopted_way(skb, pkt);
    if (!entry) return to_bridge(pkt);
    return redirected(pkt, tc_send_to_port(skb, entry->ifindex, entry->port_flags),
                      CNET_R_SWITCHED);
}

/* From the bridge's own device: redirect_peer works at ingress alone. */
static __always_inline enum cnet_verdict adopted_from_host(struct __sk_buff* skb,
                                                           struct cnet_pkt* pkt) {
    const struct cnet_fdb_entry* entry = adopted_way(skb, pkt);

    if (!entry) return to_bridge(pkt);
    trace_send(entry->ifindex, CNET_TRACE_SEND_OUT);
    return redirected(pkt, bpf_redirect(entry->ifindex, 0), CNET_R_SWITCHED);
}

#endif
