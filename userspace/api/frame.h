// A frame made of a packet in words, as `explain` is given them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/result.h"

namespace cnet::api {

struct FrameSpec {
    std::string protocol; // "tcp", "udp", "icmp", "arp"
    IpAddress src;
    IpAddress dst; // of the family of `src`
    uint16_t src_port = 0;
    uint16_t dst_port = 0;
    std::string flags = "syn"; // of TCP: syn, ack, fin, rst, psh, with commas between
    uint16_t size = 0;         // payload, bytes
    uint8_t ttl = 64;
    MacAddress src_mac;
    MacAddress dst_mac;
};

// kInvalid says what is wrong with the words. "icmp" is an echo request of the addresses' family;
// "arp" asks for `dst`, in IPv6 by neighbour discovery.
Result<std::vector<uint8_t>> make_frame(const FrameSpec& spec);

} // namespace cnet::api
