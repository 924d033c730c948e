// Networks across hosts: the kept device, VTEPs, peers in the maps, the derived MTU.
#include "tests/unit/control/world.h"
#include "userspace/control/overlay.h"

namespace cnet::test {
namespace {

class OverlayTest : public World {
protected:
    control::NetworkView make_overlay(uint32_t vni, const std::string& subnet) {
        control::NetworkSpec spec;
        spec.name = "over" + std::to_string(vni);
        spec.vni = vni;
        spec.subnets = {prefix(subnet)};
        auto network = controller->create_network(spec);
        EXPECT_TRUE(network) << network.error().message();
        return network ? *network : control::NetworkView();
    }
};

TEST_F(OverlayTest, TheDeviceIsThereWhileANetworkNeedsIt) {
    ASSERT_TRUE(controller->add_peer(ip("192.0.2.9")));
    EXPECT_EQ(rtnl.find(control::kVxlanDevice), nullptr);
    EXPECT_TRUE(tables.contents.peer.empty()) << "nobody sends to it yet";
    make_overlay(300, "10.9.0.0/24");
    make_overlay(301, "10.8.0.0/24");
    const auto* device = rtnl.find(control::kVxlanDevice);
    ASSERT_NE(device, nullptr);
    EXPECT_TRUE(device->info.up);
    EXPECT_TRUE(hooks.attached.contains({CNET_HOOK_VXLAN, device->info.ifindex}));
    expect_settled();
    ASSERT_TRUE(controller->delete_network("over300"));
    EXPECT_NE(rtnl.find(control::kVxlanDevice), nullptr);
    ASSERT_TRUE(controller->delete_network("over301"));
    EXPECT_EQ(rtnl.find(control::kVxlanDevice), nullptr);
    EXPECT_TRUE(tables.contents.peer.empty() && tables.contents.vtep.empty() &&
                tables.contents.vni.empty() && tables.contents.flood_peer.empty());
}

TEST_F(OverlayTest, PeersAreInTheMapsWithOurAddressTowardsThem) {
    make_overlay(300, "10.9.0.0/24");
    auto peer = controller->add_peer(ip("192.0.2.9"), "nine");
    ASSERT_TRUE(peer);
    EXPECT_EQ(peer->local, ip("192.0.2.2"));
    const auto& entry = tables.contents.peer.at(peer->id);
    EXPECT_EQ(IpAddress::from_abi(entry.remote), ip("192.0.2.9"));
    EXPECT_EQ(IpAddress::from_abi(entry.local), ip("192.0.2.2"));
    EXPECT_EQ(tables.contents.vtep.at(ip("192.0.2.9").to_abi()).peer_id, peer->id);
    EXPECT_EQ(tables.contents.vtep.at(ip("192.0.2.2").to_abi()).peer_id, 0u);
    auto far = controller->add_peer(ip("2001:db8::9"));
    ASSERT_TRUE(far);
    EXPECT_FALSE(far->local) << "this host has no IPv6 address";
    EXPECT_FALSE(tables.contents.peer.contains(far->id));
    restart();
    EXPECT_EQ(controller->peers().size(), 2u);
    expect_settled();
    ASSERT_TRUE(controller->delete_peer(ip("192.0.2.9")));
    EXPECT_TRUE(tables.contents.peer.empty());
}

TEST_F(OverlayTest, TheMtuIsWhatTheUnderlayLeaves) {
    EXPECT_EQ(make_overlay(300, "10.9.0.0/24").network.mtu, 1450u);
    ASSERT_TRUE(rtnl.set_mtu("eth0", 9000));
    ASSERT_TRUE(controller->links_changed());
    EXPECT_EQ(controller->network("over300")->network.mtu, 8950u);
    control::NetworkPatch patch;
    patch.mtu = 1400;
    ASSERT_TRUE(controller->update_network("over300", patch));
    ASSERT_TRUE(rtnl.set_mtu("eth0", 1500));
    ASSERT_TRUE(controller->links_changed());
    EXPECT_EQ(controller->network("over300")->network.mtu, 1400u) << "it was given";
}

TEST_F(OverlayTest, StatedMacsGoWithTheirPeerAndTheirNetwork) {
    make_overlay(300, "10.9.0.0/24");
    make_overlay(301, "10.8.0.0/24");
    ASSERT_TRUE(controller->add_peer(ip("192.0.2.9")));
    for (const char* network : {"over300", "over301"})
        ASSERT_TRUE(
            controller->add_fdb(network, mac("02:00:00:00:00:99"), {"", "", ip("192.0.2.9")}));
    ASSERT_TRUE(controller->delete_network("over301"));
    ASSERT_EQ(controller->fdb("over300")->size(), 2u); // and the gateway's
    ASSERT_TRUE(controller->delete_peer(ip("192.0.2.9")));
    EXPECT_EQ(controller->fdb("over300")->size(), 1u);
    expect_settled();
}

} // namespace
} // namespace cnet::test
