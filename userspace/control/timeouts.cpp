#include "userspace/control/timeouts.h"

#include <netinet/in.h>

#include <algorithm>

#include "maps/abi.h"

namespace cnet::control {

namespace {

constexpr uint32_t kHurryFrom = 500; // permille
constexpr uint32_t kHurryMost = 875;

// A connection that is over needs no more than what is still in flight; a first packet may be sent
// again, and somebody may think about half a connection for a while; netfilter gives UDP with a
// reply as much (nf_conntrack_udp_timeout).
constexpr uint32_t kOver_s = 1;
constexpr uint32_t kBegun_s = 10;
constexpr uint32_t kAnswered_s = 30;

uint32_t least_seconds(uint8_t l4_proto, uint8_t state) {
    const bool is_over = state == CNET_CT_TIME_WAIT || state == CNET_CT_CLOSED;
    switch (l4_proto) {
    case IPPROTO_TCP:
        if (state == CNET_CT_ESTABLISHED) return UINT32_MAX;
        return is_over ? kOver_s : kBegun_s;
    case IPPROTO_SCTP:
        return state == CNET_CT_ESTABLISHED ? UINT32_MAX : kBegun_s;
    case IPPROTO_UDP:
        return state == CNET_CT_NEW ? kBegun_s : kAnswered_s;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return kBegun_s;
    default:
        return kAnswered_s;
    }
}

} // namespace

uint32_t Timeouts::of(uint8_t l4_proto, uint8_t state) const {
    if (l4_proto == IPPROTO_TCP) {
        switch (state) {
        case CNET_CT_ESTABLISHED:
            return tcp_established;
        case CNET_CT_CLOSING:
            return tcp_closing;
        case CNET_CT_TIME_WAIT:
            return tcp_time_wait;
        case CNET_CT_CLOSED:
            return tcp_closed;
        default:
            return tcp_new;
        }
    }
    if (l4_proto == IPPROTO_SCTP) {
        if (state == CNET_CT_NEW) return sctp_new;
        return state == CNET_CT_ESTABLISHED ? sctp_established : sctp_closing;
    }
    if (l4_proto == IPPROTO_UDP) return state == CNET_CT_NEW ? udp_new : udp_established;
    return l4_proto == IPPROTO_ICMP || l4_proto == IPPROTO_ICMPV6 ? icmp : generic;
}

uint32_t Timeouts::hurried(uint8_t l4_proto, uint8_t state, uint32_t share_permille) const {
    const uint32_t whole = of(l4_proto, state);
    const uint32_t least = std::min(whole, least_seconds(l4_proto, state));
    return std::max(least, static_cast<uint32_t>(uint64_t{whole} * share_permille / kAllPatience));
}

uint32_t patience_permille(uint64_t used, uint64_t limit) {
    if (limit == 0) return kAllPatience;
    const uint64_t fill = used * kAllPatience / limit;
    if (fill <= kHurryFrom) return kAllPatience;
    if (fill >= kHurryMost) return kNoPatience;
    return static_cast<uint32_t>((kHurryMost - fill) * kAllPatience / (kHurryMost - kHurryFrom));
}

} // namespace cnet::control
