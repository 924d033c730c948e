// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * System calls of host processes on sockets: published ports of this host are reached without a
 * proxy, and look to the process like what it dialled.
 */
#include "lib/sock_dial.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("cgroup/connect4")
int cnet_connect4(struct bpf_sock_addr* ctx) {
    struct sock_dial dial = {.families = SOCK_V4};
    struct bpf_sock* sk = ctx->sk;
    enum cnet_reason reason;

    if (!sk) return SOCK_ALLOW;
    sock_addr_read4(ctx, &dial.dialled);
    sock_addr_nothing_is_loopback4(&dial.dialled);
    dial.bound_to_loopback = sock_addr_is_loopback4(sk->src_ip4);
    reason = sock_resolve(ctx, &dial);
    if (reason == CNET_R_SOCK_LOOPBACK_SOURCE && !sock_unbind4(ctx)) {
        dial.bound_to_loopback = 0;
        reason = sock_resolve(ctx, &dial);
    }
    if (reason == CNET_R_SOCK_DIALLED) sock_addr_write4(ctx, &dial.backend);
    if (sock_left_alone(reason)) sock_forget(sk, &dial.dialled);
    return sock_exit(ctx, &dial, reason);
}

SEC("cgroup/connect6")
int cnet_connect6(struct bpf_sock_addr* ctx) {
    struct sock_dial dial = {.families = SOCK_V4 | SOCK_V6};
    struct bpf_sock* sk = ctx->sk;
    union cnet_addr source;
    enum cnet_reason reason;

    if (!sk) return SOCK_ALLOW;
    sock_addr_read6(ctx, &dial.dialled);
    sock_source6(sk, &source);
    if (!addr_is_zero(&source)) dial.families = addr_is_v4(&source) ? SOCK_V4 : SOCK_V6;
    dial.bound_to_loopback = sock_addr_is_loopback(&source);
    if (addr_is_zero(&dial.dialled.addr)) {
        if (dial.families == SOCK_V4)
            dial.dialled.addr = addr_from_v4(bpf_htonl(0x7f000001));
        else
            dial.dialled.addr.words_be[3] = bpf_htonl(1);
    }
    if (addr_is_v4(&dial.dialled.addr)) sock_addr_nothing_is_loopback4(&dial.dialled);
    reason = sock_resolve(ctx, &dial);
    if (reason == CNET_R_SOCK_LOOPBACK_SOURCE && !sock_unbind6(ctx)) {
        dial.bound_to_loopback = 0;
        reason = sock_resolve(ctx, &dial);
    }
    if (reason == CNET_R_SOCK_DIALLED) sock_addr_write6(ctx, &dial.backend);
    if (sock_left_alone(reason)) sock_forget(sk, &dial.dialled);
    return sock_exit(ctx, &dial, reason);
}

/*
 * A connected AF_INET6 socket on an IPv4 address comes through here with each send, its peer as
 * destination: what that was dialled as must stay known. An unbound socket may still name a source
 * for one datagram; loopback would not do, the gateway's address does.
 */
SEC("cgroup/sendmsg4")
int cnet_sendmsg4(struct bpf_sock_addr* ctx) {
    struct sock_dial dial = {.families = SOCK_V4};
    struct bpf_sock* sk = ctx->sk;
    enum cnet_reason reason;

    if (!sk) return SOCK_ALLOW;
    sock_addr_read4(ctx, &dial.dialled);
    sock_addr_nothing_is_loopback4(&dial.dialled);
    dial.bound_to_loopback = sock_addr_is_loopback4(sk->src_ip4);
    reason = sock_resolve(ctx, &dial);
    if (reason == CNET_R_SOCK_DIALLED) {
        sock_addr_write4(ctx, &dial.backend);
        if (sock_addr_is_loopback4(ctx->msg_src_ip4)) ctx->msg_src_ip4 = 0;
    }
    if (sock_left_alone(reason) && sk->state != BPF_TCP_ESTABLISHED) sock_forget(sk, &dial.dialled);
    return sock_exit(ctx, &dial, reason);
}

/* IPv4-mapped destinations come through sendmsg4, and the kernel takes none from here. */
SEC("cgroup/sendmsg6")
int cnet_sendmsg6(struct bpf_sock_addr* ctx) {
    struct sock_dial dial = {.families = SOCK_V6};
    struct bpf_sock* sk = ctx->sk;
    union cnet_addr source;
    enum cnet_reason reason;

    if (!sk) return SOCK_ALLOW;
    sock_addr_read6(ctx, &dial.dialled);
    if (addr_is_zero(&dial.dialled.addr)) dial.dialled.addr.words_be[3] = bpf_htonl(1);
    sock_source6(sk, &source);
    dial.bound_to_loopback = sock_addr_is_loopback(&source);
    reason = sock_resolve(ctx, &dial);
    if (reason == CNET_R_SOCK_DIALLED) {
        sock_addr_write6(ctx, &dial.backend);
        source.words_be[0] = ctx->msg_src_ip6[0];
        source.words_be[1] = ctx->msg_src_ip6[1];
        source.words_be[2] = ctx->msg_src_ip6[2];
        source.words_be[3] = ctx->msg_src_ip6[3];
        if (sock_addr_is_loopback(&source)) ctx->msg_src_ip6[3] = 0;
    }
    if (sock_left_alone(reason) && sk->state != BPF_TCP_ESTABLISHED) sock_forget(sk, &dial.dialled);
    return sock_exit(ctx, &dial, reason);
}

static __always_inline int show4(struct bpf_sock_addr* ctx) {
    struct bpf_sock* sk = ctx->sk;
    struct sock_addr shown;

    if (!sk) return SOCK_ALLOW;
    sock_addr_read4(ctx, &shown);
    /* An AF_INET6 socket that dialled ::1 can be made an AF_INET one (IPV6_ADDRFORM). */
    if (sock_recall(sk, &shown) && addr_is_v4(&shown.addr)) {
        sock_addr_write4(ctx, &shown);
        count(CNET_HOOK_SOCK, CNET_R_SOCK_SHOWN, 0);
    }
    return SOCK_ALLOW;
}

static __always_inline int show6(struct bpf_sock_addr* ctx) {
    struct bpf_sock* sk = ctx->sk;
    struct sock_addr shown;

    if (!sk) return SOCK_ALLOW;
    sock_addr_read6(ctx, &shown);
    if (sock_recall(sk, &shown)) {
        sock_addr_write6(ctx, &shown);
        count(CNET_HOOK_SOCK, CNET_R_SOCK_SHOWN, 0);
    }
    return SOCK_ALLOW;
}

SEC("cgroup/recvmsg4")
int cnet_recvmsg4(struct bpf_sock_addr* ctx) {
    return show4(ctx);
}

SEC("cgroup/recvmsg6")
int cnet_recvmsg6(struct bpf_sock_addr* ctx) {
    return show6(ctx);
}

SEC("cgroup/getpeername4")
int cnet_getpeer4(struct bpf_sock_addr* ctx) {
    return show4(ctx);
}

SEC("cgroup/getpeername6")
int cnet_getpeer6(struct bpf_sock_addr* ctx) {
    return show6(ctx);
}
