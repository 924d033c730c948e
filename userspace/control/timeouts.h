// How long a tracked connection may be idle before it is forgotten.
#pragma once

#include <cstdint>

namespace cnet::control {

// Seconds a flow may be idle.
struct Timeouts {
    // RFC 5382 REQ-5: a partially open or closing TCP connection may go after 4 minutes, an
    // established one not before 2 hours 4 minutes; a day, so that keepalives of two hours and
    // sleepers survive.
    uint32_t tcp_new = 240;
    uint32_t tcp_established = 86400;
    uint32_t tcp_closing = 240;
    uint32_t tcp_time_wait = 240;
    uint32_t tcp_closed = 10; // after RST: long enough for what is still in flight
    // RFC 4787 REQ-5: not before 2 minutes, 5 recommended.
    uint32_t udp_new = 120;
    uint32_t udp_established = 300;
    // An association sends heartbeats, every 30 s unless told otherwise: RFC 9260, 15.
    uint32_t sctp_new = 30;
    uint32_t sctp_established = 300;
    uint32_t sctp_closing = 10;
    // RFC 5508 REQ-2: not before 60 seconds. ICMPv6 too.
    uint32_t icmp = 60;
    // What has no ports to tell its flows apart by: GRE, ESP ... As nf_conntrack's.
    uint32_t generic = 600;
    // RFC 791 and RFC 8200 give a datagram that long to be put together; Linux does for IPv4.
    uint32_t fragment = 30;

    uint32_t of(uint8_t l4_proto, uint8_t state) const;
    // With less patience: `share_permille` of that, but never below what a connection that is
    // alive may need. An established TCP or SCTP connection always has all of it.
    uint32_t hurried(uint8_t l4_proto, uint8_t state, uint32_t share_permille) const;
};

// What is left of the patience with idle flows, permille, when `used` of `limit` places are taken:
// all until half of them are, none from seven eighths on. Connections that are over would otherwise
// fill the table for minutes: 550 a second are enough to keep the default one full, and those that
// live would be refused. netfilter ends such flows early too (gc_worker_can_early_drop() in
// nf_conntrack_core.c), pf shortens its timeouts in this way (pf.conf(5), adaptive.start).
uint32_t patience_permille(uint64_t used, uint64_t limit);
inline constexpr uint32_t kAllPatience = 1000;
inline constexpr uint32_t kNoPatience = 0;

} // namespace cnet::control
