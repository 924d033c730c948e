#include "userspace/control/tables.h"

#include <algorithm>

namespace cnet::control {

const char* to_string(Table table) {
    switch (table) {
    case Table::kNetwork:
        return "cnet_network";
    case Table::kPort:
        return "cnet_port";
    case Table::kFlood:
        return "cnet_flood";
    case Table::kQuota:
        return "cnet_quota";
    case Table::kFloodRate:
        return "cnet_flood_rate";
    case Table::kFdb:
        return "cnet_fdb";
    case Table::kFdbCount:
        return "cnet_fdb_count";
    case Table::kNeigh:
        return "cnet_neigh";
    case Table::kUplink:
        return "cnet_uplinks";
    case Table::kHostAddr:
        return "cnet_host_addr";
    case Table::kBindAddr:
        return "cnet_bind_addr";
    case Table::kTrusted:
        return "cnet_trusted";
    case Table::kBinding:
        return "cnet_binding";
    case Table::kAllow:
        return "cnet_allow";
    case Table::kPeer:
        return "cnet_peer";
    case Table::kVtep:
        return "cnet_vtep";
    case Table::kVni:
        return "cnet_vni";
    case Table::kFloodPeer:
        return "cnet_flood_peer";
    }
    return "unknown";
}

void apply_to(MapContents& contents, const TableChange& change) {
    for_each_table(contents, [&]<typename K, typename V>(Table table, Entries<K, V>& entries) {
        if (table != change.table) return;
        CNET_CHECK(change.key.size() == sizeof(K));
        K key;
        std::memcpy(&key, change.key.data(), sizeof(K));
        if (!change.value) {
            entries.erase(key);
            return;
        }
        CNET_CHECK(change.value->size() == sizeof(V));
        std::memcpy(&entries[key], change.value->data(), sizeof(V));
    });
}

void apply_to(MapContents& contents, const SlotChange& change) {
    CNET_CHECK(change.first + change.count <= contents.slot.size());
    std::fill_n(contents.slot.begin() + change.first, change.count, change.binding_id);
}

} // namespace cnet::control
