// A state file to be opened, and a network of which every value is another than by default.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>

#include "tests/unit/base/temporary.h"
#include "userspace/store/sqlite_store.h"

namespace cnet::test {

class StoreTest : public ::testing::Test {
protected:
    std::unique_ptr<store::SqliteStore> open() {
        auto store = store::SqliteStore::open(directory_.path());
        EXPECT_TRUE(store) << store.error().message();
        return store ? std::move(*store) : nullptr;
    }

    std::string open_error() {
        auto store = store::SqliteStore::open(directory_.path());
        return store ? "opened" : store.error().message();
    }

    // As another program would, past the store.
    void execute(const std::string& sql) {
        sqlite3* db = nullptr;
        ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
            << sqlite3_errmsg(db);
        sqlite3_close(db);
    }

    std::filesystem::path file() const { return directory_.path() / "cnetd.sqlite"; }

    TemporaryDirectory directory_;
};

inline control::Network network(control::NetworkId id, const std::string& name) {
    control::Network n;
    n.id = id;
    n.name = name;
    n.subnets.push_back({*IpPrefix::parse("10.88.0.0/24"), *IpAddress::parse("10.88.0.1"),
                         *IpPrefix::parse("10.88.0.128/25")});
    n.subnets.push_back(
        {*IpPrefix::parse("fd00:88::/64"), *IpAddress::parse("fd00:88::1"), std::nullopt});
    n.mtu = 1400;
    n.internal = true;
    n.icc = false;
    n.masquerade = false;
    n.snat4 = *IpAddress::parse("192.0.2.7");
    n.snat6 = *IpAddress::parse("2001:db8::7");
    n.nat = control::Nat::kEndpointIndependent;
    n.learning = true;
    n.allow_spoofing = true;
    n.ageing_s = 17;
    n.mac_limit = 3;
    n.flood_limit = 40;
    n.names = false;
    n.gateway_mac = *MacAddress::parse("02:42:00:00:00:01");
    n.clustered = true;
    const std::vector allow_from{*IpPrefix::parse("10.0.0.0/8"), *IpPrefix::parse("fd00::/8")};
    n.docker = {"docker-" + name, false, "net", *IpAddress::parse("192.0.2.8"), allow_from};
    return n;
}

} // namespace cnet::test
