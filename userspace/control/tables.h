// What control/ needs of the maps, as an interface: cnetd wires it to maps/ (kernel_tables.h),
// tests to a fake. MapContents is everything that cnetd itself writes, as plain values that
// reconcile compares.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "maps/abi.h"
#include "userspace/base/ip.h"
#include "userspace/base/result.h"

namespace cnet::control {

// Keys hash as bytes in the kernel; what is no number sorts as bytes here.
struct ByteLess {
    template <typename K> bool operator()(const K& a, const K& b) const {
        if constexpr (std::is_integral_v<K>) return a < b; // any order will do, this one is cheaper
        return std::memcmp(&a, &b, sizeof(K)) < 0;
    }
};

template <typename K, typename V> using Entries = std::map<K, V, ByteLess>;

struct MapContents {
    Entries<uint32_t, cnet_network> network;
    Entries<uint32_t, cnet_port> port;
    Entries<cnet_flood_key, cnet_flood_port> flood;
    Entries<cnet_flood_rate_key, uint64_t> flood_rate; // values are BPF's: always 0 here
    Entries<cnet_fdb_key, cnet_fdb_entry> fdb;         // CNET_FDB_STATIC alone
    Entries<uint32_t, uint32_t> fdb_count;             // values are BPF's: always 0 here
    Entries<cnet_neigh_key, cnet_neigh_entry> neigh;
    Entries<uint32_t, cnet_uplink> uplink;
    Entries<cnet_addr, cnet_host_addr> host_addr;
    Entries<cnet_bind_key, uint32_t> bind_addr;
    Entries<cnet_trusted_key, uint32_t> trusted;
    Entries<uint32_t, cnet_binding> binding; // new_full_at_ns is BPF's: always 0 here
    Entries<cnet_allow_key, uint32_t> allow;
    Entries<uint32_t, cnet_peer> peer; // fib_* are BPF's: always 0 here
    Entries<cnet_addr, cnet_vtep> vtep;
    Entries<uint32_t, cnet_vni> vni;
    Entries<cnet_flood_key, uint32_t> flood_peer;
    Entries<uint32_t, cnet_quota> quota; // what is counted is BPF's: always 0 here
    std::vector<uint32_t> slot =
        std::vector<uint32_t>(CNET_SLOT_COUNT, CNET_BINDING_NONE); // binding ids
};

enum class Table : uint8_t {
    kNetwork,
    kPort,
    kFlood,
    kFloodRate,
    kFdb,
    kFdbCount,
    kNeigh,
    kUplink,
    kHostAddr,
    kBindAddr,
    kTrusted,
    kBinding,
    kAllow,
    kPeer,
    kVtep,
    kVni,
    kFloodPeer,
    kQuota,
};

// Calls visit(Table, member of `contents`) for every table but the slots.
template <typename Contents, typename Visit>
void for_each_table(Contents& contents, Visit&& visit) {
    visit(Table::kNetwork, contents.network);
    visit(Table::kPort, contents.port);
    visit(Table::kFlood, contents.flood);
    visit(Table::kFloodRate, contents.flood_rate);
    visit(Table::kFdb, contents.fdb);
    visit(Table::kFdbCount, contents.fdb_count);
    visit(Table::kNeigh, contents.neigh);
    visit(Table::kUplink, contents.uplink);
    visit(Table::kHostAddr, contents.host_addr);
    visit(Table::kBindAddr, contents.bind_addr);
    visit(Table::kTrusted, contents.trusted);
    visit(Table::kBinding, contents.binding);
    visit(Table::kAllow, contents.allow);
    visit(Table::kPeer, contents.peer);
    visit(Table::kVtep, contents.vtep);
    visit(Table::kVni, contents.vni);
    visit(Table::kFloodPeer, contents.flood_peer);
    visit(Table::kQuota, contents.quota);
}

// The bytes of one entry; without a value it is removed.
struct TableChange {
    Table table = Table::kNetwork;
    std::vector<uint8_t> key;
    std::optional<std::vector<uint8_t>> value;

    bool operator==(const TableChange&) const = default;
};

// `count` slots from `first` on get `binding_id`.
struct SlotChange {
    uint32_t first = 0;
    uint32_t count = 0;
    uint32_t binding_id = CNET_BINDING_NONE;

    bool operator==(const SlotChange&) const = default;
};

const char* to_string(Table table); // the map's name
void apply_to(MapContents& contents, const TableChange& change);
void apply_to(MapContents& contents, const SlotChange& change);

using CtVisitor = std::function<void(const cnet_ct_key&, const cnet_ct_entry&)>;

// A walk over the connection table that can wait between two pieces. Entries that come and go
// meanwhile may be seen or not.
class CtWalk {
public:
    virtual ~CtWalk() = default;
    // The next thousand entries or so. False: those were the last.
    virtual Result<bool> next(const CtVisitor& visit) = 0;
};

class Tables {
public:
    virtual ~Tables() = default;

    virtual Result<MapContents> read() = 0;
    virtual Status apply(const TableChange& change) = 0;
    virtual Status apply(const SlotChange& change) = 0;

    virtual Status for_each_ct(const CtVisitor& visit) = 0;
    // The same in pieces, for what may take long.
    virtual std::unique_ptr<CtWalk> walk_ct() = 0;
    virtual uint64_t ct_max_entries() const = 0;
    // By ifindex, with what the programs have counted.
    virtual Result<Entries<uint32_t, cnet_quota>> quotas() = 0;
    // What the kernel translates already of these sources' flows, but TCP, stays its own: an entry
    // each says so. Answers how many.
    virtual Result<uint64_t>
    leave_to_kernel(uint32_t network_id, const std::vector<IpPrefix>& sources, uint64_t now_ns) = 0;
    using FdbVisitor = std::function<void(const cnet_fdb_key&, const cnet_fdb_entry&)>;
    virtual Status for_each_fdb(const FdbVisitor& visit) = 0; // learned ones too
    virtual Result<std::optional<cnet_fdb_entry>> find_fdb(const cnet_fdb_key& key) = 0;
    // Datagrams whose fragments stopped coming, and fragments whose first never came, from before
    // this time.
    virtual Status drop_fragments_before(uint64_t monotonic_ns) = 0;

    // CNET_COUNTER_COUNT of them, CPUs summed.
    virtual Result<std::vector<cnet_counter>> counters() = 0;
    virtual Status reset_counters() = 0;
};

} // namespace cnet::control
