// Random and mutated frames through every program. Whatever comes in: a verdict that the kernel
// knows, one reason, no address that must not leave, checksums as right as they were, and flow
// tables that agree with themselves.
//
// CNET_HOSTILE_FRAMES says how many frames each program gets, CNET_HOSTILE_SEED where they begin; a
// failure prints both the seed and the frame.
#include "maps/reasons.h"
#include "tests/bpf/host.h"
#include "tests/bpf/mutate.h"

#include <algorithm>
#include <cstdlib>
#include <set>

namespace cnet::test {
namespace {

constexpr uint64_t kFrames = 200'000, kSeed = 1;
constexpr uint64_t kBatch = 2000;

uint64_t setting(const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

bool one_of(const Bytes& address, std::initializer_list<const char*> texts) {
    return std::any_of(texts.begin(), texts.end(),
                       [&](const char* text) { return address == ip_bytes(text); });
}

bool is_host_address(const Bytes& address) {
    return one_of(address, {kHostAddr, kHostAddr6, kGw1, kGw1v6, "10.2.0.1", "fd00:2::1"});
}

Bytes mac_at(const Bytes& frame, size_t at) {
    auto from = frame.begin() + static_cast<std::ptrdiff_t>(at);
    return {from, from + 6};
}

// The endpoint that a frame is addressed to; nullptr: it goes to the world or to the host.
struct Endpoint {
    std::string mac, ip4, ip6;
};
const Endpoint* delivered_to(const Bytes& frame) {
    static const Endpoint kEndpoints[] = {
        {kMacEp1, kEp1, kEp1v6}, {kMacEp2, kEp2, kEp2v6}, {kMacEp3, kEp3, kEp3v6}};
    Bytes mac = mac_at(frame, 0);
    for (const auto& endpoint : kEndpoints)
        if (mac == mac_bytes(endpoint.mac)) return &endpoint;
    return nullptr;
}

bool is_translation(cnet_reason reason) {
    static const std::set<cnet_reason> kTranslations{
        CNET_R_SNAT,    CNET_R_SNAT_REPLY, CNET_R_DNAT,           CNET_R_DNAT_REPLY,
        CNET_R_HAIRPIN, CNET_R_ROUTED,     CNET_R_ICMP_ERROR_NAT, CNET_R_HOST_PORT_XLAT};
    return kTranslations.contains(reason);
}

// May ep1 send from this address? DHCP's 0.0.0.0, the unspecified and its own link-local included.
bool ep1_may_claim(const Bytes& in) {
    auto type = be16_at(in, 12);
    if (type == 0x0800 && in.size() >= 34) {
        Bytes source(in.begin() + 26, in.begin() + 30);
        return one_of(source, {kEp1}) || (one_of(source, {"0.0.0.0"}) && in.size() >= 42 &&
                                          in[23] == IPPROTO_UDP && be16_at(in, 36) == 67);
    }
    if (type == 0x86dd && in.size() >= 54)
        return one_of({in.begin() + 22, in.begin() + 38}, {kEp1v6, "::", "fe80::ff:fe00:102"});
    return true;
}

// Newer kernels run no IP packet whose header is cut short; tests/netns sends those.
bool can_be_run(const Bytes& frame) {
    auto type = be16_at(frame, 12);
    return frame.size() >= (type == 0x86dd ? 54u : type == 0x0800 ? 34u : 14u);
}

// What one program is given, and under which hook it counts.
struct Stage {
    const char* program;
    const char* device;
    cnet_hook hook;
    Cast cast;
};

std::vector<cnet_reason> carried_reasons() {
    std::vector<cnet_reason> carried;
    for (uint32_t reason = CNET_R_NONE + 1; reason < CNET_R_COUNT; reason++) {
        auto kind = maps::reason(reason).reason_class;
        if (kind == maps::ReasonClass::kForward || kind == maps::ReasonClass::kPunt)
            carried.push_back(static_cast<cnet_reason>(reason));
    }
    return carried;
}

class Hostile : public HostTest {
protected:
    // Large enough to hold a flow of each kind, small enough to be full every now and then.
    std::map<std::string, uint32_t> map_sizes() const override {
        return {{"cnet_ct", 1024}, {"cnet_fdb", 32}, {"cnet_frag", 64}, {"cnet_frag_held", 16}};
    }

    void SetUp() override {
        HostTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        publish(7, CNET_L4_TCP, 8080, kEp1, 80, 1, 10, kEp1v6);
        publish(8, CNET_L4_UDP, 8080, kEp2, 53, 1, 10, kEp2v6);
        publish(9, CNET_L4_TCP, 9090, kEp3, 80, 2, 1, kEp3v6);
        set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE |
                                  CNET_PORT_PUBLISHED);
    }

    void torment(const Stage& stage);

private:
    void begin(const char* program, const char* device, const Packet& packet);
    void begin_flows();
    void check(const Stage& stage, const Bytes& in, const Bytes& out, Verdict verdict);
    void check_endpoint(const Bytes& in, const Bytes& out, Verdict verdict, cnet_reason reason);
    void check_uplink(const Bytes& out, Verdict verdict, cnet_reason reason);
    void check_checksums(const Bytes& in, const Bytes& out, cnet_reason reason);
    void check_batch(cnet_hook hook, const std::vector<cnet_counter>& before, uint64_t frames);
    void end_flows();
    cnet_reason carried_as(cnet_hook hook, Verdict verdict);

    std::vector<cnet_counter> seen_;
    std::vector<cnet_reason> carried_ = carried_reasons();
};

// The reason that says the last frame was carried or left to the kernel; NONE: it was dropped. What
// was found last is looked at first: reading all of them takes longer than the program.
cnet_reason Hostile::carried_as(cnet_hook hook, Verdict verdict) {
    for (size_t i = 0; i < carried_.size(); i++) {
        cnet_reason reason = carried_[i];
        if (verdict == Verdict::kDrop && reason != CNET_R_FLOODED) continue;
        auto& before = seen_[CNET_COUNTER_INDEX(hook, reason)].packets;
        uint64_t now = maps().counters.total(hook, reason)->packets;
        if (now == before) continue;
        before = now;
        std::rotate(carried_.begin(), carried_.begin() + static_cast<std::ptrdiff_t>(i),
                    carried_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        return reason;
    }
    return CNET_R_NONE;
}

void Hostile::begin(const char* program, const char* device, const Packet& packet) {
    Bytes bytes = packet.bytes();
    run_once(*data_path().program(program), ifindex(device), bytes);
}

// Flows of every kind, so that what is hostile meets some: out of ep1, and in to what is published.
void Hostile::begin_flows() {
    auto from_ep1 = [&](Layer ip, const Layer& l4) {
        begin("cnet_endpoint", "ep1",
              Packet{Ethernet{.src = kMacEp1, .dst = kMacGw1}} / std::move(ip) / l4);
    };
    auto from_wire = [&](Layer ip, const Layer& l4) {
        begin("cnet_uplink", "up0",
              Packet{Ethernet{.src = kMacRouter, .dst = kMacUp}} / std::move(ip) / l4);
    };
    for (uint16_t port : std::initializer_list<uint16_t>{40000, 53, 80})
        for (bool tcp : {true, false}) {
            Layer out = tcp ? Layer(Tcp{.src_port = port, .dst_port = 80})
                            : Layer(Udp{.src_port = port, .dst_port = 53});
            Layer in = tcp ? Layer(Tcp{.src_port = port, .dst_port = 8080})
                           : Layer(Udp{.src_port = port, .dst_port = 8080});
            from_ep1(Ipv4{.src = kEp1, .dst = kWorld}, out);
            from_ep1(Ipv6{.src = kEp1v6, .dst = kWorld6}, out);
            from_ep1(Ipv4{.src = kEp1, .dst = kHostAddr}, in);
            from_ep1(Ipv6{.src = kEp1v6, .dst = kHostAddr6}, in);
            from_wire(Ipv4{.src = kWorld, .dst = kHostAddr}, in);
            from_wire(Ipv6{.src = kWorld6, .dst = kHostAddr6}, in);
            begin("cnet_endpoint", "ep2",
                  Packet{Ethernet{.src = kMacEp2, .dst = kMacGw1}} /
                      Ipv4{.src = kEp2, .dst = kHostAddr} / in);
        }
}

void Hostile::check_endpoint(const Bytes& in, const Bytes& out, Verdict verdict,
                             cnet_reason reason) {
    EXPECT_NE(verdict, Verdict::kNext) << "lost: on this device the frame is another host's";
    if (reason == CNET_R_NONE) return;
    EXPECT_EQ(mac_at(in, 6), mac_bytes(kMacEp1)) << "a spoofed MAC was carried";
    EXPECT_TRUE(ep1_may_claim(in)) << "a spoofed address was carried";
    if (!is_translation(reason)) return;
    const Endpoint* target = delivered_to(out);
    bool known = target && one_of(destination_of(out), {target->ip4.c_str(), target->ip6.c_str()});
    if (reason == CNET_R_HAIRPIN || reason == CNET_R_ROUTED) {
        EXPECT_TRUE(known) << "given to somebody else";
    } else if (reason == CNET_R_SNAT || reason == CNET_R_DNAT_REPLY || !known) {
        EXPECT_TRUE(is_host_address(source_of(out))) << "left untranslated";
    }
    if (reason == CNET_R_SNAT || reason == CNET_R_DNAT_REPLY) {
        EXPECT_EQ(mac_at(in, 0), mac_bytes(kMacGw1)) << "it was for a sibling";
    }
    if (known && target->mac == kMacEp3) {
        EXPECT_TRUE(reason == CNET_R_HAIRPIN || reason == CNET_R_ICMP_ERROR_NAT)
            << "into another network";
    }
}

void Hostile::check_uplink(const Bytes& out, Verdict verdict, cnet_reason reason) {
    if (verdict != Verdict::kRedirect || reason == CNET_R_ICMP_ERROR_SENT) return;
    EXPECT_TRUE(is_translation(reason));
    const Endpoint* target = delivered_to(out);
    ASSERT_NE(target, nullptr);
    EXPECT_TRUE(one_of(destination_of(out), {target->ip4.c_str(), target->ip6.c_str()}));
}

void Hostile::check_checksums(const Bytes& in, const Bytes& out, cnet_reason reason) {
    Checksums before = checksums_of(in), after = checksums_of(out);
    if (reason == CNET_R_ICMP_ERROR_SENT || reason == CNET_R_ND_REPLY) {
        EXPECT_TRUE(after.l4);
        EXPECT_TRUE(after.ip || ip_version(out) == 6);
    }
    if (!is_translation(reason)) return;
    EXPECT_GE(in.size() - 14, claimed_length(in)) << "cut short, and translated";
    EXPECT_TRUE(after.ip || !before.ip) << "the IPv4 header's checksum broke";
    EXPECT_TRUE(after.l4 || !before.l4) << "the L4 checksum broke";
}

void Hostile::check(const Stage& stage, const Bytes& in, const Bytes& out, Verdict verdict) {
    cnet_reason reason = carried_as(stage.hook, verdict);
    SCOPED_TRACE(maps::reason(reason).name);
    ASSERT_TRUE(verdict == Verdict::kNext || verdict == Verdict::kDrop ||
                verdict == Verdict::kRedirect);
    bool flooded = reason == CNET_R_FLOODED;
    EXPECT_EQ(verdict == Verdict::kDrop, reason == CNET_R_NONE || flooded);
    if (verdict == Verdict::kNext && !is_translation(reason)) {
        EXPECT_TRUE(in == out) << "left to the kernel, but not as it came";
    }
    if (stage.hook == CNET_HOOK_ENDPOINT) check_endpoint(in, out, verdict, reason);
    if (stage.hook == CNET_HOOK_UPLINK) check_uplink(out, verdict, reason);
    if (verdict != Verdict::kDrop) check_checksums(in, out, reason);
}

// Every frame has one reason that is its own, and never "none".
void Hostile::check_batch(cnet_hook hook, const std::vector<cnet_counter>& before,
                          uint64_t frames) {
    uint64_t reasons = 0;
    for (uint32_t reason = 0; reason < CNET_R_COUNT; reason++) {
        uint32_t index = CNET_COUNTER_INDEX(hook, reason);
        // A kept fragment has no other.
        if (maps::reason(reason).reason_class != maps::ReasonClass::kEvent ||
            reason == CNET_R_FRAGMENT_HELD)
            reasons += seen_[index].packets - before[index].packets;
    }
    EXPECT_EQ(reasons, frames);
    EXPECT_EQ(seen_[CNET_COUNTER_INDEX(hook, CNET_R_NONE)].packets, 0u);
}

void Hostile::end_flows() {
    std::vector<cnet_gc_ct> candidates;
    auto collect = [&] {
        EXPECT_TRUE(data_path().collect(candidates));
        candidates.clear();
    };
    auto entries = maps().ct.snapshot();
    ASSERT_TRUE(entries);
    for (const auto& [key, entry] : *entries) {
        if (entry.kind != CNET_CT_FORWARD) continue;
        candidates.push_back(cnet_gc_ct{key, 0, 0});
        if (candidates.size() == CNET_GC_BATCH_MAX) collect();
    }
    collect();
    EXPECT_EQ(flows(), 0u);
    for (const auto& [key, value] : *maps().frag.snapshot())
        EXPECT_TRUE(maps().frag.erase(key));
    for (const auto& [key, value] : *maps().frag_held.snapshot())
        EXPECT_TRUE(maps().frag_held.erase(key));
    check_flows();
}

void Hostile::torment(const Stage& stage) {
    uint64_t frames = setting("CNET_HOSTILE_FRAMES", kFrames),
             seed = setting("CNET_HOSTILE_SEED", kSeed);
    FrameSource source(seed, stage.cast);
    auto program = data_path().program(stage.program);
    ASSERT_TRUE(program);
    uint32_t device = ifindex(stage.device);
    for (uint64_t done = 0; done < frames && !HasFailure();) {
        begin_flows();
        auto before = seen_ = *maps().counters.totals();
        uint64_t batch = std::min(kBatch, frames - done), first = done;
        for (; done < first + batch; done++) {
            Bytes in = source.next();
            while (!can_be_run(in))
                in = source.next();
            Bytes out = in;
            Verdict verdict = run_once(*program, device, out);
            check(stage, in, out, verdict);
            if (HasFailure()) {
                ADD_FAILURE() << stage.program << ", seed " << seed << ", frame " << done
                              << ", verdict " << static_cast<int>(verdict) << "\nin:\n"
                              << hex(in) << "\nout:\n"
                              << hex(out);
                return;
            }
        }
        seen_ = *maps().counters.totals();
        check_batch(stage.hook, before, batch);
        check_flows();
        if (first / kBatch % 2) end_flows();
        if (HasFailure())
            ADD_FAILURE() << stage.program << ", seed " << seed << ", by frame " << done;
    }
}

Cast from_ep1() {
    return {
        .src_mac = kMacEp1,
        .dst_macs = {kMacGw1, kMacGw1, kMacGw1, kMacGw1, kMacGw1, kMacEp2, kMacEp3, kMacStranger},
        .src4 = {kEp1, kEp1, kEp1, kEp1, kEp1, kEp2, kEp3, kHostAddr, "0.0.0.0"},
        .dst4 = {kWorld, kWorld, kWorld, kHostAddr, kHostAddr, kGw1, kEp2, kEp3, "10.2.0.1",
                 "224.0.0.1", "127.0.0.1"},
        .src6 = {kEp1v6, kEp1v6, kEp1v6, kEp1v6, kEp1v6, kEp3v6, "::", "fe80::ff:fe00:102"},
        .dst6 = {kWorld6, kWorld6, kWorld6, kHostAddr6, kHostAddr6, kGw1v6, kEp2v6, kEp3v6,
                 "ff02::1", "fe80::1"},
        .ports = {40000, 53, 80, 8080, 9090, 67}};
}

Cast from_the_wire() {
    return {.src_mac = kMacRouter,
            .dst_macs = {kMacUp, kMacUp, kMacUp, kMacUp, kMacBroadcast, kMacEp1},
            .src4 = {kWorld, kWorld, kWorld, "198.51.100.254", kEp1, kEp3, kHostAddr},
            .dst4 = {kHostAddr, kHostAddr, kHostAddr, kHostAddr, kGw1, kEp1, "203.0.113.77"},
            .src6 = {kWorld6, kWorld6, kWorld6, kRouter6, kEp1v6, kEp3v6, kHostAddr6},
            .dst6 = {kHostAddr6, kHostAddr6, kHostAddr6, kHostAddr6, kGw1v6, kEp1v6},
            .ports = {40000, 53, 80, 8080, 8081, 9090}};
}

Cast from_the_host() {
    return {.src_mac = kMacUp,
            .dst_macs = {kMacRouter, kMacBroadcast},
            .src4 = {kHostAddr, kHostAddr, kHostAddr, kGw1, kEp1},
            .dst4 = {kWorld, kWorld, "203.0.113.77"},
            .src6 = {kHostAddr6, kHostAddr6, kHostAddr6, kGw1v6, kEp1v6},
            .dst6 = {kWorld6, kWorld6, "2001:db8:9::77"},
            .ports = {40000, 53, 80, 8080}};
}

Cast into_the_network() {
    return {.src_mac = kMacGw1,
            .dst_macs = {kMacEp1, kMacEp1, kMacEp2, kMacEp3, kMacStranger},
            .src4 = {kGw1, kGw1, kHostAddr, kWorld, kEp3},
            .dst4 = {kEp1, kEp2, kEp3, "10.1.0.200"},
            .src6 = {kGw1v6, kGw1v6, kHostAddr6, kWorld6, kEp3v6, "fe80::1"},
            .dst6 = {kEp1v6, kEp2v6, kEp3v6, "ff02::1"},
            .ports = {40000, 53, 80}};
}

TEST_F(Hostile, Endpoint) {
    torment({"cnet_endpoint", "ep1", CNET_HOOK_ENDPOINT, from_ep1()});
}

TEST_F(Hostile, Uplink) {
    torment({"cnet_uplink", "up0", CNET_HOOK_UPLINK, from_the_wire()});
}

TEST_F(Hostile, UplinkEgress) {
    torment({"cnet_uplink_egress", "up0", CNET_HOOK_UPLINK_EGRESS, from_the_host()});
}

TEST_F(Hostile, HostPort) {
    torment({"cnet_hostport", "hp1", CNET_HOOK_HOSTPORT, into_the_network()});
}

} // namespace
} // namespace cnet::test
