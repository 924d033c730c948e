/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the UAPI headers of the oldest kernel we build against (6.1) do not have, each with the
 * version and commit that brought it, and the few compiler idioms that the verifier wants.
 */
#ifndef CNET_LIB_COMPAT_H
#define CNET_LIB_COMPAT_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Let the next program on the device run: 6.6, e420bed02507. clsact's TC_ACT_UNSPEC has the same
 * value and meaning. */
#define CNET_TC_NEXT (-1)

/* BPF_F_ADJ_ROOM_DECAP_L4_UDP of bpf_skb_adjust_room: the marks of a UDP tunnel go with its
 * headers. bpf-next of August 2026, 3a39c214fd2c and ec20dee2f2c4; older kernels refuse it. */
#define CNET_ADJ_ROOM_DECAP_L4_UDP (1ull << 10)

/* include/uapi/linux/if_packet.h, spelt here because that header needs libc's. */
#define CNET_PACKET_HOST 0

#define CNET_AF_INET 2
#define CNET_AF_INET6 10

/*
 * A function that the verifier checks once, by itself, whatever its callers know: what would
 * otherwise be walked again for each state of each call. Arguments are the context, numbers, and
 * pointers to structs, which it must compare with NULL first. To the verifier of 6.1 what they
 * point to is no key for a map: a key is a copy on the stack.
 */
#define VERIFIED_ONCE __attribute__((noinline))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define READ_ONCE(x) (*(const volatile typeof(x)*)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x)*)&(x) = (v))

#define CNET_EEXIST 17

/*
 * bpf_map_update_elem() of what must not be there yet: 0 or a negative errno. Programs call the
 * map's own function, which answers an int up to 6.3 (6.4, d7ba4cc900bf made it a long): taken for
 * a long, an error is a large positive number there, and not -CNET_EEXIST.
 */
static __always_inline int map_insert(void* map, const void* key, const void* value) {
    return (int)bpf_map_update_elem(map, key, value, BPF_NOEXIST);
}

/* The one thing that is told apart at compile time: a program before there is an skb defines
 * CNET_XDP before it includes anything. */
#ifdef CNET_XDP
typedef struct xdp_md cnet_ctx;
#define ctx_len(ctx) bpf_xdp_get_buff_len(ctx)
#define ctx_load_bytes(ctx, off, to, bytes) bpf_xdp_load_bytes(ctx, off, to, bytes)
#else
typedef struct __sk_buff cnet_ctx;
#define ctx_len(ctx) ((ctx)->len)
#define ctx_load_bytes(ctx, off, to, bytes) bpf_skb_load_bytes(ctx, off, to, bytes)
#endif

#endif
