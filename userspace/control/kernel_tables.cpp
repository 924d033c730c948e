#include "userspace/control/kernel_tables.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "maps/flow_key.h"
#include "userspace/netlink/conntrack.h"

namespace cnet::control {

namespace {

// Of TypedMap, or of what the programs remember.
template <template <typename, typename> typename Map, typename K, typename V>
Status apply_typed(Map<K, V>& map, const TableChange& change) {
    CNET_CHECK(change.key.size() == sizeof(K));
    K key;
    std::memcpy(&key, change.key.data(), sizeof(K));
    if (!change.value) return map.erase(key);
    CNET_CHECK(change.value->size() == sizeof(V));
    V value;
    std::memcpy(&value, change.value->data(), sizeof(V));
    return map.update(key, value);
}

template <typename Map, typename K, typename V>
Status read_into(Entries<K, V>& entries, const Map& map) {
    return map.for_each([&](const K& key, const V& value) { entries[key] = value; });
}

// Learned entries are BPF's; of a static one the time is nobody's.
Status read_static_fdb(Entries<cnet_fdb_key, cnet_fdb_entry>& entries,
                       const maps::RememberedMap<cnet_fdb_key, cnet_fdb_entry>& map) {
    return map.for_each([&](const cnet_fdb_key& key, const cnet_fdb_entry& value) {
        if (!(value.flags & CNET_FDB_STATIC)) return;
        cnet_fdb_entry entry = value;
        entry.last_seen_ns = 0;
        entries[key] = entry;
    });
}

class KernelCtWalk final : public CtWalk {
public:
    explicit KernelCtWalk(const maps::TypedMapRo<cnet_ct_key, cnet_ct_entry>& map)
        : walk_(map.fd(), map.info(), sizeof(cnet_ct_entry)) {}

