/* What the data path's parsers make of a frame, and how it writes VXLAN's headers, compiled for the
 * host. */
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

struct tunnel {
    bool v6;
    uint8_t src[16], dst[16]; /* as in the maps: IPv4 as ::ffff:a.b.c.d */
    uint16_t src_port, dst_port;
    uint32_t vni;
    uint8_t ecn;
};
/* What comes between the outer Ethernet header and an inner frame of so many bytes, without that
 * frame's own header; how many bytes that are. */
size_t tunnel_head(const struct tunnel* tunnel, size_t inner_bytes, uint8_t* to);
uint16_t tunnel_source_port(uint32_t hash);
bool read_vxlan(const uint8_t header[8], uint32_t* vni);
uint8_t traffic_class(const uint8_t* ip);

#ifdef __cplusplus
}
#endif

#endif
