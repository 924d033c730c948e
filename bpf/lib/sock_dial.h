/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: a host process dials an address. When that is a published port of this host, where its
 * socket is connected or sends to instead: the endpoint itself, over the network's host port, with
 * nothing translated on the way.
 */
#ifndef CNET_LIB_SOCK_DIAL_H
#define CNET_LIB_SOCK_DIAL_H

#include "slot.h"
#include "sock_peers.h"

enum sock_family {
    SOCK_V4 = 1 << 0,
    SOCK_V6 = 1 << 1,
};

struct sock_dial {
    struct sock_addr dialled;
    struct sock_addr backend; /* when dialled is published */
    __u8 families;            /* enum sock_family: of addresses that the socket can be given */
    __u8 bound_to_loopback;
};

/* Containers' processes live in the same cgroups; their sockets' namespace tells them. */
static __always_inline int sock_is_of_host(struct bpf_sock_addr* ctx) {
    __u32 zero = 0;
    struct cnet_meta* meta = bpf_map_lookup_elem(&cnet_meta, &zero);

    return meta && meta->netns_cookie == bpf_get_netns_cookie(ctx);
}

static __always_inline int sock_names_host(const union cnet_addr* addr) {
    return sock_addr_is_loopback(addr) || bpf_map_lookup_elem(&cnet_host_addr, addr);
}

/* What the slot of this port says; any protocol that cannot be published has none. */
static __always_inline __u32 sock_slot_binding(__u32 protocol, __u32 slot_index) {
    struct cnet_slot* slot;

    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) return CNET_BINDING_NONE;
    slot = bpf_map_lookup_elem(&cnet_slot, &slot_index);
    return slot ? READ_ONCE(slot->binding_id) : CNET_BINDING_NONE;
}

static __always_inline struct cnet_binding* sock_binding(__u32 id, __u32 slot_index,
                                                         const struct sock_addr* dialled) {
    if (!sock_names_host(&dialled->addr)) return NULL;
    if (id == CNET_BINDING_BY_ADDR) id = binding_id_by_addr(slot_index, &dialled->addr);
    return id == CNET_BINDING_NONE ? NULL : bpf_map_lookup_elem(&cnet_binding, &id);
}

/* The endpoint's address: of the family that was dialled if there is one. */
static __always_inline int sock_target(const struct cnet_binding* binding, struct sock_dial* dial) {
    int has4 = (dial->families & SOCK_V4) && !addr_is_zero(&binding->target4);
    int has6 = (dial->families & SOCK_V6) && !addr_is_zero(&binding->target6);
    __u16 distance = bpf_ntohs(dial->dialled.port_be) - binding->host_port;

    if (!has4 && !has6) return 0;
    dial->backend.addr =
        has4 && (!has6 || addr_is_v4(&dial->dialled.addr)) ? binding->target4 : binding->target6;
    dial->backend.port_be = bpf_htons(binding->target_port + distance);
    return 1;
}

/*
 * Whoever dials a published port must not meet the socket that holds it, which never answers.
 * CNET_R_NONE: no port of ours, which nearly all calls on the machine are found to be by one array
 * look-up, and which is not counted.
 */
static __always_inline enum cnet_reason sock_resolve(struct bpf_sock_addr* ctx,
                                                     struct sock_dial* dial) {
    __u32 l4 = ctx->protocol == IPPROTO_TCP ? CNET_L4_TCP : CNET_L4_UDP;
    __u32 slot_index = CNET_SLOT_INDEX(l4, bpf_ntohs(dial->dialled.port_be));
    __u32 id = sock_slot_binding(ctx->protocol, slot_index);
    struct cnet_binding* binding;

    if (id == CNET_BINDING_NONE || !sock_is_of_host(ctx)) return CNET_R_NONE;
    binding = sock_binding(id, slot_index, &dial->dialled);
    if (!binding) return CNET_R_NOT_OURS;
    if (dial->bound_to_loopback) return CNET_R_SOCK_LOOPBACK_SOURCE;
    if (!sock_target(binding, dial)) return CNET_R_SOCK_NO_TARGET;
    return CNET_R_SOCK_DIALLED;
}

/*
 * A socket that dials is bound to a loopback address, from which nothing goes to an endpoint: bound
 * to none, it gets the gateway's as any other does. Only one that has no port yet can be bound once
 * more (IP_BIND_ADDRESS_NO_PORT): __inet_bind() and __inet6_bind() refuse the rest. 0: it is done.
 */
static __always_inline long sock_unbind4(struct bpf_sock_addr* ctx) {
    struct sockaddr_in nowhere = {.sin_family = CNET_AF_INET};

    return bpf_bind(ctx, (struct sockaddr*)&nowhere, sizeof(nowhere));
}

static __always_inline long sock_unbind6(struct bpf_sock_addr* ctx) {
    struct sockaddr_in6 nowhere = {.sin6_family = CNET_AF_INET6};

    return bpf_bind(ctx, (struct sockaddr*)&nowhere, sizeof(nowhere));
}

static __always_inline int sock_left_alone(enum cnet_reason reason) {
    return reason == CNET_R_NONE || reason == CNET_R_NOT_OURS;
}

/* The one exit of connect and sendmsg: counts, remembers, and says how the system call goes on. */
static __always_inline int sock_exit(struct bpf_sock_addr* ctx, const struct sock_dial* dial,
                                     enum cnet_reason reason) {
    struct bpf_sock* sk = ctx->sk;

    if (reason == CNET_R_NONE) return SOCK_ALLOW;
    count(CNET_HOOK_SOCK, reason, 0);
    switch (reason) {
    case CNET_R_SOCK_DIALLED:
        sock_remember(sk, &dial->backend, &dial->dialled);
        return SOCK_ALLOW;
    case CNET_R_SOCK_LOOPBACK_SOURCE:
        bpf_set_retval(-SOCK_EADDRNOTAVAIL);
        return SOCK_REFUSE;
    case CNET_R_SOCK_NO_TARGET:
        bpf_set_retval(-SOCK_ECONNREFUSED);
        return SOCK_REFUSE;
    default:
        return SOCK_ALLOW;
    }
}

#endif
