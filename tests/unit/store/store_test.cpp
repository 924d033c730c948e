// The SQLite store: what was committed is there after a crash, what was not is not.
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>

#include "tests/unit/store/state_file.h"

namespace cnet::test {
namespace {

using control::Endpoint;
using control::Network;

Endpoint endpoint(control::EndpointId id, const std::string& name, control::NetworkId network_id) {
    Endpoint e;
    e.id = id;
    e.name = name;
    e.network_id = network_id;
    e.netns = "/run/netns/" + name;
    e.ifname = "eth7";
    e.addresses = {*IpPrefix::parse("10.88.0.130/24"), *IpPrefix::parse("fd00:88::2/64")};
    e.mac = *MacAddress::parse("02:42:00:00:00:02");
    e.default_route = false;
    e.aliases = {"db", "primary"};
    e.docker = {"docker-" + name, {*IpPrefix::parse("10.1.0.0/16")}};
    e.ingress = {10'000'000'000, 400'000};
    e.egress = {1'000'000, 20'000};
    return e;
}

control::PublishedPort port(control::BindingId id, control::EndpointId endpoint_id) {
    return {id,
            endpoint_id,
            *IpAddress::parse("192.0.2.1"),
            8000,
            80,
            10,
            CNET_L4_UDP,
            {*IpPrefix::parse("10.0.0.0/8"), *IpPrefix::parse("2001:db8::/32")},
            control::Holder::kPublisher,
            {},
            {100, 20}};
}

void expect_same(const control::State& a, const control::State& b) {
    EXPECT_EQ(a.networks, b.networks);
    EXPECT_EQ(a.endpoints, b.endpoints);
    EXPECT_EQ(a.ports, b.ports);
    EXPECT_TRUE(a.sandboxes == b.sandboxes && a.fdb == b.fdb);
    EXPECT_TRUE(a.uplinks == b.uplinks && a.xdp_uplinks == b.xdp_uplinks);
    EXPECT_TRUE(a.attached == b.attached && a.adopted == b.adopted);
    EXPECT_TRUE(a.peers == b.peers && a.remotes == b.remotes);
    EXPECT_TRUE(a.leases == b.leases && a.docker_pools == b.docker_pools);
}

control::RemoteEndpoint remote(control::PeerId peer_id, const std::string& name,
                               control::NetworkId network_id) {
    return {network_id,
            peer_id,
            name,
            *MacAddress::parse("02:42:00:00:00:77"),
            {*IpAddress::parse("10.88.0.7"), *IpAddress::parse("fd00:88::7")},
            {"cache", "first"}};
}

TEST_F(StoreTest, WhatWasPutComesBackWhole) {
    control::State expected;
    expected.networks[4] = network(4, "web");
    expected.endpoints[9] = endpoint(9, "app", 4);
    expected.ports[2] = port(2, 9);
    expected.ports[3] = {3, 9, std::nullopt, 53, 53, 1, CNET_L4_TCP};
    expected.sandboxes["box"] = {"box", "/run/netns/box"};
    expected.uplinks = {{"eth0", true}, {"eth1", false}};
    expected.xdp_uplinks = {"eth0"};
    expected.attached["eth7"] = {"eth7", 4, true};
    expected.adopted["docker0"] = {"docker0", 7, true, false, true};
    expected.fdb = {{4, *MacAddress::parse("02:00:00:00:00:98"), 0, "eth7"},
                    {4, *MacAddress::parse("02:00:00:00:00:99"), 9, ""}};
    expected.peers[5] = {5, "five", *IpAddress::parse("192.0.2.5"), true};
    expected.peers[6] = {6, "", *IpAddress::parse("2001:db8::6"), false};
    expected.leases[9] = {9, *IpAddress::parse("10.88.0.100"), control::kLeaseForever,
                          1'700'000'000};
    expected.remotes[{5, "far"}] = remote(5, "far", 4);
    expected.remotes[{6, "tap0"}] = {4, 6, "tap0", {}, {}, {}};
    const control::DockerPool pool{
        "10.99.0.0/24", *IpPrefix::parse("10.99.0.0/24"), *IpPrefix::parse("10.99.0.64/26"), {}};
    (expected.docker_pools[pool.id] = pool).addresses = {{*IpAddress::parse("10.99.0.1"), true},
                                                         {*IpAddress::parse("10.99.0.65"), false}};
    {
        auto store = open();
        auto status = store->commit(
            {store::PutNetwork{expected.networks[4]}, store::PutEndpoint{expected.endpoints[9]},
             store::PutPort{expected.ports[2]}, store::PutPort{expected.ports[3]},
             store::PutSandbox{expected.sandboxes["box"]}, store::PutUplink{"eth0", true},
             store::PutUplink{"eth1", false}, store::PutAttached{expected.attached["eth7"]},
             store::PutAdopted{expected.adopted["docker0"]}, store::PutFdb{expected.fdb[1]},
             store::PutFdb{expected.fdb[0]}, store::PutPeer{expected.peers[5]},
             store::PutPeer{expected.peers[6]},
             store::PutLease{{9, *IpAddress::parse("10.88.0.99"), 60, 5}},
             store::PutLease{expected.leases[9]}, store::PutRemote{expected.remotes[{5, "far"}]},
             store::PutRemote{expected.remotes[{6, "tap0"}]}});
        ASSERT_TRUE(status) << status.error().message();
        status = store->commit(
            {store::PutDockerPool{pool}, store::PutDockerPool{{"gone", pool.prefix, {}, {}}},
             store::PutDockerAddress{pool.id, *IpAddress::parse("10.99.0.1"), true},
             store::PutDockerAddress{pool.id, *IpAddress::parse("10.99.0.65"), false},
             store::PutDockerAddress{pool.id, *IpAddress::parse("10.99.0.66"), false},
             store::PutDockerAddress{"gone", *IpAddress::parse("10.99.0.66"), false},
             store::RemoveDockerAddress{pool.id, *IpAddress::parse("10.99.0.66")},
             store::RemoveDockerPool{"gone"}, store::SetUplinkXdp{"eth0", true},
             store::SetUplinkXdp{"eth1", true}, store::SetUplinkXdp{"eth1", false}});
        ASSERT_TRUE(status) << status.error().message();
    }
    auto loaded = open()->load();
    ASSERT_TRUE(loaded);
    expect_same(loaded->state, expected);
}

TEST_F(StoreTest, PutReplacesAndRemoveRemoves) {
    auto store = open();
    Network n = network(1, "web");
    ASSERT_TRUE(store->commit({store::PutNetwork{n}, store::PutEndpoint{endpoint(1, "app", 1)}}));
    n.mtu = 9000;
    n.snat4 = std::nullopt;
    n.subnets.pop_back();
    ASSERT_TRUE(store->commit({store::PutNetwork{n}}));
    auto loaded = store->load();
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->state.networks.at(1), n);
    EXPECT_EQ(loaded->state.endpoints.size(),
              1u); // replacing a network must not take its endpoints along
    ASSERT_TRUE(store->commit({store::PutLease{{1, *IpAddress::parse("10.88.0.99"), 60, 5}},
                               store::RemoveLease{1}, store::RemoveLease{1},
                               store::PutLease{{1, *IpAddress::parse("10.88.0.98"), 60, 5}}}));
    EXPECT_EQ(store->load()->state.leases.size(), 1u);

    ASSERT_TRUE(store->commit(
        {store::RemoveEndpoint{1}, store::RemoveNetwork{1}, store::RemoveNetwork{1}}));
    loaded = store->load();
    ASSERT_TRUE(loaded);
    EXPECT_TRUE(loaded->state.networks.empty());
    EXPECT_TRUE(loaded->state.endpoints.empty());
    EXPECT_TRUE(loaded->state.leases.empty()) << "it goes with its endpoint";
}

TEST_F(StoreTest, RemotesHoldTheirPeerAndTheirNetwork) {
    auto store = open();
    const control::Peer peer{5, "five", *IpAddress::parse("192.0.2.5"), true};
    control::RemoteEndpoint far = remote(5, "far", 1);
    EXPECT_FALSE(store->commit(
        {store::PutNetwork{network(1, "web")}, store::PutRemote{far}, store::PutPeer{peer}}))
        << "its peer comes first";
    ASSERT_TRUE(store->commit({store::PutNetwork{network(1, "web")}, store::PutPeer{peer},
                               store::PutRemote{far}, store::PutRemote{remote(5, "two", 1)}}));
    EXPECT_FALSE(store->commit({store::RemovePeer{5}}));
    EXPECT_FALSE(store->commit({store::RemoveNetwork{1}}));
    far.addresses.pop_back();
    far.aliases = {"other"};
    far.mac = MacAddress();
    ASSERT_TRUE(store->commit({store::PutRemote{far}, store::RemoveRemote{5, "two"}}));
    EXPECT_EQ(store->load()->state.remotes.size(), 1u);
    EXPECT_EQ(store->load()->state.remotes.at({5, "far"}), far);
    EXPECT_TRUE(store->commit({store::RemoveRemote{5, "far"}, store::RemoveRemote{5, "far"},
                               store::RemovePeer{5}, store::RemoveNetwork{1}}));
}

TEST_F(StoreTest, IdsAreRememberedAfterRemoval) {
    {
        auto store = open();
        ASSERT_TRUE(
            store->commit({store::PutNetwork{network(7, "web")},
                           store::PutEndpoint{endpoint(8, "app", 7)}, store::PutPort{port(9, 8)}}));
        ASSERT_TRUE(store->commit(
            {store::RemovePort{9}, store::RemoveEndpoint{8}, store::RemoveNetwork{7}}));
    }
    auto loaded = open()->load();
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->last_ids.network, 7u);
    EXPECT_EQ(loaded->last_ids.endpoint, 8u);
    EXPECT_EQ(loaded->last_ids.binding, 9u);
}

TEST_F(StoreTest, OneBadMutationUndoesAll) {
    auto store = open();
    ASSERT_TRUE(store->commit({store::PutNetwork{network(1, "web")}}));
    // The endpoint's network does not exist.
    EXPECT_FALSE(store->commit(
        {store::PutNetwork{network(2, "db")}, store::PutEndpoint{endpoint(1, "app", 3)}}));
    // Two networks of one name.
    EXPECT_FALSE(
        store->commit({store::PutNetwork{network(3, "x")}, store::PutNetwork{network(4, "x")}}));
    // A network that still has an endpoint.
    ASSERT_TRUE(store->commit({store::PutEndpoint{endpoint(1, "app", 1)}}));
    EXPECT_FALSE(store->commit({store::RemoveNetwork{1}}));
    auto loaded = store->load();
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->state.networks.size(), 1u);
    EXPECT_EQ(loaded->last_ids.network, 1u);
}

TEST_F(StoreTest, KilledInATransactionLeavesTheStateBefore) {
    ASSERT_TRUE(open()->commit({store::PutNetwork{network(1, "web")}}));
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        sqlite3* db = nullptr;
        sqlite3_open(file().c_str(), &db);
        // A cache of one page makes the half-done transaction spill into the file.
        sqlite3_exec(
            db,
            "PRAGMA cache_size = 1; BEGIN IMMEDIATE; DELETE FROM subnets; DELETE FROM networks;",
            nullptr, nullptr, nullptr);
        for (int i = 0; i < 1000; i++) {
            sqlite3_exec(db, "INSERT OR REPLACE INTO sandboxes VALUES (hex(randomblob(500)), 'x')",
                         nullptr, nullptr, nullptr);
        }
        _exit(0); // no COMMIT, nothing closed
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    auto loaded = open()->load();
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->state.networks.at(1), network(1, "web"));
    EXPECT_TRUE(loaded->state.sandboxes.empty());
}

TEST_F(StoreTest, FullDiskChangesNothing) {
    auto store = open();
    ASSERT_TRUE(store->commit({store::PutNetwork{network(1, "web")}}));
    // A file that may not grow is what SQLite sees on a full disk.
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto size = std::filesystem::file_size(directory_ / "cnetd.sqlite-wal");
    rlimit small{size, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    auto status = store->commit({store::PutNetwork{network(2, "db")}});
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_FALSE(status);
    auto loaded = store->load();
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->state.networks.size(), 1u);
    EXPECT_TRUE(store->commit({store::PutNetwork{network(2, "db")}})); // and works again afterwards
}

TEST_F(StoreTest, FileHeldByAnotherProcessIsAnError) {
    auto store = open();
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(file().c_str(), &other), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    auto status = store->commit({store::PutNetwork{network(1, "web")}});
    sqlite3_close(other);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message(), "write the state: another process holds the state file");
    auto loaded = store->load();
    ASSERT_TRUE(loaded);
    EXPECT_TRUE(loaded->state.networks.empty());
}

} // namespace
} // namespace cnet::test
