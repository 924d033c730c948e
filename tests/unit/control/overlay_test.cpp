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

// Its socket is in a namespace of its own, which the host's firewall knows nothing of.
TEST_F(OverlayTest, TheOtherHalfComesAndGoesWithTheDevice) {
    overlay.receiver_netns = "/run/netns/cnvxlan";
    restart();
    auto peer = controller->add_peer(ip("192.0.2.9"));
    make_overlay(300, "10.9.0.0/24");
    const auto* device = rtnl.find(control::kVxlanReceiver);
    const auto* entrance = rtnl.find(control::kVxlanEntrance);
    ASSERT_TRUE(device && entrance);
    EXPECT_TRUE(device->info.up && entrance->info.up);
    EXPECT_TRUE(hooks.attached.contains({CNET_HOOK_VXLAN, device->info.ifindex}));
    const auto vtep = [&] { return tables.contents.vtep.at(ip("192.0.2.9").to_abi()); };
    EXPECT_EQ(vtep().receiver_ifindex, entrance->info.ifindex);
    EXPECT_EQ(tables.contents.vtep.at(ip("192.0.2.2").to_abi()).receiver_ifindex, 0u);
    expect_settled();
    ASSERT_TRUE(rtnl.delete_link(control::kVxlanReceiver));
    ASSERT_TRUE(links_changed());
    ASSERT_NE(rtnl.find(control::kVxlanReceiver), nullptr) << "made again";
    EXPECT_EQ(vtep().receiver_ifindex, rtnl.find(control::kVxlanEntrance)->info.ifindex);
    expect_settled();
    ASSERT_TRUE(controller->delete_network("over300"));
    EXPECT_EQ(rtnl.find(control::kVxlanReceiver), nullptr);
    EXPECT_EQ(rtnl.find(control::kVxlanEntrance), nullptr);
    expect_settled();
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
    ASSERT_TRUE(links_changed());
    EXPECT_EQ(controller->network("over300")->network.mtu, 8950u);
    control::NetworkPatch patch;
    patch.mtu = 1400;
    ASSERT_TRUE(controller->update_network("over300", patch));
    ASSERT_TRUE(rtnl.set_mtu("eth0", 1500));
    ASSERT_TRUE(links_changed());
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

// What another host's control plane would have told; the controller finds it when it starts.
TEST_F(OverlayTest, EndpointsOfOtherHostsAreInTheMaps) {
    const auto net = make_overlay(300, "10.9.0.0/24");
    const auto own = make_endpoint("over300", "own", "/run/netns/a");
    const control::Peer peer{7, "", ip("192.0.2.9"), true};
    const control::NetworkId id = net.network.id;
    ASSERT_TRUE(store->commit(
        {store::PutPeer{peer},
         store::PutRemote{
             {id, 7, "far", mac("02:00:00:00:07:02"), {ip("10.9.0.72"), ip("fd00::72")}, {}}},
         // What this host says of its own counts more.
         store::PutRemote{{id, 7, "twin", own.mac, {own.addresses[0].address()}, {}}},
         store::PutRemote{{id, 7, "thief", net.network.gateway_mac, {ip("10.9.0.1")}, {}}},
         store::PutRemote{{id, 7, "tap0", {}, {}, {}}}}));
    restart();
    const auto& maps = tables.contents;
    const auto& fdb = maps.fdb.at({id, {2, 0, 0, 0, 7, 2}, {}});
    EXPECT_EQ(fdb.peer_id, 7u);
    EXPECT_EQ(fdb.ifindex, 0u);
    EXPECT_EQ(fdb.flags, static_cast<uint32_t>(CNET_FDB_STATIC));
    EXPECT_EQ(fdb.port_flags, static_cast<uint32_t>(CNET_PORT_REMOTE));
    for (const char* address : {"10.9.0.72", "fd00::72"}) {
        const auto& neigh = maps.neigh.at({id, ip(address).to_abi()});
        EXPECT_EQ(neigh.peer_id, 7u);
        EXPECT_EQ(neigh.ifindex, 0u);
        EXPECT_EQ(neigh.mac[4], 7);
        EXPECT_EQ(neigh.mtu, 1450u);
    }
    EXPECT_EQ(maps.neigh.at({id, own.addresses[0].address().to_abi()}).ifindex, own.ifindex);
    EXPECT_EQ(maps.neigh.at({id, ip("10.9.0.1").to_abi()}).peer_id, 0u);
    EXPECT_EQ(controller->fdb("over300")->size(), 3u) << "nobody knows what is behind tap0";
    const auto shown = controller->neighbours("over300");
    EXPECT_EQ(shown->back().endpoint, "far");
    EXPECT_EQ(shown->back().peer, ip("192.0.2.9"));
    EXPECT_EQ(shown->back().device, control::kVxlanDevice);
    EXPECT_EQ(controller->delete_peer(ip("192.0.2.9")).error().kind(), ErrorKind::kConflict);
    ASSERT_TRUE(controller->delete_endpoint("own"));
    EXPECT_EQ(maps.neigh.at({id, own.addresses[0].address().to_abi()}).peer_id, 7u) << "it moved";
    expect_settled();
    ASSERT_TRUE(controller->delete_network("over300"));
    EXPECT_TRUE(store->load()->state.remotes.empty());
    expect_settled();
}

TEST_F(OverlayTest, FloodsOfTheClustersNetworksGoWhereTheirEndpointsAre) {
    const auto one = make_overlay(300, "10.9.0.0/24").network;
    auto two = make_overlay(301, "10.8.0.0/24").network;
    two.clustered = true;
    ASSERT_TRUE(controller->add_peer(ip("192.0.2.5")));
    ASSERT_TRUE(
        store->commit({store::PutNetwork{two}, store::PutPeer{{7, "", ip("192.0.2.7"), true}},
                       store::PutPeer{{8, "", ip("192.0.2.8"), true}},
                       store::PutRemote{{two.id, 8, "tap0", {}, {}, {}}}}));
    restart();
    auto peers_of = [&](control::NetworkId id) {
        std::vector<uint32_t> peers;
        for (uint32_t i = 0; i < tables.contents.network.at(id).flood_peers; i++)
            peers.push_back(tables.contents.flood_peer.at({id, i}));
        return peers;
    };
    EXPECT_EQ(peers_of(one.id), (std::vector<uint32_t>{1, 7, 8}));
    EXPECT_EQ(peers_of(two.id), (std::vector<uint32_t>{1, 8}));
}

} // namespace
} // namespace cnet::test
