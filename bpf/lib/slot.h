/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The host's ports, one slot each: published by whom, and by how many flows in use. See struct
 * cnet_slot. */
#ifndef CNET_LIB_SLOT_H
#define CNET_LIB_SLOT_H

#include "../../maps/defs.bpf.h"
#include "compat.h"
#include "pkt.h"
#include "trace.h"

/* What has no ports shares the slot of ICMP's identifier 0. */
static __always_inline __u32 l4_index(__u8 proto) {
    switch (proto) {
    case IPPROTO_TCP:
        return CNET_L4_TCP;
    case IPPROTO_UDP:
        return CNET_L4_UDP;
    case IPPROTO_SCTP:
        return CNET_L4_SCTP;
    default:
        return CNET_L4_ICMP;
    }
}

static __always_inline struct cnet_slot* slot_lookup(__u8 proto, __be16 port_be) {
    __u32 index = CNET_SLOT_INDEX(l4_index(proto), bpf_ntohs(port_be));

    return bpf_map_lookup_elem(&cnet_slot, &index);
}

static __always_inline int slot_concerns_us(const struct cnet_slot* slot) {
    return slot && (slot->nat_refs || slot->binding_id != CNET_BINDING_NONE);
}

/* Some mapping has this port, of whichever address. */
static __always_inline int slot_is_mapped(const struct cnet_slot* slot) {
    return slot->nat_refs >= CNET_SLOT_MAPPING;
}

/* The entry under this key, with these flags, makes somebody look at a port; `delta` is +1 when it
 * goes in, -1 when it comes out. */
static __always_inline void slot_hold(const struct cnet_ct_key* key, __u8 entry_flags, int delta) {
    struct cnet_slot* slot;

    if (key->mapping) delta *= (int)CNET_SLOT_MAPPING;
    if (key->zone == CNET_ZONE_WORLD)
        slot = slot_lookup(key->l4_proto, key->dst_port_be);
    else if (key->zone == CNET_ZONE_HOST || entry_flags & CNET_CT_SWITCHED)
        slot = slot_lookup(key->l4_proto, key->src_port_be);
    else
        return;
    if (slot) __sync_fetch_and_add(&slot->nat_refs, delta);
}

static __always_inline const union cnet_addr* binding_target(const struct cnet_binding* binding,
                                                             const union cnet_addr* client) {
    return addr_is_v4(client) ? &binding->target4 : &binding->target6;
}

/* Which binding names this host address and port: by itself, or as one of its family's. */
static __always_inline __u32 binding_id_by_addr(__u32 slot_index, const union cnet_addr* addr) {
    struct cnet_bind_key key = {.addr = *addr, .slot = slot_index};
    __u32* found = bpf_map_lookup_elem(&cnet_bind_addr, &key);

    if (found) return *found;
    key.addr = addr_is_v4(addr) ? addr_from_v4(0) : (union cnet_addr){};
    found = bpf_map_lookup_elem(&cnet_bind_addr, &key);
    return found ? *found : CNET_BINDING_NONE;
}

/* The binding that publishes the packet's destination, or NULL. One whose endpoint has no address
 * of the packet's family publishes nothing to it. */
static __always_inline struct cnet_binding* binding_lookup(const struct cnet_slot* slot,
                                                           const struct cnet_ct_key* tuple) {
    __u32 id = READ_ONCE(slot->binding_id);
    struct cnet_binding* binding;

    if (id == CNET_BINDING_BY_ADDR)
        id = binding_id_by_addr(
            CNET_SLOT_INDEX(l4_index(tuple->l4_proto), bpf_ntohs(tuple->dst_port_be)), &tuple->dst);
    if (id == CNET_BINDING_NONE) return NULL;
    binding = bpf_map_lookup_elem(&cnet_binding, &id);
    if (CNET_EXPLAINING && binding) trace_binding(binding, binding_target(binding, &tuple->src));
    return binding && !addr_is_zero(binding_target(binding, &tuple->src)) ? binding : NULL;
}

/* May this client begin a flow to the published port? */
static __always_inline int allow_list_permits(const struct cnet_binding* binding,
                                              const union cnet_addr* client) {
    struct cnet_allow_key key = {.prefix_len = CNET_ALLOW_PREFIX_LEN(128),
                                 .list_id = binding->allow_list_id,
                                 .addr = *client};
    __u32* permitted;

    if (likely(!binding->allow_list_id)) return 1;
    permitted = bpf_map_lookup_elem(&cnet_allow, &key);
    return permitted && *permitted;
}

#endif
