#include "userspace/store/sqlite_schema.h"

#include <iterator>

namespace cnet::store {

namespace {

// Step N makes version N + 1 of version N, an empty file being 0. Addresses, prefixes and MACs are
// text, so that the file can be read with sqlite3(1).
constexpr const char* kSteps[] = {R"sql(
CREATE TABLE networks (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, mtu INTEGER NOT NULL,
    mode INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 2),
    internal INTEGER NOT NULL, icc INTEGER NOT NULL, masquerade INTEGER NOT NULL, snat4 TEXT,
    learning INTEGER NOT NULL, allow_spoofing INTEGER NOT NULL, ageing_s INTEGER NOT NULL,
    mac_limit INTEGER NOT NULL, gateway_mac TEXT NOT NULL) STRICT;
CREATE TABLE subnets (
    network_id INTEGER NOT NULL REFERENCES networks ON DELETE CASCADE, position INTEGER NOT NULL,
    prefix TEXT NOT NULL, gateway TEXT NOT NULL, ip_range TEXT,
    PRIMARY KEY (network_id, position)) STRICT, WITHOUT ROWID;
CREATE TABLE endpoints (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, network_id INTEGER NOT NULL REFERENCES networks,
    netns TEXT NOT NULL, ifname TEXT NOT NULL, mac TEXT NOT NULL, default_route INTEGER NOT NULL) STRICT;
CREATE INDEX endpoints_by_network ON endpoints (network_id);
CREATE TABLE endpoint_addresses (
    endpoint_id INTEGER NOT NULL REFERENCES endpoints ON DELETE CASCADE, position INTEGER NOT NULL,
    address TEXT NOT NULL, PRIMARY KEY (endpoint_id, position)) STRICT, WITHOUT ROWID;
CREATE TABLE ports (
    id INTEGER PRIMARY KEY, endpoint_id INTEGER NOT NULL REFERENCES endpoints, host_ip TEXT,
    host_port INTEGER NOT NULL, port INTEGER NOT NULL, count INTEGER NOT NULL,
    l4 INTEGER NOT NULL CHECK (l4 IN (0, 1, 3))) STRICT;
CREATE INDEX ports_by_endpoint ON ports (endpoint_id);
CREATE TABLE sandboxes (name TEXT PRIMARY KEY, path TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE uplinks (device TEXT PRIMARY KEY, added INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE fdb (
    network_id INTEGER NOT NULL REFERENCES networks, mac TEXT NOT NULL,
    endpoint_id INTEGER NOT NULL REFERENCES endpoints,
    PRIMARY KEY (network_id, mac)) STRICT, WITHOUT ROWID;
CREATE INDEX fdb_by_endpoint ON fdb (endpoint_id);
CREATE TABLE last_ids (kind TEXT PRIMARY KEY, id INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO last_ids VALUES ('network', 0), ('endpoint', 0), ('binding', 0);
PRAGMA user_version = 1;
)sql",
                                  R"sql(
ALTER TABLE networks ADD COLUMN snat6 TEXT;
CREATE TABLE port_allow (
    port_id INTEGER NOT NULL REFERENCES ports ON DELETE CASCADE, position INTEGER NOT NULL,
    prefix TEXT NOT NULL, PRIMARY KEY (port_id, position)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;
)sql",
                                  R"sql(
ALTER TABLE networks ADD COLUMN nat INTEGER NOT NULL DEFAULT 0 CHECK (nat BETWEEN 0 AND 1);
PRAGMA user_version = 3;
)sql",
                                  R"sql(
CREATE TABLE attached (
    device TEXT PRIMARY KEY, network_id INTEGER NOT NULL REFERENCES networks,
    promiscuous INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE fdb_anywhere (
    network_id INTEGER NOT NULL REFERENCES networks, mac TEXT NOT NULL,
    endpoint_id INTEGER REFERENCES endpoints, device TEXT REFERENCES attached,
    PRIMARY KEY (network_id, mac), CHECK ((endpoint_id IS NULL) <> (device IS NULL)))
    STRICT, WITHOUT ROWID;
INSERT INTO fdb_anywhere SELECT network_id, mac, endpoint_id, NULL FROM fdb;
DROP TABLE fdb;
ALTER TABLE fdb_anywhere RENAME TO fdb;
CREATE INDEX fdb_by_endpoint ON fdb (endpoint_id);
PRAGMA user_version = 4;
)sql",
                                  R"sql(
ALTER TABLE ports ADD COLUMN holder INTEGER NOT NULL DEFAULT 0 CHECK (holder BETWEEN 0 AND 1);
PRAGMA user_version = 5;
)sql",
                                  R"sql(
ALTER TABLE networks ADD COLUMN vni INTEGER NOT NULL DEFAULT 0;
ALTER TABLE networks ADD COLUMN mtu_derived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE networks ADD COLUMN peer_learning INTEGER NOT NULL DEFAULT 1;
CREATE TABLE peers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE stated_macs (
    network_id INTEGER NOT NULL REFERENCES networks, mac TEXT NOT NULL,
    endpoint_id INTEGER REFERENCES endpoints, device TEXT REFERENCES attached,
    peer_id INTEGER REFERENCES peers,
    CHECK ((endpoint_id IS NOT NULL) + (device IS NOT NULL) + (peer_id IS NOT NULL) = 1),
    PRIMARY KEY (network_id, mac)) STRICT, WITHOUT ROWID;
INSERT INTO stated_macs SELECT network_id, mac, endpoint_id, device, NULL FROM fdb;
DROP TABLE fdb;
ALTER TABLE stated_macs RENAME TO fdb;
CREATE INDEX fdb_by_endpoint ON fdb (endpoint_id);
CREATE INDEX fdb_by_peer ON fdb (peer_id);
INSERT INTO last_ids VALUES ('peer', 0);
PRAGMA user_version = 6;
)sql",
                                  R"sql(
ALTER TABLE networks ADD COLUMN clustered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE peers ADD COLUMN clustered INTEGER NOT NULL DEFAULT 0;
CREATE TABLE endpoint_aliases (
    endpoint_id INTEGER NOT NULL REFERENCES endpoints ON DELETE CASCADE, position INTEGER NOT NULL,
    alias TEXT NOT NULL, PRIMARY KEY (endpoint_id, position)) STRICT, WITHOUT ROWID;
CREATE TABLE remotes (
    peer_id INTEGER NOT NULL REFERENCES peers, name TEXT NOT NULL,
    network_id INTEGER NOT NULL REFERENCES networks, mac TEXT NOT NULL,
    PRIMARY KEY (peer_id, name)) STRICT, WITHOUT ROWID;
CREATE INDEX remotes_by_network ON remotes (network_id);
CREATE TABLE remote_addresses (
    peer_id INTEGER NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL, address TEXT NOT NULL,
    PRIMARY KEY (peer_id, name, position),
    FOREIGN KEY (peer_id, name) REFERENCES remotes ON DELETE CASCADE) STRICT, WITHOUT ROWID;
CREATE TABLE remote_aliases (
    peer_id INTEGER NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL, alias TEXT NOT NULL,
    PRIMARY KEY (peer_id, name, position),
    FOREIGN KEY (peer_id, name) REFERENCES remotes ON DELETE CASCADE) STRICT, WITHOUT ROWID;
PRAGMA user_version = 7;
)sql",
                                  R"sql(
