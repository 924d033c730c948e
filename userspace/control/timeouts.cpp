#include "userspace/control/timeouts.h"

#include <netinet/in.h>

#include "maps/abi.h"

namespace cnet::control {

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

} // namespace cnet::control
