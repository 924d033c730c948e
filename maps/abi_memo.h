/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the programs, which remember entries of tables (bpf/lib/memo.h), and whoever changes
 * them. Include abi.h first. */
#ifndef CNET_MAPS_ABI_MEMO_H
#define CNET_MAPS_ABI_MEMO_H

#include <linux/types.h>

/* ---- cnet_written: one value, mapped. Counts changes of cnet_port, cnet_fdb, cnet_vtep and
 * cnet_vni. Writer: whoever has made one. ---- */
struct cnet_written {
    __u32 changes;
    __u32 reserved;
};
CNET_SIZE(struct cnet_written, 4 + 4);

#endif
