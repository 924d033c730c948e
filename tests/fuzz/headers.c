/* The pure headers of bpf/lib as the host's compiler has them: with sanitizers, a read outside of
 * the frame is seen, which BPF's verifier proves away for the BPF build alone. */
#include "tests/fuzz/headers.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/lib/compat.h"

/* What the helpers do, on a frame instead of an skb. */
struct frame {
    const uint8_t* data;
    size_t bytes;
};

static long load_bytes(const void* ctx, __u32 off, void* to, __u32 bytes) {
    const struct frame* frame = ctx;

    if (off > frame->bytes || bytes > frame->bytes - off) return -1;
    memcpy(to, frame->data + off, bytes);
    return 0;
}

static long loop(__u32 times, long (*each)(__u32, void*), void* data, __u64 flags) {
    __u32 i = 0;

    (void)flags;
    while (i < times && each(i, data) == 0)
        i++;
    return i;
}

#define bpf_skb_load_bytes load_bytes
#define bpf_loop loop
#include "bpf/lib/eth.h"
#include "bpf/lib/vxlan_hdr.h"

static int parse_ip(struct frame* frame, struct cnet_pkt* pkt, __u32 l2_len, void* data) {
    void* end = (uint8_t*)data + frame->bytes;
    int result = PARSE_SHORT;

    if (pkt->eth_proto == bpf_htons(ETH_P_IP))
        result = ip4_parse(pkt, l2_len, data, end);
    else if (pkt->eth_proto == bpf_htons(ETH_P_IPV6))
        result = ip6_parse((struct __sk_buff*)frame, pkt, l2_len, data, end);
    return result == PARSE_OK ? (int)l4_parse(pkt, data, end) : result;
}

static int parse(struct frame* frame, struct cnet_pkt* pkt, void* data, bool has_l2) {
    if (!has_l2) {
        const bool v6 = frame->bytes && frame->data[0] >> 4 == 6;

        pkt->eth_proto = bpf_htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
        return parse_ip(frame, pkt, 0, data);
    }
    if (eth_parse(pkt, data, (uint8_t*)data + frame->bytes) != PARSE_OK || pkt->flags & PKT_VLAN)
        return PARSE_SHORT;
    return parse_ip(frame, pkt, ETH_HLEN, data);
}

struct parsed parse_headers(const uint8_t* bytes, size_t size, bool has_l2) {
    /* As in the kernel the IP header is aligned; the memory ends where the frame does. */
    const size_t pad = has_l2 ? 2 : 0;
    uint8_t* memory = malloc(pad + size);
    struct frame frame = {.data = memory + pad, .bytes = size};
    struct cnet_pkt pkt = {.len = (__u32)size};
    struct parsed parsed = {.ok = false};

    if (!memory) abort();
    memcpy(memory + pad, bytes, size);
    parsed.ok = parse(&frame, &pkt, memory + pad, has_l2) == PARSE_OK;
    parsed.v6 = pkt.flags & PKT_IP6;
    parsed.has_tuple = pkt.flags & PKT_HAS_TUPLE;
    parsed.later_fragment = pkt.flags & PKT_FRAGMENT_LATER;
    parsed.l4_proto = pkt.tuple.l4_proto;
    memcpy(parsed.src, &pkt.tuple.src, sizeof(parsed.src));
    memcpy(parsed.dst, &pkt.tuple.dst, sizeof(parsed.dst));
    parsed.l3_off = pkt.l3_off;
    parsed.l4_off = pkt.l4_off;
    parsed.ip_bytes = pkt.ip_len;
    free(memory);
    return parsed;
}

static void fill_inside(const struct tunnel* tunnel, size_t inner_bytes,
                        struct vxlan_inside* inside) {
    vxlan_udp(&inside->udp, bpf_htons(tunnel->src_port), bpf_htons(tunnel->dst_port),
              sizeof(inside->udp) + sizeof(inside->vxlan) + inner_bytes);
    vxlan_fill(&inside->vxlan, tunnel->vni);
}

size_t tunnel_head(const struct tunnel* tunnel, size_t inner_bytes, uint8_t* to) {
    const __u32 udp_bytes = sizeof(struct udphdr) + sizeof(struct vxlan_hdr) + inner_bytes;
    union cnet_addr src, dst;
    struct vxlan4_head head4;
    struct vxlan6_head head6;

    memcpy(&src, tunnel->src, sizeof(src));
    memcpy(&dst, tunnel->dst, sizeof(dst));
    if (tunnel->v6) {
        vxlan6_outer(&head6, &src, &dst, udp_bytes, tunnel->ecn);
        fill_inside(tunnel, inner_bytes, &head6.inside);
        memcpy(to, &head6, sizeof(head6) - ETH_HLEN);
        return sizeof(head6) - ETH_HLEN;
    }
    vxlan4_outer(&head4, &src, &dst, sizeof(head4.ip) + udp_bytes, tunnel->ecn);
    fill_inside(tunnel, inner_bytes, &head4.inside);
    memcpy(to, &head4, sizeof(head4) - ETH_HLEN);
    return sizeof(head4) - ETH_HLEN;
}

uint16_t tunnel_source_port(uint32_t hash) {
    return bpf_ntohs(vxlan_source_port(hash));
}

bool read_vxlan(const uint8_t header[8], uint32_t* vni) {
    struct vxlan_hdr vxlan;

    memcpy(&vxlan, header, sizeof(vxlan));
    return vxlan_read(&vxlan, vni);
}

uint8_t traffic_class(const uint8_t* ip) {
    return ip_traffic_class(ip);
}
