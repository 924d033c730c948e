// What the programs remember for a tick: never longer than until the table was changed, and never
// for another key.
#include <bpf/bpf.h>
#include <sched.h>

#include <chrono>

#include "tests/bpf/overlay.h"

namespace cnet::test {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kPlaces = 64; // MEMO_PORTS

class Memo : public Overlay {
protected:
    void SetUp() override {
        Overlay::SetUp();
        if (IsSkipped()) return;
        // Each CPU remembers for itself.
        CNET_CHECK(sched_getaffinity(0, sizeof(before_), &before_) == 0);
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(sched_getcpu(), &one);
        CNET_CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
    }
    void TearDown() override {
        if (!IsSkipped()) sched_setaffinity(0, sizeof(before_), &before_);
        Overlay::TearDown();
    }

    static Packet frame(const char* src_mac, const char* dst_mac, const char* src_ip = kEp1) {
        return Ethernet{.src = src_mac, .dst = dst_mac} / Ipv4{.src = src_ip, .dst = kEp2} /
               Udp{.src_port = 4000, .dst_port = 53} / Raw{"question"};
    }
    // Without explaining it first.
    Verdict verdict_of(const char* program, const char* device, const Packet& packet) {
        auto fd = data_path().program(program);
        EXPECT_TRUE(fd);
        Bytes bytes = packet.bytes();
        return run_once(*fd, ifindex(device), bytes);
    }
    Verdict from_ep1(const char* dst_mac = kMacEp2) {
        return verdict_of("cnet_endpoint", "ep1", frame(kMacEp1, dst_mac));
    }

private:
    cpu_set_t before_{};
};

TEST_F(Memo, AChangeIsInForceWhenTheCallReturns) {
    for (int i = 0; i < 100; i++) {
        set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE);
        ASSERT_EQ(from_ep1(), Verdict::kRedirect);
        set_port_flags("ep1", CNET_PORT_PEER | CNET_PORT_ICC_OFF);
        ASSERT_EQ(from_ep1(), Verdict::kDrop);
    }
    const auto to = **maps().fdb.lookup(fdb_key(kMacRemote));
    for (int i = 0; i < 100; i++) {
        ASSERT_TRUE(maps().fdb.erase(fdb_key(kMacEp2)));
        ASSERT_EQ(from_ep1(), Verdict::kDrop);
        ASSERT_TRUE(maps().fdb.update(fdb_key(kMacEp2), to));
        set_port_flags("ep1", CNET_PORT_PEER);
        ASSERT_EQ(from_ep1(), Verdict::kRedirect);
    }
    for (int i = 0; i < 100; i++) {
        const auto packet = from_peer(to_ep1());
        ASSERT_EQ(verdict_of("cnet_uplink", "up0", packet), Verdict::kRedirect);
        ASSERT_TRUE(maps().vni.erase(kVni));
        ASSERT_EQ(verdict_of("cnet_uplink", "up0", packet), Verdict::kDrop);
        set_vni(CNET_PORT_REMOTE);
        ASSERT_EQ(verdict_of("cnet_uplink", "up0", packet), Verdict::kRedirect);
        ASSERT_TRUE(maps().vtep.erase(abi(kPeer)));
        ASSERT_EQ(verdict_of("cnet_uplink", "up0", packet), Verdict::kDrop);
        ASSERT_TRUE(maps().vtep.update(abi(kPeer), cnet_vtep{7, 0, abi(kHostAddr)}));
    }
}

// Of a daemon that was killed between the change and the count.
TEST_F(Memo, AChangeThatIsNotCountedIsInForceBeforeLong) {
    const auto key = fdb_key(kMacEp2);
    const auto entry = **maps().fdb.lookup(key);
    int remembered = 0;
    for (int i = 0; i < 20; i++) {
        ASSERT_EQ(bpf_map_update_elem(maps().fdb.fd(), &key, &entry, BPF_ANY), 0);
        ASSERT_EQ(from_ep1(), Verdict::kRedirect);
        ASSERT_EQ(bpf_map_delete_elem(maps().fdb.fd(), &key), 0);
        const auto limit = std::chrono::steady_clock::now() + 10s;
        while (from_ep1() == Verdict::kRedirect) {
            remembered++;
            ASSERT_LT(std::chrono::steady_clock::now(), limit);
        }
    }
    EXPECT_GT(remembered, 0) << "nothing is remembered at all";
}

TEST_F(Memo, DevicesThatShareAPlaceAreToldApart) {
    const uint32_t other = ifindex("ep1") + kPlaces;
    shell("ip link add shared index " + std::to_string(other) + " type veth peer name sharedp");
    auto port = **maps().port.lookup(ifindex("ep3"));
    ASSERT_TRUE(maps().port.update(other, port));
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(verdict_of("cnet_endpoint", "shared", frame(kMacEp3, kMacEp3, kEp3)),
                  Verdict::kRedirect);
        EXPECT_EQ(verdict_of("cnet_endpoint", "shared", frame(kMacEp1, kMacEp2)), Verdict::kDrop);
        EXPECT_EQ(from_ep1(), Verdict::kRedirect);
    }
}

TEST_F(Memo, AddressesThatShareAPlaceAreToldApart) {
    const char* like_ep2 = "02:00:00:00:55:03";
    auto entry = **maps().fdb.lookup(fdb_key(kMacEp2));
    entry.ifindex = ifindex("ep1");
    ASSERT_TRUE(maps().fdb.update(fdb_key(like_ep2), entry));
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(from_ep1(), Verdict::kRedirect);
        EXPECT_EQ(from_ep1(like_ep2), Verdict::kDrop); // where it comes from
    }
}

} // namespace
} // namespace cnet::test
