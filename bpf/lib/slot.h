/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The host's ports, one slot each: published by whom, and by how many flows in use. See struct
 * cnet_slot. */
#ifndef CNET_LIB_SLOT_H
#define CNET_LIB_SLOT_H

#include "ctx_tc.h"

static __always_inline __u32 l4_index(__u8 proto) {
    return proto == IPPROTO_TCP ? CNET_L4_TCP : proto == IPPROTO_UDP ? CNET_L4_UDP : CNET_L4_ICMP;
}

static __always_inline struct cnet_slot* slot_lookup(__u8 proto, __be16 port_be) {
    __u32 index = CNET_SLOT_INDEX(l4_index(proto), bpf_ntohs(port_be));

    return bpf_map_lookup_elem(&cnet_slot, &index);
}

static __always_inline int slot_concerns_us(const struct cnet_slot* slot) {
    return slot && (slot->nat_refs || slot->binding_id != CNET_BINDING_NONE);
}

/* The entry under this key makes the host look at a port; `delta` is +1 when it goes in, -1 when it
 * comes out. */
static __always_inline void slot_hold(const struct cnet_ct_key* key, int delta) {
    struct cnet_slot* slot;

    if (key->zone != CNET_ZONE_WORLD && key->zone != CNET_ZONE_HOST) return;
    slot = slot_lookup(key->l4_proto,
                       key->zone == CNET_ZONE_WORLD ? key->dst_port_be : key->src_port_be);
    if (slot) __sync_fetch_and_add(&slot->nat_refs, delta);
}

/* The binding of a published port on this host address, or NULL. */
static __always_inline struct cnet_binding* binding_lookup(const struct cnet_slot* slot, __u8 proto,
                                                           __be32 addr_be, __be16 port_be) {
    struct cnet_bind_key key = {.slot = CNET_SLOT_INDEX(l4_index(proto), bpf_ntohs(port_be))};
    __u32 id = READ_ONCE(slot->binding_id);
    __u32* found;

    if (id == CNET_BINDING_NONE) return NULL;
    if (id == CNET_BINDING_BY_ADDR) {
        key.addr = addr_from_v4(addr_be);
        found = bpf_map_lookup_elem(&cnet_bind_addr, &key);
        if (!found) {
            key.addr = addr_from_v4(0);
            found = bpf_map_lookup_elem(&cnet_bind_addr, &key);
        }
        if (!found) return NULL;
        id = *found;
    }
    return bpf_map_lookup_elem(&cnet_binding, &id);
}

#endif
