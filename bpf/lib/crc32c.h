/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an SCTP checksum (CRC32c, RFC 9260 appendix A) changes by when the ports do, without reading
 * the packet. Pure. */
#ifndef CNET_LIB_CRC32C_H
#define CNET_LIB_CRC32C_H

#include "compat.h"

/* Bits reflected: bit 31 is the coefficient of x^0. */
#define CRC32C_POLYNOMIAL 0x82f63b78u

static __always_inline __u32 crc32c_shift(__u32 value) {
    return value >> 1 ^ (CRC32C_POLYNOMIAL & -(value & 1));
}

/* a * b modulo the polynomial. */
static __always_inline __u32 crc32c_multiply(__u32 a, __u32 b) {
    __u32 product = 0;
    int i;

    for (i = 31; i >= 0; i--) {
        product ^= b & -(a >> i & 1);
        b = crc32c_shift(b);
    }
    return product;
}

/*
 * CRC is linear: two messages of one length have checksums that differ by the CRC, without its
 * initial and final inversions, of what they themselves differ by. Here that is `difference`, four
 * bytes as they lie in memory, and then `zeroes` bytes of nothing, each of which multiplies by x^8.
 * A function of its own, because the loops are long.
 */
VERIFIED_ONCE __u32 crc32c_difference(__u32 difference, __u32 zeroes) {
    /* x^8 squared k times. */
    const __u32 powers[16] = {0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c,
                              0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
                              0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
                              0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc};
    int i;

    for (i = 0; i < 32; i++)
        difference = crc32c_shift(difference);
    for (i = 0; i < 16; i++)
        if (zeroes >> i & 1) difference = crc32c_multiply(powers[i], difference);
    return difference;
}

#endif
