// A bridge that somebody else made, here network 3: whatever we do not redirect has to be the
// bridge's, whole.
//
//   ab1 (a container's veth)   ab2 (another's)   ab3 (left to the bridge)
//                    br1, the bridge's own device
#pragma once

#include "tests/bpf/host.h"

namespace cnet::test {

inline constexpr uint32_t kNetwork = 3;
inline constexpr char kMacOne[] = "02:00:00:00:03:01", kMacTwo[] = "02:00:00:00:03:02",
                      kMacThree[] = "02:00:00:00:03:03", kMacBridge[] = "02:00:00:00:03:ff";

class Adopted : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        if (IsSkipped()) return;
        shell("ip link add br1 type bridge && ip link set br1 up");
        for (const char* device : {"ab1", "ab2", "ab3"}) {
            shell(std::string("ip link add ") + device + " type veth peer name " + device + "p");
            shell(std::string("ip link set ") + device + " up");
        }
        cnet_network network{};
        network.ageing_s = 300;
        network.mac_limit = 3;
        ASSERT_TRUE(maps().network.update(kNetwork, network));
        ASSERT_TRUE(maps().fdb_count.update(kNetwork, 0));
        add_port("ab1", CNET_PORT_LEARNING | CNET_PORT_PEER, kMacOne);
        add_port("ab2", CNET_PORT_LEARNING | CNET_PORT_PEER, kMacTwo);
        add_port("ab3", CNET_PORT_LEARNING | CNET_PORT_BRIDGED, kMacThree);
        add_port("br1", CNET_PORT_HOST | CNET_PORT_BRIDGED, kMacBridge);
        const cnet_fdb_entry stated{0, ifindex("br1"), CNET_PORT_HOST | CNET_PORT_BRIDGED,
                                    CNET_FDB_STATIC, 0};
        ASSERT_TRUE(maps().fdb.update(key(kMacBridge), stated));
    }

    void add_port(const char* device, uint32_t flags, const char* far_mac) {
        cnet_port port{};
        port.network_id = kNetwork;
        port.flags = flags;
        port.host_ifindex = ifindex("br1");
        const Bytes mac = mac_bytes(far_mac);
        std::copy(mac.begin(), mac.end(), port.mac);
        ASSERT_TRUE(maps().port.update(ifindex(device), port));
    }

    cnet_fdb_key key(const char* text) const {
        cnet_fdb_key key{};
        key.network_id = kNetwork;
        const Bytes mac = mac_bytes(text);
        std::copy(mac.begin(), mac.end(), key.mac);
        return key;
    }

    std::optional<cnet_fdb_entry> learned(const char* mac) {
        auto entry = maps().fdb.lookup(key(mac));
        return entry ? *entry : std::nullopt;
    }

    Outcome port(const char* device, const Packet& packet) {
        return run("cnet_bridgeport", device, packet);
    }
    // The bridge's own, untouched.
    void expect_bridged(const char* device, const Packet& packet) {
        expect(port(device, packet), Verdict::kNext, CNET_HOOK_BRIDGE_PORT, CNET_R_TO_BRIDGE,
               packet);
    }
    void expect_switched(const char* device, const Packet& packet) {
        expect(port(device, packet), Verdict::kRedirect, CNET_HOOK_BRIDGE_PORT, CNET_R_SWITCHED,
               packet);
    }
};

inline Packet frame(const char* src, const char* dst, size_t size = 100) {
    return Ethernet{.src = src, .dst = dst} / Ipv4{.src = "10.3.0.2", .dst = "10.3.0.3"} /
           Udp{.src_port = 4000, .dst_port = 53} / Raw{Bytes(size - 28, 'x')};
}

class AdoptedNat : public Adopted {
protected:
    void SetUp() override {
        Adopted::SetUp();
        if (IsSkipped()) return;
        shell("ip addr add 10.3.0.1/24 dev br1 && sysctl -qw net.ipv4.conf.br1.forwarding=1");
        add_host_addr("10.3.0.1", "br1");
        for (const char* device : {"ab1", "ab2", "br1"}) {
            cnet_port port = **maps().port.lookup(ifindex(device));
            port.flags |= CNET_PORT_MASQUERADE;
            port.gateway4_be = IpAddress::parse("10.3.0.1")->to_abi().words_be[3];
            const Bytes mac = mac_bytes(kMacBridge);
            std::copy(mac.begin(), mac.end(), port.gateway_mac);
            ASSERT_TRUE(maps().port.update(ifindex(device), port));
        }
        cnet_network network = **maps().network.lookup(kNetwork);
        network.flags = CNET_NETWORK_OPEN;
        network.mtu = 1500;
        ASSERT_TRUE(maps().network.update(kNetwork, network));
    }
};

inline Packet tcp_to(const char* dst, uint8_t tcp_flags, uint16_t port = 80) {
    return Ethernet{.src = kMacOne, .dst = kMacBridge} / Ipv4{.src = "10.3.0.2", .dst = dst} /
           Tcp{.src_port = 40000, .dst_port = port, .flags = tcp_flags} / Raw{"to the world"};
}

} // namespace cnet::test
