// Which state files are taken: those of older versions, and not a newer one's, another program's,
// or a damaged one, which is left alone.
#include <fstream>

#include "tests/unit/store/state_file.h"

namespace cnet::test {
namespace {

using control::Network;

TEST_F(StoreTest, NewerSchemaIsRefused) {
    open();
    execute("PRAGMA user_version = 25");
    EXPECT_NE(open_error().find("version 25, written by a newer cnetd; this one knows up to 24"),
              std::string::npos)
        << open_error();
}

TEST_F(StoreTest, AFileOfTheFirstVersionIsTakenOver) {
    const Network before = network(1, "web");
    ASSERT_TRUE(open()->commit({store::PutNetwork{before}}));
    // What the versions since have brought, taken away again.
    for (const char* table :
         {"port_allow", "endpoint_aliases", "leases", "adopted_docker", "adopted_engines",
          "adopted", "docker_networks", "docker_endpoints", "docker_addresses", "docker_pools",
          "remote_addresses", "remote_aliases", "remotes", "host_subnets", "fdb", "attached",
          "peers", "xdp_uplinks"})
        execute(std::string("DROP TABLE ") + table);
    for (const char* column : {"ports DROP COLUMN holder",
                               "ports DROP COLUMN new_rate",
                               "ports DROP COLUMN new_burst",
                               "networks DROP COLUMN snat6",
                               "networks DROP COLUMN nat",
                               "networks DROP COLUMN vni",
                               "networks DROP COLUMN mtu_derived",
                               "networks DROP COLUMN peer_learning",
                               "networks DROP COLUMN clustered",
                               "networks DROP COLUMN flood_limit",
                               "networks DROP COLUMN pool",
                               "networks DROP COLUMN pool_subnet_length",
                               "networks DROP COLUMN names",
                               "networks DROP COLUMN mode4",
                               "networks DROP COLUMN mode6",
                               "endpoints DROP COLUMN ingress_rate",
                               "endpoints DROP COLUMN ingress_burst",
                               "endpoints DROP COLUMN egress_rate",
                               "endpoints DROP COLUMN egress_burst",
                               "endpoints DROP COLUMN disabled"})
        execute(std::string("ALTER TABLE ") + column);
    execute("DELETE FROM last_ids WHERE kind = 'peer';"
            "CREATE TABLE fdb (network_id INTEGER, mac TEXT, endpoint_id INTEGER);"
            "INSERT INTO endpoints VALUES (7, 'app', 1, '/run/netns/a', 'eth0', "
            "'02:00:00:00:00:07', 1);"
            "INSERT INTO fdb VALUES (1, '02:00:00:00:00:99', 7);"
            "PRAGMA user_version = 1");
    auto store = open();
    auto loaded = store->load();
    ASSERT_TRUE(loaded) << loaded.error().message();
    Network expected = before;
    expected.snat6.reset();
    expected.nat = control::Nat::kSymmetric;
    expected.clustered = false;
    expected.flood_limit = 0;
    expected.names = true;
    expected.docker.reset();
    EXPECT_EQ(loaded->state.networks.at(1), expected);
    const control::StaticFdb stated{1, *MacAddress::parse("02:00:00:00:00:99"), 7, ""};
    EXPECT_EQ(loaded->state.fdb, std::vector{stated});
    EXPECT_TRUE(store->commit({store::PutNetwork{before}})) << "and has all columns now";
    EXPECT_EQ(store->load()->state.networks.at(1), before);
}

TEST_F(StoreTest, AnotherProgramsFileIsRefused) {
    execute("CREATE TABLE theirs (x)");
    EXPECT_NE(open_error().find("another program's tables"), std::string::npos) << open_error();
}

TEST_F(StoreTest, DamagedFileIsRefusedAndKept) {
    {
        std::ofstream out(file());
        out << std::string(8192, 'x');
    }
    EXPECT_NE(open_error().find("the state file is damaged"), std::string::npos) << open_error();
    EXPECT_EQ(std::filesystem::file_size(file()), 8192u);
}

TEST_F(StoreTest, ValueThatDoesNotParseNamesItsOwner) {
    ASSERT_TRUE(open()->commit({store::PutNetwork{network(1, "web")}}));
    execute("UPDATE subnets SET gateway = 'nonsense'");
    auto loaded = open()->load();
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().message().find("network web"), std::string::npos)
        << loaded.error().message();
}

} // namespace
} // namespace cnet::test
