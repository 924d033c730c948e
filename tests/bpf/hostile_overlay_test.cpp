// VXLAN that nobody should send: mutated frames in mutated headers, from peers and from strangers.
// Whatever comes in: what is delivered came whole from a peer in a network's VNI and goes to an
// endpoint of that network, what comes from elsewhere reaches nobody, and each frame has its
// reason.
#include "maps/reasons.h"
#include "tests/bpf/mutate.h"
#include "tests/bpf/overlay.h"

#include <cstdlib>

namespace cnet::test {
namespace {

constexpr size_t kOuterOff = 14;

uint64_t setting(const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

Cast from_behind_a_peer() {
    return {.src_mac = kMacRemote,
            .dst_macs = {kMacEp1, kMacEp1, kMacEp2, kMacEp3, kMacGw1, kMacRemote6, kMacBroadcast,
                         kMacStranger},
            .src4 = {kRemote, kRemote, kEp1, kGw1, kHostAddr},
            .dst4 = {kEp1, kEp2, kEp3, kGw1, kWorld},
            .src6 = {"fd00:1::72", kEp1v6, kGw1v6},
            .dst6 = {kEp1v6, kEp2v6, kEp3v6, "ff02::1"},
            .ports = {40000, 53, 80, 4789}};
}

class HostileOverlay : public Overlay {
protected:
    HostileOverlay() : seed_(setting("CNET_HOSTILE_SEED", 1)), random_(seed_) {}

    bool one_in(uint32_t n) { return random_() % n == 0; }

    Bytes frame() {
        const bool v6 = one_in(3);
        const char* stranger = v6 ? "2001:db8:f::66" : "198.51.100.66";
        const std::string from = one_in(4) ? stranger : v6 ? kPeer6 : kPeer;
        Layer ip = v6 ? Layer(Ipv6{.src = from, .dst = kHostAddr6})
                      : Layer(Ipv4{.src = from, .dst = kHostAddr});
        Bytes bytes =
            (Packet{Ethernet{.src = kMacRouter, .dst = kMacUp}} / std::move(ip) /
             Udp{.src_port = 50000, .dst_port = 4789, .checksum = one_in(3)} / Raw(vxlan()))
                .bytes();
        if (one_in(2)) return bytes;
        const size_t inner = kOuterOff + (v6 ? 40 : 20) + 16;
        for (size_t changes = 1 + random_() % 4; changes > 0; changes--)
            bytes[kOuterOff + random_() % (inner - kOuterOff)] = static_cast<uint8_t>(random_());
        if (one_in(4)) bytes.resize(kOuterOff + 40 + random_() % (bytes.size() - kOuterOff - 40));
        return bytes;
    }

    void check(const Bytes& in, const Bytes& out, Verdict verdict, bool flooded) {
        ASSERT_TRUE(verdict == Verdict::kNext || verdict == Verdict::kDrop ||
                    verdict == Verdict::kRedirect);
        const bool v6 = in[12] == 0x86;
        const size_t udp = kOuterOff + (v6 ? 40 : 20), inner = udp + 16;
        const uint8_t tos = v6 ? static_cast<uint8_t>(in[14] << 4 | in[15] >> 4) : in[15];
        // The mark of congestion goes in first, as the kernel's device would have it.
        const bool same = tos & 3 ? in.size() == out.size() : in == out;
        EXPECT_TRUE(verdict != Verdict::kNext || same) << "left to the kernel, but changed";
        if (verdict != Verdict::kRedirect && !flooded) return;
        ASSERT_GE(in.size(), inner + 14);
        EXPECT_EQ(source_of(in), ip_bytes(v6 ? kPeer6 : kPeer)) << "from a stranger";
        EXPECT_EQ(destination_of(in), ip_bytes(v6 ? kHostAddr6 : kHostAddr));
        EXPECT_EQ(be16_at(in, udp + 2), 4789);
        EXPECT_EQ(in[udp + 8], 0x08) << "with other flags than a VNI's";
        EXPECT_EQ(be32_at(in, udp + 12) >> 8, kVni);
        ASSERT_EQ(out.size(), in.size() - inner) << "not taken out whole";
        const Bytes to(out.begin(), out.begin() + 6);
        EXPECT_TRUE(flooded || to == mac_bytes(kMacEp1) || to == mac_bytes(kMacEp2))
            << "to somebody else";
        const bool whole = std::equal(out.begin(), out.end(), in.begin() + std::ptrdiff_t(inner));
        EXPECT_TRUE(whole || tos & 3) << "changed, and not by its congestion mark";
    }

    uint64_t reasons(cnet_hook hook) {
        uint64_t sum = 0;
        const auto counters = maps().counters.totals();
        EXPECT_TRUE(counters);
        for (uint32_t reason = 0; reason < CNET_R_COUNT; reason++) {
            if (maps::reason(reason).reason_class != maps::ReasonClass::kEvent ||
                reason == CNET_R_FRAGMENT_HELD)
                sum += (*counters)[CNET_COUNTER_INDEX(hook, reason)].packets;
        }
        EXPECT_EQ((*counters)[CNET_COUNTER_INDEX(hook, CNET_R_NONE)].packets, 0u);
        return sum;
    }

    // Frames that newer kernels would not run at all are left out.
    void torment(const char* program, const char* device, cnet_hook hook, bool outer) {
        const uint64_t frames = setting("CNET_HOSTILE_FRAMES", 200'000);
        const int fd = *data_path().program(program);
        const uint32_t index = ifindex(device);
        const uint64_t before = reasons(hook);
        uint64_t floods = maps().counters.total(hook, CNET_R_FLOODED)->packets;
        for (uint64_t done = 0; done < frames; done++) {
            Bytes in = outer ? frame() : inner_.next();
            const auto type = be16_at(in, 12);
            in.resize(std::max<size_t>(in.size(), type == 0x86dd ? 54 : 34));
            Bytes out = in;
            const Verdict verdict = run_once(fd, index, out);
            const uint64_t now = maps().counters.total(hook, CNET_R_FLOODED)->packets;
            check(in, out, verdict, std::exchange(floods, now) != now);
            if (HasFailure()) {
                ADD_FAILURE() << program << ", seed " << seed_ << ", frame " << done << "\nin:\n"
                              << hex(in) << "\nout:\n"
                              << hex(out);
                return;
            }
        }
        EXPECT_EQ(reasons(hook) - before, frames);
        EXPECT_EQ(flows(), 0u) << "nothing of this begins a flow";
    }

private:
    Bytes vxlan() {
        Bytes header{0x08, 0, 0, 0, 0, kVni >> 8, kVni & 0xff, 0};
        if (one_in(8)) header[random_() % 8] = static_cast<uint8_t>(random_());
        const Bytes frame = inner_.next();
        header.insert(header.end(), frame.begin(), frame.end());
        return header;
    }

    uint64_t seed_;
    std::mt19937_64 random_;
    FrameSource inner_{seed_, from_behind_a_peer()};
};

TEST_F(HostileOverlay, Uplink) {
    torment("cnet_uplink", "up0", CNET_HOOK_UPLINK, true);
    EXPECT_GT(maps().counters.total(CNET_HOOK_UPLINK, CNET_R_VXLAN_RECEIVED)->packets, 0u);
    EXPECT_GT(maps().counters.total(CNET_HOOK_UPLINK, CNET_R_VXLAN_STRANGER)->packets, 0u);
}

// A test run has no tunnel on its packets: all of them are strangers', and that is what is to be
// seen. tests/netns sends what the kernel has taken out.
TEST_F(HostileOverlay, Vxlan) {
    torment("cnet_vxlan", "vx0", CNET_HOOK_VXLAN, false);
    EXPECT_EQ(reasons(CNET_HOOK_VXLAN),
              maps().counters.total(CNET_HOOK_VXLAN, CNET_R_VXLAN_STRANGER)->packets);
}

} // namespace
} // namespace cnet::test