ALTER TABLE networks ADD COLUMN flood_limit INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 8;
)sql",
                                  R"sql(
CREATE TABLE leases (
    endpoint_id INTEGER PRIMARY KEY REFERENCES endpoints ON DELETE CASCADE, address TEXT NOT NULL,
    duration_s INTEGER NOT NULL, ends_s INTEGER NOT NULL) STRICT;
PRAGMA user_version = 9;
)sql",
                                  R"sql(
CREATE TABLE docker_networks (
    network_id INTEGER PRIMARY KEY REFERENCES networks ON DELETE CASCADE, id TEXT NOT NULL UNIQUE,
    made INTEGER NOT NULL, iface_prefix TEXT NOT NULL, bind TEXT, allow_from TEXT NOT NULL) STRICT;
CREATE TABLE docker_endpoints (
    endpoint_id INTEGER PRIMARY KEY REFERENCES endpoints ON DELETE CASCADE, id TEXT NOT NULL UNIQUE,
    allow_from TEXT NOT NULL) STRICT;
CREATE TABLE docker_pools (id TEXT PRIMARY KEY, prefix TEXT NOT NULL, range TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE docker_addresses (
    pool TEXT NOT NULL REFERENCES docker_pools ON DELETE CASCADE, address TEXT NOT NULL,
    gateway INTEGER NOT NULL, PRIMARY KEY (pool, address)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 10;
)sql",
                                  R"sql(
ALTER TABLE endpoints ADD COLUMN ingress_rate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoints ADD COLUMN ingress_burst INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoints ADD COLUMN egress_rate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoints ADD COLUMN egress_burst INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 11;
)sql",
                                  R"sql(