    Result<bool> next(const CtVisitor& visit) override {
        return walk_.next([&](const void* key, const void* value) {
            // The kernel's buffers are not aligned.
            cnet_ct_key typed_key;
            cnet_ct_entry entry;
            std::memcpy(&typed_key, key, sizeof(typed_key));
            std::memcpy(&entry, value, sizeof(entry));
            visit(typed_key, entry);
            return true;
        });
    }

private:
    maps::BatchWalk walk_;
};

// Of what the programs alone write after it was made: whether it is there.
template <typename K, typename V>
Status read_keys(Entries<K, V>& entries, const maps::TypedMap<K, V>& map) {
    return map.for_each([&](const K& key, const V&) { entries[key] = V{}; });
}

// So is what they count.
Status read_quotas(Entries<uint32_t, cnet_quota>& entries,
                   const maps::TypedMap<uint32_t, cnet_quota>& map) {
    return map.for_each([&](const uint32_t& ifindex, const cnet_quota& value) {
        entries[ifindex] = {value.max_flows, 0, 0};
    });
}

// What the programs remember of the route is theirs.
Status read_peers(Entries<uint32_t, cnet_peer>& entries,
                  const maps::TypedMap<uint32_t, cnet_peer>& map) {
    return map.for_each([&](const uint32_t& id, const cnet_peer& value) {
        cnet_peer entry{};
        entry.remote = value.remote;
        entry.local = value.local;
        entry.device_ifindex = value.device_ifindex;
        entries[id] = entry;
    });
}

// So is a binding's token bucket.
Status read_bindings(Entries<uint32_t, cnet_binding>& entries,
                     const maps::TypedMap<uint32_t, cnet_binding>& map) {
    return map.for_each([&](const uint32_t& id, const cnet_binding& value) {
        cnet_binding& entry = entries[id] = value;
        entry.new_full_at_ns = 0;
    });
}

} // namespace

Result<MapContents> KernelTables::read() {
    MapContents contents;
    Status statuses[] = {
        read_into(contents.network, maps_.network),
        read_into(contents.port, maps_.port),
        read_into(contents.flood, maps_.flood),
        read_keys(contents.flood_rate, maps_.flood_rate),
        read_static_fdb(contents.fdb, maps_.fdb),
        read_keys(contents.fdb_count, maps_.fdb_count),
        read_into(contents.neigh, maps_.neigh),
        read_into(contents.uplink, maps_.uplink),
        read_into(contents.host_addr, maps_.host_addr),
        read_into(contents.bind_addr, maps_.bind_addr),
        read_into(contents.trusted, maps_.trusted),
        read_bindings(contents.binding, maps_.binding),
        read_into(contents.allow, maps_.allow),
        read_peers(contents.peer, maps_.peer),
        read_into(contents.vtep, maps_.vtep),
        read_into(contents.vni, maps_.vni),
        read_into(contents.flood_peer, maps_.flood_peer),
        read_quotas(contents.quota, maps_.quota),
    };
    for (const Status& status : statuses) {
        if (!status) return status.error().because("read the maps");
    }
    for (uint32_t index = 0; index < contents.slot.size(); index++) {
        contents.slot[index] = maps_.slot.binding(index);
    }
    return contents;
}

Status KernelTables::apply(const TableChange& change) {
    switch (change.table) {
    case Table::kNetwork:
        return apply_typed(maps_.network, change);
    case Table::kPort:
        return apply_typed(maps_.port, change);
    case Table::kFlood:
        return apply_typed(maps_.flood, change);
    case Table::kFloodRate:
        return apply_typed(maps_.flood_rate, change);
    case Table::kFdb:
        return apply_typed(maps_.fdb, change);
    case Table::kFdbCount:
        return apply_typed(maps_.fdb_count, change);
    case Table::kNeigh:
        return apply_typed(maps_.neigh, change);
    case Table::kUplink:
        return apply_typed(maps_.uplink, change);
    case Table::kHostAddr:
        return apply_typed(maps_.host_addr, change);
    case Table::kBindAddr:
        return apply_typed(maps_.bind_addr, change);
    case Table::kTrusted:
        return apply_typed(maps_.trusted, change);
    case Table::kBinding:
        return apply_typed(maps_.binding, change);
    case Table::kAllow:
        return apply_typed(maps_.allow, change);
    case Table::kPeer:
        return apply_typed(maps_.peer, change);
    case Table::kVtep:
        return apply_typed(maps_.vtep, change);
    case Table::kVni:
        return apply_typed(maps_.vni, change);
    case Table::kFloodPeer:
        return apply_typed(maps_.flood_peer, change);
    case Table::kQuota:
        return apply_typed(maps_.quota, change);
    }
    return Error(ErrorKind::kSystem, "no such map");
}

Status KernelTables::apply(const SlotChange& change) {
    maps_.slot.set_range(change.first, change.count, change.binding_id);
    return {};
}

Status KernelTables::for_each_ct(const CtVisitor& visit) {
    return maps_.ct.for_each(visit);
}

std::unique_ptr<CtWalk> KernelTables::walk_ct() {
    return std::make_unique<KernelCtWalk>(maps_.ct.read_only());
}

Result<uint64_t> KernelTables::leave_to_kernel(uint32_t network_id,
                                               const std::vector<IpPrefix>& sources,
                                               uint64_t now_ns) {
    auto flows = netlink::read_translated(sources);
    if (!flows) return flows.error();
    uint64_t left = 0;
    for (const netlink::KernelFlow& flow : *flows) {
        if (flow.l4_proto == IPPROTO_TCP) continue;
        cnet_ct_key key{};
        key.src = flow.src.to_abi();
        key.dst = flow.dst.to_abi();
        key.src_port_be = htons(flow.src_port);
        key.dst_port_be = htons(flow.dst_port);
        key.zone = network_id;
        key.l4_proto = flow.l4_proto;
        cnet_ct_entry entry{};
        entry.last_seen_ns = entry.created_ns = now_ns;
        entry.kind = CNET_CT_FORWARD;
        entry.type = CNET_CT_KERNEL;
        entry.state = CNET_CT_ESTABLISHED;
        entry.network_id = network_id;
        entry.other = maps::reversed(key);
        auto status = maps_.ct.update(key, entry);
        if (!status) return status.error();
        left++;
    }
    return left;
}

Result<Entries<uint32_t, cnet_quota>> KernelTables::quotas() {
    Entries<uint32_t, cnet_quota> entries;
    auto status = read_into(entries, maps_.quota);
    if (!status) return status.error().because("read the quotas");
    return entries;
}

uint64_t KernelTables::ct_max_entries() const {
    return maps_.ct.info().max_entries;
}

Status KernelTables::for_each_fdb(const FdbVisitor& visit) {
    return maps_.fdb.for_each(visit);
}

Result<std::optional<cnet_fdb_entry>> KernelTables::find_fdb(const cnet_fdb_key& key) {
    return maps_.fdb.lookup(key);
}

Status KernelTables::drop_fragments_before(uint64_t monotonic_ns) {
    // Deleted after the walk: a walk over a hash that shrinks may begin anew.
    std::vector<cnet_frag_key> datagrams;
    auto status = maps_.frag.for_each([&](const cnet_frag_key& key, const cnet_frag& frag) {
        if (frag.first_ns < monotonic_ns) datagrams.push_back(key);
    });
    std::vector<cnet_frag_held_key> held;
    if (status) {
        status = maps_.frag_held.for_each(
            [&](const cnet_frag_held_key& key, const cnet_frag_held& fragment) {
                if (fragment.since_ns < monotonic_ns) held.push_back(key);
            });
    }
    for (size_t i = 0; status && i < datagrams.size(); i++)
        status = maps_.frag.erase(datagrams[i]);
    for (size_t i = 0; status && i < held.size(); i++)
        status = maps_.frag_held.erase(held[i]);
    return status;
}

Result<std::vector<cnet_counter>> KernelTables::counters() {
    return maps_.counters.totals();
}

Status KernelTables::reset_counters() {
    return maps_.counters.reset();
}

} // namespace cnet::control
