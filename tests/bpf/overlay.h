// Network 1 with VNI 300 and two peers: 7 is 198.51.100.7, 8 is 2001:db8:f::8.
#pragma once

#include <algorithm>

#include "tests/bpf/host.h"

namespace cnet::test {

inline constexpr uint32_t kVni = 300;
inline constexpr char kPeer[] = "198.51.100.7", kPeer6[] = "2001:db8:f::8",
                      kMacRemote[] = "02:00:00:00:07:02", kMacRemote6[] = "02:00:00:00:08:02",
                      kRemote[] = "10.1.0.72";

inline cnet_addr abi(const char* text) {
    return IpAddress::parse(text)->to_abi();
}

inline Bytes in_vxlan(const Packet& inner, uint32_t vni = kVni, uint8_t flags = 0x08) {
    Bytes out{flags,
              0,
              0,
              0,
              static_cast<uint8_t>(vni >> 16),
              static_cast<uint8_t>(vni >> 8),
              static_cast<uint8_t>(vni),
              0};
    const Bytes frame = inner.bytes();
    out.insert(out.end(), frame.begin(), frame.end());
    return out;
}

inline Packet from_peer(const Packet& inner, uint32_t vni = kVni, uint8_t flags = 0x08) {
    return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv4{.src = kPeer, .dst = kHostAddr} /
           Udp{.src_port = 50000, .dst_port = 4789, .checksum = false} /
           Raw(in_vxlan(inner, vni, flags));
}

inline Packet from_peer6(const Packet& inner) {
    return Ethernet{.src = kMacRouter, .dst = kMacUp} / Ipv6{.src = kPeer6, .dst = kHostAddr6} /
           Udp{.src_port = 50000, .dst_port = 4789, .checksum = false} / Raw(in_vxlan(inner));
}

inline Packet to_remote(const char* dst_mac = kMacRemote, uint8_t tos = 0, size_t payload = 7) {
    return Ethernet{.src = kMacEp1, .dst = dst_mac} /
           Ipv4{.src = kEp1, .dst = kRemote, .tos = tos} / Udp{.src_port = 4000, .dst_port = 53} /
           Raw(Bytes(payload, 'x'));
}

inline Packet to_ep1(const char* dst_mac = kMacEp1, const char* src_mac = kMacRemote,
                     uint8_t tos = 0, const char* text = "answer") {
    return Ethernet{.src = src_mac, .dst = dst_mac} /
           Ipv4{.src = kRemote, .dst = kEp1, .tos = tos} / Udp{.src_port = 53, .dst_port = 4000} /
           Raw{text};
}

class Overlay : public HostTest {
protected:
    void SetUp() override {
        HostTest::SetUp();
        if (IsSkipped()) return;
        shell("ip link add vx0 type vxlan external dstport 4789 nolearning");
        shell("sysctl -qw net.ipv4.conf.vx0.forwarding=1 net.ipv6.conf.vx0.forwarding=1");
        shell("ip link set vx0 up");
        add_peer(7, kPeer, kHostAddr);
        add_peer(8, kPeer6, kHostAddr6);
        ASSERT_TRUE(maps().vtep.update(abi(kHostAddr), cnet_vtep{}));
        set_vni(CNET_PORT_REMOTE | CNET_PORT_LEARNING);
        auto network = **maps().network.lookup(1);
        network.vni = kVni;
        network.flood_peers = 2;
        ASSERT_TRUE(maps().network.update(1, network));
        for (const char* device : {"ep1", "ep2"})
            set_port_vni(device, kVni);
        for (uint32_t i : {0u, 1u})
            ASSERT_TRUE(maps().flood_peer.update(cnet_flood_key{1, i}, 7 + i));
        state_mac(kMacRemote, 7);
        state_mac(kMacRemote6, 8);
    }

    void add_peer(uint32_t id, const char* remote, const char* local) {
        cnet_peer peer{};
        peer.remote = abi(remote);
        peer.local = abi(local);
        peer.device_ifindex = ifindex("vx0");
        ASSERT_TRUE(maps().peer.update(id, peer));
        ASSERT_TRUE(maps().vtep.update(abi(remote), cnet_vtep{id, 0, abi(local)}));
    }

    void set_vni(uint32_t port_flags) {
        ASSERT_TRUE(maps().vni.update(kVni, cnet_vni{1, port_flags}));
    }

    void set_port_vni(const char* device, uint32_t vni) {
        auto port = **maps().port.lookup(ifindex(device));
        port.vni = vni;
        ASSERT_TRUE(maps().port.update(ifindex(device), port));
    }

    static cnet_fdb_key fdb_key(const char* mac) {
        cnet_fdb_key key{};
        key.network_id = 1;
        const Bytes bytes = mac_bytes(mac);
        std::copy(bytes.begin(), bytes.end(), key.mac);
        return key;
    }

    void state_mac(const char* mac, uint32_t peer_id) {
        ASSERT_TRUE(maps().fdb.update(
            fdb_key(mac), cnet_fdb_entry{0, 0, CNET_PORT_REMOTE, CNET_FDB_STATIC, peer_id}));
    }

    // What the endpoint's program made, but for the source port, which must be in its range.
    static Packet sent(const Outcome& outcome, const Packet& inner, const Packet& outer,
                       size_t udp_off) {
        const auto source = be16_at(outcome.packet, udp_off);
        EXPECT_GE(source, CNET_VXLAN_PORT_MIN);
        Packet packet = outer / Udp{.src_port = source, .dst_port = 4789, .checksum = false};
        return packet / Raw(in_vxlan(inner));
    }

    // The Ethernet header in front is the frame's own: the kernel writes the uplink's over it.
    static Packet outer4(uint8_t tos = 0) {
        return Ethernet{.src = kMacEp1, .dst = kMacRemote, .type = 0x0800} /
               Ipv4{.src = kHostAddr, .dst = kPeer, .tos = tos, .id = 0, .protocol = 17};
    }
};

} // namespace cnet::test
