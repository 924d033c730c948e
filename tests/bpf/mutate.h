// Frames that nobody should send, from a seed: well-formed ones of every kind that the programs
// know, then bent. The same seed gives the same frames.
#pragma once

#include <cstdint>
#include <random>
#include <span>

#include "tests/bpf/packet.h"

namespace cnet::test {

// Whether a frame's checksums are right, as far as it has any that can be told.
struct Checksums {
    bool ip = false; // IPv4 header
    bool l4 = false; // TCP, UDP, ICMP, ICMPv6; false also for a fragment and for UDP without one
};
Checksums checksums_of(const Bytes& frame, size_t l3_off = 14);

// IP version that the EtherType and the version field agree on and whose header is complete, else
// 0.
unsigned ip_version(const Bytes& frame, size_t l3_off = 14);
// Four or sixteen bytes, of a frame with ip_version() != 0.
Bytes source_of(const Bytes& frame, size_t l3_off = 14);
Bytes destination_of(const Bytes& frame, size_t l3_off = 14);
// What the IP header says the packet's length is.
size_t claimed_length(const Bytes& frame, size_t l3_off = 14);

// Who speaks to whom: frames are drawn from all combinations.
struct Cast {
    std::string src_mac;
    std::vector<std::string> dst_macs;
    std::vector<std::string> src4, dst4, src6, dst6;
    std::vector<uint16_t> ports;
};

class FrameSource {
public:
    FrameSource(uint64_t seed, Cast cast) : random_(seed), cast_(std::move(cast)) {}

    Bytes next();

private:
    size_t below(size_t limit) { return limit ? random_() % limit : 0; }
    bool one_in(size_t n) { return below(n) == 0; }
    template <typename T> const T& any(const std::vector<T>& from) {
        return from[below(from.size())];
    }
    uint16_t port() { return one_in(16) ? static_cast<uint16_t>(random_()) : any(cast_.ports); }
    Bytes noise(size_t size);

    Packet well_formed();
    Layer layer4(bool v6);
    Packet error_about_something(Packet outer, bool v6);
    Packet neighbour();
    void bend(Bytes& frame);
    void bend_ip(Bytes& frame);
    void insert(Bytes& frame, size_t at, const Bytes& bytes);
    void mend(Bytes& frame);

    std::mt19937_64 random_;
    Cast cast_;
};

} // namespace cnet::test
