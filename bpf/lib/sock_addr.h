/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a socket's system call names: read from, and written to, the context of the `sock` programs
 * as 16-byte addresses. The context is written a word at a time: the kernels' verifiers take that.
 */
#ifndef CNET_LIB_SOCK_ADDR_H
#define CNET_LIB_SOCK_ADDR_H

#include "count.h"
#include "pkt.h"

/* What a program answers for its system call. */
#define SOCK_REFUSE 0
#define SOCK_ALLOW 1

/* include/uapi/asm-generic/errno.h, for bpf_set_retval. */
#define SOCK_EADDRNOTAVAIL 99
#define SOCK_ECONNREFUSED 111

struct sock_addr {
    union cnet_addr addr;
    __be16 port_be;
};

static __always_inline int sock_addr_is_loopback4(__be32 addr_be) {
    return (addr_be & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

static __always_inline int sock_addr_is_loopback(const union cnet_addr* addr) {
    if (addr_is_v4(addr)) return sock_addr_is_loopback4(addr->words_be[3]);
    return !addr->words_be[0] && !addr->words_be[1] && !addr->words_be[2] &&
           addr->words_be[3] == bpf_htonl(1);
}

static __always_inline void sock_addr_read4(const struct bpf_sock_addr* ctx, struct sock_addr* to) {
    to->addr = addr_from_v4(ctx->user_ip4);
    to->port_be = ctx->user_port;
}

static __always_inline void sock_addr_read6(const struct bpf_sock_addr* ctx, struct sock_addr* to) {
    to->addr.words_be[0] = ctx->user_ip6[0];
    to->addr.words_be[1] = ctx->user_ip6[1];
    to->addr.words_be[2] = ctx->user_ip6[2];
    to->addr.words_be[3] = ctx->user_ip6[3];
    to->port_be = ctx->user_port;
}

static __always_inline void sock_addr_write4(struct bpf_sock_addr* ctx,
                                             const struct sock_addr* from) {
    ctx->user_ip4 = from->addr.words_be[3];
    ctx->user_port = from->port_be;
}

static __always_inline void sock_addr_write6(struct bpf_sock_addr* ctx,
                                             const struct sock_addr* from) {
    ctx->user_ip6[0] = from->addr.words_be[0];
    ctx->user_ip6[1] = from->addr.words_be[1];
    ctx->user_ip6[2] = from->addr.words_be[2];
    ctx->user_ip6[3] = from->addr.words_be[3];
    ctx->user_port = from->port_be;
}

/* To dial nothing is to dial this host, as everywhere in the kernel. */
static __always_inline void sock_addr_nothing_is_loopback4(struct sock_addr* dest) {
    if (!dest->addr.words_be[3]) dest->addr.words_be[3] = bpf_htonl(0x7f000001);
}

/* The address that an AF_INET6 socket is bound to, by its owner or by an earlier connect. */
static __always_inline void sock_source6(const struct bpf_sock* sk, union cnet_addr* source) {
    source->words_be[0] = sk->src_ip6[0];
    source->words_be[1] = sk->src_ip6[1];
    source->words_be[2] = sk->src_ip6[2];
    source->words_be[3] = sk->src_ip6[3];
}

#endif
