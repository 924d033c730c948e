/* What the data path's parsers make of a frame, compiled for the host. */
#ifndef CNET_TESTS_FUZZ_HEADERS_H
#define CNET_TESTS_FUZZ_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct parsed {
    bool ok; /* nothing was cut short; all else is to be looked at only then */
    bool v6;
    bool has_tuple;
    bool later_fragment;
    uint8_t l4_proto;
    uint8_t src[16], dst[16];
    uint32_t l3_off, l4_off, ip_bytes; /* from the frame's beginning; header and what follows */
};

/* `bytes` of `frame`, with an Ethernet header or, without, one of IP. */
struct parsed parse_headers(const uint8_t* frame, size_t bytes, bool has_l2);

#ifdef __cplusplus
}
#endif

#endif
