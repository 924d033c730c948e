// Frames as containers and the wire send them, to the parsers of the data path.
#include <algorithm>
#include <array>

#include "tests/fuzz/headers.h"
#include "tests/fuzz/input.h"

namespace cnet {
namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_v4(const uint8_t* address) {
    return std::equal(kMapped.begin(), kMapped.end(), address);
}

void check(const uint8_t* frame, size_t bytes, bool has_l2) {
    const parsed seen = parse_headers(frame, bytes, has_l2);
    if (!seen.ok) return;
    CNET_CHECK(seen.l3_off == (has_l2 ? 14u : 0u));
    // What translates trusts these: the packet is whole, and its header is in it.
    CNET_CHECK(seen.l3_off + seen.ip_bytes <= bytes);
    CNET_CHECK(seen.l4_off >= seen.l3_off + (seen.v6 ? 40u : 20u));
    // No IPv6 packet may pass for one of IPv4's addresses, nor ICMP for the other family's.
    CNET_CHECK(is_v4(seen.src) == !seen.v6 && is_v4(seen.dst) == !seen.v6);
    CNET_CHECK(seen.l4_proto != (seen.v6 ? 1 : 58));
    CNET_CHECK(!(seen.later_fragment && seen.has_tuple));
    const bool has_ports = seen.l4_proto == 6 || seen.l4_proto == 17 || seen.l4_proto == 132;
    CNET_CHECK(!has_ports || seen.later_fragment || seen.has_tuple);
    CNET_CHECK(!has_ports || seen.later_fragment || seen.l4_off + 8 <= bytes);
}

} // namespace
} // namespace cnet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size > 0) cnet::check(data + 1, size - 1, data[0] % 2 == 0);
    return 0;
}
