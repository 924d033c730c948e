/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The host's own addresses. */
#ifndef CNET_LIB_HOST_ADDR_H
#define CNET_LIB_HOST_ADDR_H

#include "count.h"

static __always_inline int is_host_addr(const union cnet_addr* addr) {
    union cnet_addr key = *addr;

    return bpf_map_lookup_elem(&cnet_host_addr, &key) != NULL;
}

#endif