CREATE TABLE adopted (
    bridge TEXT PRIMARY KEY, network_id INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
PRAGMA user_version = 12;
)sql",
                                  R"sql(
ALTER TABLE networks ADD COLUMN names INTEGER NOT NULL DEFAULT 1;
PRAGMA user_version = 13;
)sql",
                                  R"sql(
ALTER TABLE networks ADD COLUMN pool TEXT;
ALTER TABLE networks ADD COLUMN pool_subnet_length INTEGER NOT NULL DEFAULT 0;
CREATE TABLE host_subnets (
    network_id INTEGER NOT NULL REFERENCES networks, prefix TEXT NOT NULL, host TEXT NOT NULL,
    vtep TEXT NOT NULL, mac TEXT NOT NULL, PRIMARY KEY (network_id, prefix)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 14;
)sql",
                                  R"sql(
ALTER TABLE adopted ADD COLUMN masquerade INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 15;
)sql",
                                  R"sql(
ALTER TABLE adopted ADD COLUMN icc INTEGER NOT NULL DEFAULT 1;
ALTER TABLE adopted ADD COLUMN internal INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 16;
)sql",
                                  R"sql(
CREATE TABLE published (
    id INTEGER PRIMARY KEY, endpoint_id INTEGER REFERENCES endpoints,
    adopted_id INTEGER REFERENCES adopted (network_id), address TEXT, host_ip TEXT,
    host_port INTEGER NOT NULL, port INTEGER NOT NULL, count INTEGER NOT NULL,
    l4 INTEGER NOT NULL CHECK (l4 IN (0, 1, 3)), holder INTEGER NOT NULL CHECK (holder BETWEEN 0 AND 1),
    CHECK ((endpoint_id IS NULL) <> (adopted_id IS NULL)),
    CHECK ((adopted_id IS NULL) = (address IS NULL))) STRICT;
INSERT INTO published SELECT id, endpoint_id, NULL, NULL, host_ip, host_port, port, count, l4, holder FROM ports;
CREATE TABLE published_allow (
    port_id INTEGER NOT NULL REFERENCES published ON DELETE CASCADE, position INTEGER NOT NULL,
    prefix TEXT NOT NULL, PRIMARY KEY (port_id, position)) STRICT, WITHOUT ROWID;
INSERT INTO published_allow SELECT * FROM port_allow;
DROP TABLE port_allow;
DROP TABLE ports;
ALTER TABLE published RENAME TO ports;
ALTER TABLE published_allow RENAME TO port_allow;
CREATE INDEX ports_by_endpoint ON ports (endpoint_id);
CREATE INDEX ports_by_adopted ON ports (adopted_id);
PRAGMA user_version = 17;
)sql",
                                  R"sql(
