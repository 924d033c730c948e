// The pure core on a small topology: what it asks for, in which order, and that its answer is
// complete.
#include <gtest/gtest.h>

#include <algorithm>

#include "userspace/control/desired_maps.h"
#include "userspace/control/diff.h"
#include "userspace/control/flood_list.h"
#include "userspace/control/reconcile.h"

namespace cnet::control {

namespace {

IpPrefix prefix(const std::string& text) {
    return *IpPrefix::parse(text);
}
IpAddress ip(const std::string& text) {
    return *IpAddress::parse(text);
}

// One network, two endpoints, one published port; eth0 (2) is the uplink.
//
//   eth0 192.0.2.2/24   cngw1 (10) = cnhp1 (11)   cnet1 (21)   cnet2 (22)
class ReconcileTest : public ::testing::Test {
protected:
    ReconcileTest() {
        Network web;
        web.id = 1;
        web.name = "web";
        web.subnets.push_back({prefix("10.88.0.0/24"), ip("10.88.0.1"), std::nullopt});
        web.gateway_mac = *MacAddress::parse("02:00:00:00:01:00");
        state.networks[1] = web;
        add_endpoint(1, "app");
        add_endpoint(2, "two");
        state.ports[1] = {1, 1, std::nullopt, 8080, 80, 2, CNET_L4_TCP};

        add_link(2, "eth0", "", "", true);
        observed.addresses[2] = {{2, prefix("192.0.2.2/24"), true, false},
                                 {2, prefix("fe80::2/64"), false, false}};
    }

    void add_endpoint(EndpointId id, const std::string& name) {
        Endpoint e;
        e.id = id;
        e.name = name;
        e.network_id = 1;
        e.netns = "/run/netns/" + name;
        e.ifname = "eth0";
        e.addresses = {prefix("10.88.0." + std::to_string(id + 1) + "/24")};
        e.mac = *MacAddress::parse("02:00:00:00:00:0" + std::to_string(id));
        state.endpoints[id] = e;
        observed.namespaces.insert(e.netns);
    }

    void add_link(uint32_t ifindex, const std::string& name, const std::string& kind,
                  const std::string& alias, bool up) {
        netlink::LinkInfo link;
        link.ifindex = ifindex;
        link.name = name;
        link.kind = kind;
        link.alias = alias;
        link.mtu = 1500;
        link.up = up;
        observed.links[name] = link;
    }

    void add_our_links(bool up) {
        add_link(10, "cngw1", "veth", "cnet-bpf hostport web", up);
        add_link(11, "cnhp1", "veth", "", up);
        add_link(21, "cnet1", "veth", "cnet-bpf endpoint app", up);
        add_link(22, "cnet2", "veth", "cnet-bpf endpoint two", up);
        if (up) observed.addresses[10] = {{10, prefix("10.88.0.1/24"), true, false}};
    }

    // As if everything that the reconcile asks for had been done.
    void settle() {
        add_our_links(true);
        observed.maps = desired_maps(state, observed);
        observed.attachments = {{CNET_HOOK_HOSTPORT, 11},
                                {CNET_HOOK_ENDPOINT, 21},
                                {CNET_HOOK_ENDPOINT, 22},
                                {CNET_HOOK_UPLINK, 2},
                                {CNET_HOOK_UPLINK_EGRESS, 2}};
    }

    std::vector<std::string> answers() const {
        std::vector<std::string> texts;
        for (const Change& change : reconcile(state, observed))
            texts.push_back(describe(change));
        return texts;
    }

    size_t position(const std::vector<std::string>& texts, const std::string& start) const {
        auto it = std::find_if(texts.begin(), texts.end(),
                               [&](const std::string& text) { return text.starts_with(start); });
        EXPECT_NE(it, texts.end()) << start;
        return static_cast<size_t>(it - texts.begin());
    }

