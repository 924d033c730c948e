/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a socket dialled, remembered with the socket: see struct cnet_sock. The kernel holds the
 * socket's lock around connect, sendmsg and recvmsg programs, so nothing here races.
 */
#ifndef CNET_LIB_SOCK_PEERS_H
#define CNET_LIB_SOCK_PEERS_H

#include "sock_addr.h"

static __always_inline struct cnet_sock_peer* sock_peer_find(struct cnet_sock* state,
                                                             const struct sock_addr* backend) {
    for (int i = 0; i < CNET_SOCK_PEERS; i++) {
        struct cnet_sock_peer* peer = &state->peers[i];

        if (peer->backend_port_be == backend->port_be && addr_equal(&peer->backend, &backend->addr))
            return peer;
    }
    return NULL;
}

static __always_inline struct cnet_sock_peer* sock_peer_unused(struct cnet_sock* state) {
    for (int i = 0; i < CNET_SOCK_PEERS; i++) {
        if (!state->peers[i].backend_port_be) return &state->peers[i];
    }
    return NULL;
}

/* One endpoint's port dialled in two ways: the last way counts. */
static __always_inline void sock_remember(struct bpf_sock* sk, const struct sock_addr* backend,
                                          const struct sock_addr* dialled) {
    struct cnet_sock* state;
    struct cnet_sock_peer* peer;

    if (!effects_allowed()) return;
    state = bpf_sk_storage_get(&cnet_sock, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
    if (!state) {
        count(CNET_HOOK_SOCK, CNET_R_SOCK_NO_MEMORY, 0);
        return;
    }
    peer = sock_peer_find(state, backend);
    if (!peer) peer = sock_peer_unused(state);
    if (!peer) {
        count(CNET_HOOK_SOCK, CNET_R_SOCK_PEERS_FULL, 0);
        peer = &state->peers[state->next++ & (CNET_SOCK_PEERS - 1)];
    }
    peer->backend = backend->addr;
    peer->backend_port_be = backend->port_be;
    peer->dialled = dialled->addr;
    peer->dialled_port_be = dialled->port_be;
}

/* The process dialled the endpoint itself: that is what it is to see from now on. */
static __always_inline void sock_forget(struct bpf_sock* sk, const struct sock_addr* backend) {
    struct cnet_sock* state = bpf_sk_storage_get(&cnet_sock, sk, NULL, 0);
    struct cnet_sock_peer* peer = state ? sock_peer_find(state, backend) : NULL;

    if (peer && effects_allowed()) peer->backend_port_be = 0;
}

/* Turns the address that the kernel is about to show into what was dialled; 0 when it was just
 * that. */
static __always_inline int sock_recall(struct bpf_sock* sk, struct sock_addr* shown) {
    struct cnet_sock* state = bpf_sk_storage_get(&cnet_sock, sk, NULL, 0);
    struct cnet_sock_peer* peer = state ? sock_peer_find(state, shown) : NULL;

    if (!peer) return 0;
    shown->addr = peer->dialled;
    shown->port_be = peer->dialled_port_be;
    return 1;
}

#endif