CREATE TABLE adopted_docker (
    bridge TEXT PRIMARY KEY REFERENCES adopted ON DELETE CASCADE, id TEXT NOT NULL,
    network TEXT NOT NULL, left_because TEXT NOT NULL, filtered TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE adopted_engines (engine TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
PRAGMA user_version = 18;
)sql",
                                  R"sql(
ALTER TABLE adopted ADD COLUMN gateway4 INTEGER NOT NULL DEFAULT 0 CHECK (gateway4 BETWEEN 0 AND 3);
ALTER TABLE adopted ADD COLUMN gateway6 INTEGER NOT NULL DEFAULT 0 CHECK (gateway6 BETWEEN 0 AND 3);
ALTER TABLE adopted ADD COLUMN snat4 TEXT;
ALTER TABLE adopted ADD COLUMN snat6 TEXT;
PRAGMA user_version = 19;
)sql",
                                  R"sql(
CREATE TABLE xdp_uplinks (device TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
PRAGMA user_version = 20;
)sql",
                                  R"sql(
ALTER TABLE networks ADD COLUMN published_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE adopted ADD COLUMN trusted TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 21;
)sql",
                                  R"sql(
ALTER TABLE endpoints ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 22;
)sql",
                                  R"sql(
ALTER TABLE ports ADD COLUMN new_rate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ports ADD COLUMN new_burst INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 23;
)sql",
                                  R"sql(
ALTER TABLE networks ADD COLUMN mode4 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE networks ADD COLUMN mode6 INTEGER NOT NULL DEFAULT 0;
UPDATE networks SET mode4 = 4 WHERE published_only;
ALTER TABLE networks DROP COLUMN published_only;
ALTER TABLE adopted ADD COLUMN kept4 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE adopted ADD COLUMN kept6 INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 24;
)sql"};
static_assert(std::size(kSteps) == kSchemaVersion);

Status set_up_connection(Database& db) {
    auto status = db.execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
    if (!status) return status;
    auto durable = db.query_int("PRAGMA synchronous");
    if (!durable) return durable.error();
    if (*durable < 2) return Error(ErrorKind::kSystem, "SQLite refused synchronous=FULL");
    return {};
}

Status check_pages(Database& db) {
    auto check = db.prepare("PRAGMA quick_check(1)");
    if (!check) return check.error();
    auto row = check->step();
    if (!row) return row.error();
    const std::string verdict = *row ? check->next_text() : "no answer";
    if (verdict == "ok") return {};
    return Error(ErrorKind::kSystem,
                 "the state file is damaged (" + verdict +
                     "); restore it from a backup, or move it away to begin anew");
}

// A file of version 0 with tables in it is another program's.
Status check_empty(Database& db) {
    auto tables = db.query_int("SELECT count(*) FROM sqlite_schema");
    if (!tables) return tables.error();
    if (*tables == 0) return {};
    return Error(ErrorKind::kSystem, "the state file holds another program's tables");
}

} // namespace

Status prepare_schema(Database& db) {
    auto version = db.query_int("PRAGMA user_version");
    if (!version) return version.error();
    if (*version > kSchemaVersion) {
        return Error(ErrorKind::kSystem, "the state file has schema version " +
                                             std::to_string(*version) +
                                             ", written by a newer cnetd; this one knows up to " +
                                             std::to_string(kSchemaVersion));
    }
    auto status = set_up_connection(db);
    if (!status) return status;
    if (*version > 0) status = check_pages(db);
    if (!status || *version == kSchemaVersion) return status;
    if (*version == 0) status = check_empty(db);
    if (!status) return status;
    auto transaction = Transaction::begin(db);
    if (!transaction) return transaction.error();
    for (int64_t step = *version; step < kSchemaVersion; step++) {
        status = db.execute(kSteps[step]);
        if (!status) return status;
    }
    return transaction->commit();
}

} // namespace cnet::store