    State state;
    Observed observed;
};

using Texts = std::vector<std::string>;

TEST_F(ReconcileTest, MissingDevicesComeAlone) {
    EXPECT_EQ(answers(), (Texts{"create veth cngw1", "create veth cnet1", "create veth cnet2"}));
    observed.namespaces.erase("/run/netns/two");
    EXPECT_EQ(answers(), (Texts{"create veth cngw1", "create veth cnet1"}));
    observed.unmakeable.insert("cnet1");
    EXPECT_EQ(answers(), (Texts{"create veth cngw1"}));
}

TEST_F(ReconcileTest, AHalfMadeDeviceIsMadeAgain) {
    settle();
    observed.links["cnet1"].alias.clear();
    EXPECT_EQ(answers(), (Texts{"delete link cnet1", "create veth cnet1"}));
}

TEST_F(ReconcileTest, ProgramsBeforeDevicesAreUp) {
    add_our_links(false);
    const Texts texts = answers();
    EXPECT_LT(position(texts, "write cnet_port"), position(texts, "attach endpoint to cnet1"));
    EXPECT_LT(position(texts, "attach endpoint to cnet1"),
              position(texts, "configure eth0 in /run/netns/app"));
    EXPECT_LT(position(texts, "attach hostport to cnhp1"),
              position(texts, "bring up host port cngw1"));
    EXPECT_LT(position(texts, "write cnet_binding"), position(texts, "write cnet_slot 8080+2"));
    EXPECT_LT(position(texts, "configure eth0 in /run/netns/two"),
              position(texts, "add address 10.88.0.1/24 to cngw1"));
}

TEST_F(ReconcileTest, SettledMeansNothingToDo) {
    settle();
    EXPECT_EQ(answers(), Texts{});
}

TEST_F(ReconcileTest, TheMapsOfASmallTopology) {
    settle();
    const MapContents& maps = observed.maps;
    EXPECT_EQ(maps.network.size(), 1u);
    EXPECT_EQ(maps.network.at(1).flood_ports, 3u);
    EXPECT_EQ(maps.network.at(1).host_ifindex, 10u);
    ASSERT_EQ(maps.port.size(), 4u);
    EXPECT_EQ(maps.port.at(10).flags, CNET_PORT_HOST | CNET_PORT_DHCP);
    EXPECT_EQ(maps.port.at(11).flags, CNET_PORT_HOST | CNET_PORT_DHCP);
    EXPECT_EQ(maps.port.at(21).endpoint_id, 1u);
    EXPECT_EQ(maps.port.at(22).host_ifindex, 10u);
    EXPECT_EQ(maps.fdb.size(), 3u);
    ASSERT_EQ(maps.neigh.size(), 3u);
    const cnet_neigh_entry& gateway = maps.neigh.at({1, ip("10.88.0.1").to_abi()});
    EXPECT_EQ(gateway.ifindex, 10u);
    EXPECT_EQ(gateway.port_flags, CNET_PORT_HOST);
    EXPECT_EQ(gateway.endpoint_id, 0u);
    const cnet_neigh_entry& app = maps.neigh.at({1, ip("10.88.0.2").to_abi()});
    EXPECT_EQ(app.ifindex, 21u);
    EXPECT_EQ(app.mac[5], 1);
    EXPECT_EQ(app.gateway_mac[4], 1);
    EXPECT_EQ(maps.host_addr.size(), 3u); // 192.0.2.2, fe80::2, the gateway
    EXPECT_EQ(maps.uplink.at(2).addr_count, 1u) << "link-local is no address to masquerade with";
    EXPECT_EQ(maps.slot[CNET_SLOT_INDEX(CNET_L4_TCP, 8080)], 1u);
    EXPECT_EQ(maps.slot[CNET_SLOT_INDEX(CNET_L4_TCP, 8081)], 1u);
    EXPECT_EQ(maps.slot[CNET_SLOT_INDEX(CNET_L4_TCP, 8082)], CNET_BINDING_NONE);
}

TEST_F(ReconcileTest, RemovingAnEndpointTakesWhatPointsToItFirst) {
    settle();
    state.endpoints.erase(1);
    state.ports.clear();
    const Texts texts = answers();
    EXPECT_LT(position(texts, "write cnet_slot 8080+2"), position(texts, "remove cnet_binding"));
    EXPECT_LT(position(texts, "remove cnet_fdb"), position(texts, "remove cnet_port"));
    EXPECT_LT(position(texts, "remove cnet_neigh"), position(texts, "remove cnet_port"));
    EXPECT_LT(position(texts, "write cnet_flood"), position(texts, "write cnet_network"));
    EXPECT_LT(position(texts, "write cnet_network"), position(texts, "remove cnet_port"));
    EXPECT_LT(position(texts, "write cnet_network"), position(texts, "remove cnet_flood"));
    EXPECT_LT(position(texts, "remove cnet_port"), position(texts, "delete link cnet1"));
    EXPECT_LT(position(texts, "delete link cnet1"),
              position(texts, "detach endpoint from device 21"));
    EXPECT_LT(position(texts, "remove cnet_neigh"), position(texts, "purge flows"));
    EXPECT_LT(position(texts, "purge learned MACs"), position(texts, "delete link cnet1"));
    EXPECT_EQ(std::count_if(texts.begin(), texts.end(),
                            [](const std::string& t) { return t.starts_with("remove cnet_port"); }),
              1);
}

TEST_F(ReconcileTest, AForeignDeviceOfADeletedNetworkIsLeftAlone) {
    settle();
    add_link(30, "cnet9", "veth", "somebody else's", true);
    EXPECT_EQ(answers(), Texts{});
}

TEST_F(ReconcileTest, OneStrayEntryIsOneChange) {
    settle();
    observed.maps.host_addr[ip("203.0.113.1").to_abi()] = {9, 0};
    EXPECT_EQ(answers().size(), 2u); // the entry, and the flows that used the address
    observed.maps.host_addr.erase(ip("203.0.113.1").to_abi());
    observed.maps.port.at(21).flags = 0;
    EXPECT_EQ(answers(), Texts{"write cnet_port entry 15000000"});
}

TEST_F(ReconcileTest, AnIndexOfAnotherNetworkForgetsItsMacs) {
    settle();
    MapContents before = observed.maps;
    before.port.at(21).network_id = 7;
    EXPECT_EQ(macs_to_purge(before, observed.maps).ifindexes, std::set<uint32_t>{21});
}

TEST(FloodList, RemovalMovesTheLastIntoTheHole) {
    FloodEntries before;
    ASSERT_EQ(place_flood_ports(before, 1, {{5, 0}, {6, 0}, {7, 0}, {8, 0}}, {}), 4u);
    FloodEntries after;
    ASSERT_EQ(place_flood_ports(after, 1, {{5, 0}, {7, 0}, {8, 0}}, before), 3u);
    EXPECT_EQ(after.at({1, 0}).ifindex, 5u);
    EXPECT_EQ(after.at({1, 1}).ifindex, 8u);
    EXPECT_EQ(after.at({1, 2}).ifindex, 7u);
    // Half-way: the copy is written, the original not yet deleted.
    FloodEntries halfway = after;
    halfway[{1, 3}] = before.at({1, 3});
    FloodEntries again;
    place_flood_ports(again, 1, {{5, 0}, {7, 0}, {8, 0}}, halfway);
    EXPECT_EQ(again.at({1, 1}).ifindex, 8u);
    EXPECT_EQ(again.at({1, 2}).ifindex, 7u);
}

TEST(FloodList, NewPortsGoToTheEnd) {
    FloodEntries before;
    place_flood_ports(before, 1, {{7, 0}, {8, 0}}, {});
    FloodEntries after;
    ASSERT_EQ(place_flood_ports(after, 1, {{3, 0}, {7, 0}, {8, 0}}, before), 3u);
    EXPECT_EQ(after.at({1, 0}).ifindex, 7u);
    EXPECT_EQ(after.at({1, 2}).ifindex, 3u);
}

} // namespace

} // namespace cnet::control
