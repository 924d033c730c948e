// SCTP to a published port: its checksum, and what its chunks tell of an association.
#include <netinet/in.h>

#include "tests/bpf/host.h"

namespace cnet::test {
namespace {

class PublishedSctp : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        if (IsSkipped()) return;
        publish(7, CNET_L4_SCTP, 3868, kEp1, 9900);
    }

    static Packet from_world(SctpChunk chunk) {
        return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kWorld, .dst = kHostAddr} /
               Sctp{.src_port = 50000, .dst_port = 3868, .chunk = chunk} / Raw{"value"};
    }

    Outcome client(SctpChunk chunk) { return uplink(from_world(chunk)); }

    Outcome server(SctpChunk chunk) {
        Packet packet = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                        Ipv4{.src = kEp1, .dst = kWorld} /
                        Sctp{.src_port = 9900, .dst_port = 50000, .chunk = chunk} / Raw{"value"};
        return endpoint("ep1", packet);
    }

    int state() {
        auto key = key4(CNET_ZONE_WORLD, IPPROTO_SCTP, kWorld, 50000, kHostAddr, 3868);
        return maps().ct.lookup(key)->value().state;
    }
};

TEST_F(PublishedSctp, WithItsChecksum) {
    for (size_t size : {0u, 1u, 16u, 1400u}) {
        Packet dial = Ethernet{.src = kMacRouter, .dst = kMacUp} /
                      Ipv4{.src = kWorld, .dst = kHostAddr} /
                      Sctp{.src_port = 50000, .dst_port = 3868} / Raw{Bytes(size, 's')};
        Packet arrives = dial;
        arrives.get<Ethernet>() = {.src = kMacGw1, .dst = kMacEp1, .type = {}};
        arrives.get<Ipv4>().dst = kEp1;
        arrives.get<Ipv4>().ttl--;
        arrives.get<Sctp>().dst_port = 9900;
        expect(uplink(dial), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT, arrives);
        // Still to be computed: the kernel starts from zero.
        dial.get<Sctp>().checksum = arrives.get<Sctp>().checksum = false;
        expect(uplink(dial), Verdict::kRedirect, CNET_HOOK_UPLINK, CNET_R_DNAT, arrives);
    }
}

// An INIT whose source is forged is answered, a COOKIE ECHO that was made up is not.
TEST_F(PublishedSctp, HalfOpenUntilTheCookieIsVerified) {
    for (int times = 0; times < 2; times++) {
        client(kInit);
        EXPECT_EQ(state(), CNET_CT_NEW);
        server(kInitAck);
        EXPECT_EQ(state(), CNET_CT_NEW);
        client(kCookieEcho);
        EXPECT_EQ(state(), CNET_CT_NEW);
    }
    server(kCookieAck);
    EXPECT_EQ(state(), CNET_CT_ESTABLISHED);
    client(kInit);
    EXPECT_EQ(state(), CNET_CT_ESTABLISHED) << "whoever sent it";
    EXPECT_EQ(flows(), 1u);
}

// One that ran before, or another path of it.
TEST_F(PublishedSctp, SomePacketIsTheFirstThatPasses) {
    client(kHeartbeat);
    EXPECT_EQ(state(), CNET_CT_NEW);
    server(kHeartbeatAck);
    EXPECT_EQ(state(), CNET_CT_ESTABLISHED);
}

TEST_F(PublishedSctp, ShutDown) {
    client(kHeartbeat);
    server(kHeartbeatAck);
    client(kShutdown);
    EXPECT_EQ(state(), CNET_CT_CLOSING);
    server(kData);
    EXPECT_EQ(state(), CNET_CT_CLOSING) << "the other side has more to say";
    server(kShutdownAck);
    EXPECT_EQ(state(), CNET_CT_CLOSING);
    client(kShutdownComplete);
    EXPECT_EQ(state(), CNET_CT_CLOSED);
    client(kInit);
    EXPECT_EQ(state(), CNET_CT_NEW) << "the tuple begins again";
}

// Nobody believes an ABORT with a forged tag: what goes on is as it was.
TEST_F(PublishedSctp, Aborted) {
    client(kHeartbeat);
    server(kHeartbeatAck);
    client(kAbort);
    EXPECT_EQ(state(), CNET_CT_CLOSED);
    client(kData);
    EXPECT_EQ(state(), CNET_CT_CLOSED);
    server(kData);
    EXPECT_EQ(state(), CNET_CT_ESTABLISHED);
    server(kAbort);
    EXPECT_EQ(state(), CNET_CT_CLOSED);
}

TEST_F(PublishedSctp, AnAbortOfNoAssociationIsDropped) {
    expect_drop(client(kAbort), CNET_HOOK_UPLINK, CNET_R_NO_FLOW);
    EXPECT_EQ(flows(), 0u);
}

// Each has a chunk at least.
TEST_F(PublishedSctp, CutShort) {
    const Bytes whole = from_world(kInit).bytes();
    const auto header = whole.begin() + 14 + 20;
    for (int length : {8, 12, 15}) {
        Packet cut = Ethernet{.src = kMacEp1, .dst = kMacGw1} /
                     Ipv4{.src = kEp1, .dst = kWorld, .protocol = IPPROTO_SCTP} /
                     Raw{Bytes(header, header + length)};
        expect_drop(endpoint("ep1", cut), CNET_HOOK_ENDPOINT, CNET_R_MALFORMED);
    }
    EXPECT_EQ(flows(), 0u);
}

// Like a SYN's: by the tuple of an association that is over.
TEST_F(PublishedSctp, WhatBeginsAgainCountsAgainstTheLimit) {
    auto binding = **maps().binding.lookup(7);
    binding.new_interval_ns = 4'000'000'000; // none comes back while the test lasts
    binding.new_burst = 2;
    ASSERT_TRUE(maps().binding.update(7, binding));
    client(kInit);
    server(kAbort);
    EXPECT_EQ(client(kInit).counted[0].second, CNET_R_DNAT);
    server(kAbort);
    expect_drop(client(kInit), CNET_HOOK_UPLINK, CNET_R_NEW_LIMIT);
}

} // namespace
} // namespace cnet::test
