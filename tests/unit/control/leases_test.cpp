// Leases, from what was heard of DHCP to what the data path believes.
#include "tests/unit/control/world.h"

namespace cnet::test {

namespace {

using control::DhcpMessage;
using control::DhcpSeen;
using Type = control::DhcpMessage::Type;

class LeasesTest : public World {
protected:
    void SetUp() override {
        World::SetUp();
        make_network("web", "10.88.0.0/24");
        make_network("other", "10.89.0.0/24");
        app = make_endpoint("web", "app", "/run/netns/a");
        aside = make_endpoint("other", "aside", "/run/netns/b");
    }

    DhcpSeen ack(const std::string& address, uint32_t seconds = 3600) {
        return {1, 99, false, {Type::kAck, app.mac, ip(address), seconds}};
    }

    DhcpSeen release(const std::string& address) {
        return {1, app.ifindex, true, {Type::kRelease, app.mac, ip(address), 0}};
    }

    void hear(const DhcpSeen& seen) {
        auto status = controller->follow_leases({seen});
        EXPECT_TRUE(status) << status.error().message();
    }

    const cnet_neigh_entry* neigh(const std::string& address, uint32_t network = 1) {
        auto it = tables.contents.neigh.find({network, ip(address).to_abi()});
        return it == tables.contents.neigh.end() ? nullptr : &it->second;
    }

    std::optional<uint64_t> left() { return controller->endpoint("app")->lease->ends_in_s; }
    bool has_lease() { return controller->endpoint("app")->lease.has_value(); }

    control::EndpointView app, aside;
};

TEST_F(LeasesTest, ALeaseIsANeighbourUntilItEnds) {
    hear(ack("10.88.0.100"));
    const cnet_neigh_entry* entry = neigh("10.88.0.100");
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->ifindex, app.ifindex);
    EXPECT_EQ(entry->endpoint_id, app.id);
    EXPECT_EQ(left(), 3600u);
    expect_settled();
    auto rows = *controller->neighbours("web");
    auto row = std::ranges::find(rows, ip("10.88.0.100"), &control::NeighView::address);
    ASSERT_NE(row, rows.end());
    EXPECT_EQ(row->type, "dhcp");
    EXPECT_EQ(row->ends_in_s, 3600u);
    clock.advance_s(3599);
    ASSERT_TRUE(controller->sweep());
    EXPECT_TRUE(neigh("10.88.0.100"));
    clock.advance_s(2);
    ASSERT_TRUE(controller->sweep());
    EXPECT_FALSE(neigh("10.88.0.100"));
    EXPECT_FALSE(has_lease());
}

TEST_F(LeasesTest, RenewalsAndOtherAddresses) {
    hear(ack("10.88.0.100"));
    const unsigned before = tables.changes;
    clock.advance_s(60);
    hear(ack("10.88.0.100"));
    EXPECT_EQ(left(), 3540u) << "not worth writing down";
    clock.advance_s(1740);
    hear(ack("10.88.0.100"));
    EXPECT_EQ(left(), 3600u);
    hear(ack("10.88.0.100", 60));
    EXPECT_EQ(left(), 60u) << "the server has become brief";
    EXPECT_EQ(tables.changes, before) << "the address is the same all the while";
    hear(ack("10.88.0.101", control::kLeaseForever));
    EXPECT_FALSE(neigh("10.88.0.100"));
    EXPECT_TRUE(neigh("10.88.0.101"));
    EXPECT_EQ(left(), std::nullopt);
    clock.advance_s(1u << 31);
    ASSERT_TRUE(controller->sweep());
    EXPECT_TRUE(neigh("10.88.0.101"));
    hear(ack(app.addresses[0].address().to_string()));
    EXPECT_FALSE(has_lease()) << "its own address needs none";
    EXPECT_TRUE(neigh(app.addresses[0].address().to_string()));
}

TEST_F(LeasesTest, TakenBackAndGivenUp) {
    hear(ack("10.88.0.100"));
    hear(release("10.88.0.200"));
    DhcpSeen another = release("10.88.0.100");
    another.ifindex = aside.ifindex;
    hear(another);
    EXPECT_TRUE(has_lease());
    hear(release("10.88.0.100"));
    EXPECT_FALSE(has_lease());
    EXPECT_FALSE(neigh("10.88.0.100"));
    hear(ack("10.88.0.100"));
    hear({1, 99, false, {Type::kNak, app.mac, {}, 0}});
    EXPECT_FALSE(has_lease());
}

TEST_F(LeasesTest, WhatIsSomebodysIsNotGiven) {
    namespaces.add("/run/netns/c");
    make_endpoint("web", "db", "/run/netns/c");
    for (const char* taken : {"10.88.0.1", "10.88.0.0", "10.88.0.255", "10.88.0.3", "192.0.2.2",
                              "127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.9"})
        hear(ack(taken));
    EXPECT_FALSE(has_lease());
    DhcpSeen elsewhere = ack("10.88.0.100");
    elsewhere.network_id = 2; // where nobody has this MAC
    hear(elsewhere);
    EXPECT_FALSE(has_lease());
    hear(ack("172.20.0.9"));
    EXPECT_TRUE(neigh("172.20.0.9")) << "a server need not know our subnet";
}

TEST_F(LeasesTest, NobodyElseIsGivenALeasedAddress) {
    hear(ack("10.88.0.3"));
    namespaces.add("/run/netns/c");
    auto spec = endpoint_spec("web", "thief", "/run/netns/c");
    spec.ips = {ip("10.88.0.3")};
    auto refused = controller->create_endpoint(spec);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(make_endpoint("web", "db", "/run/netns/c").addresses[0].address(), ip("10.88.0.4"));
    ASSERT_TRUE(controller->delete_endpoint("app"));
    EXPECT_FALSE(neigh("10.88.0.3"));
    clock.advance_s(4000);
    ASSERT_TRUE(controller->sweep());
    expect_settled();
}

TEST_F(LeasesTest, RestartsAndAClockThatIsSet) {
    hear(ack("10.88.0.100"));
    clock.advance_s(600);
    restart();
    EXPECT_EQ(left(), 3000u);
    EXPECT_TRUE(neigh("10.88.0.100"));
    clock.set_wall_s(86400);
    ASSERT_TRUE(controller->sweep());
    EXPECT_EQ(left(), 3000u) << "what the wall clock does meanwhile is nothing to it";
    clock.set_wall_s(-2 * 86400);
    restart();
    EXPECT_EQ(left(), 3600u) << "never more than the whole";
    clock.set_wall_s(2 * 86400);
    restart();
    ASSERT_TRUE(controller->sweep());
    EXPECT_FALSE(has_lease());
    EXPECT_FALSE(neigh("10.88.0.100"));
}

} // namespace

} // namespace cnet::test
