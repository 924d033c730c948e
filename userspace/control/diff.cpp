#include "userspace/control/diff.h"

#include <algorithm>
#include <iterator>

#include "userspace/control/allow_list.h"

namespace cnet::control {

namespace {

// A frame is looked up by its port, then its network, then neigh or fdb or the flood list, which
// name ports again. So a port's own entry comes last and goes first but for what points to it.
// Removal is the other way round.
constexpr Table kOrder[] = {
    Table::kFdbCount,  Table::kFlood,    Table::kFloodRate, Table::kPeer,   Table::kQuota,
    Table::kFloodPeer, Table::kNetwork,  Table::kPort,      Table::kNeigh,  Table::kFdb,
    Table::kVni,       Table::kVtep,     Table::kHostAddr,  Table::kUplink, Table::kAllow,
    Table::kBinding,   Table::kBindAddr, Table::kTrusted,
};

template <typename T> std::vector<uint8_t> bytes_of(const T& value) {
    std::vector<uint8_t> bytes(sizeof(T));
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
}

template <typename K, typename V>
void diff_table(Table table, const Entries<K, V>& observed, const Entries<K, V>& desired,
                std::vector<Change>& additions, std::vector<Change>& removals) {
    // Both are sorted by key: one walk over the two.
    const ByteLess less;
    auto seen = observed.begin();
    auto wanted = desired.begin();
    while (seen != observed.end() || wanted != desired.end()) {
        if (wanted == desired.end() ||
            (seen != observed.end() && less(seen->first, wanted->first))) {
            removals.push_back(TableChange{table, bytes_of(seen->first), std::nullopt});
            ++seen;
        } else if (seen == observed.end() || less(wanted->first, seen->first)) {
            additions.push_back(
                TableChange{table, bytes_of(wanted->first), bytes_of(wanted->second)});
            ++wanted;
        } else {
            if (std::memcmp(&seen->second, &wanted->second, sizeof(V)) != 0) {
                additions.push_back(
                    TableChange{table, bytes_of(wanted->first), bytes_of(wanted->second)});
            }
            ++seen;
            ++wanted;
        }
    }
}

void append(std::vector<Change>& to, std::vector<Change>& from) {
    std::move(from.begin(), from.end(), std::back_inserter(to));
}

std::vector<Change> diff_slots(const std::vector<uint32_t>& observed,
                               const std::vector<uint32_t>& desired) {
    std::vector<Change> changes;
    auto wanted = desired.begin();
    auto seen = observed.begin();
    while (true) {
        std::tie(wanted, seen) = std::mismatch(wanted, desired.end(), seen);
        if (wanted == desired.end()) return changes;
        // A run: slots that differ and all want the same.
        const uint32_t binding_id = *wanted;
        SlotChange run{static_cast<uint32_t>(wanted - desired.begin()), 0, binding_id};
        while (wanted != desired.end() && *wanted == binding_id && *seen != binding_id) {
            run.count++;
            ++wanted;
            ++seen;
        }
        changes.push_back(run);
    }
}

// Ports whose list of clients is another one now, with that list.
void add_narrowed(PurgeFlows& purge, const MapContents& observed, const MapContents& desired) {
    if (desired.allow.empty()) return;
    const auto before = allow_lists(observed.allow);
    const auto after = allow_lists(desired.allow);
    for (const auto& [id, binding] : desired.binding) {
        const uint32_t list = binding.allow_list_id;
        auto seen = observed.binding.find(id);
        if (list == 0 || seen == observed.binding.end()) continue;
        auto old = before.find(list);
        if (seen->second.allow_list_id == list && old != before.end() &&
            old->second == after.at(list))
            continue;
        purge.narrowed[id] = after.at(list);
    }
}

// Networks that may have unstated addresses no more, with those that are stated.
void add_closed(PurgeFlows& purge, const MapContents& observed, const MapContents& desired) {
    for (const auto& [id, network] : observed.network) {
        if (!(network.flags & CNET_NETWORK_OPEN)) continue;
        auto kept = desired.network.find(id);
        if (kept == desired.network.end() || !(kept->second.flags & CNET_NETWORK_OPEN))
            purge.closed[id] = {};
    }
    if (purge.closed.empty()) return;
    for (const auto& [key, entry] : desired.neigh) {
        auto closed = purge.closed.find(key.network_id);
        if (closed != purge.closed.end()) closed->second.insert(IpAddress::from_abi(key.addr));
    }
}

} // namespace

MapDiff diff_maps(const MapContents& observed, const MapContents& desired) {
    std::map<Table, std::vector<Change>> additions;
    std::map<Table, std::vector<Change>> removals;
    for_each_table(observed, [&]<typename K, typename V>(Table table, const Entries<K, V>& seen) {
        for_each_table(
            desired, [&]<typename K2, typename V2>(Table other, const Entries<K2, V2>& wanted) {
                if constexpr (std::is_same_v<K, K2> && std::is_same_v<V, V2>) {
                    if (table == other)
                        diff_table(table, seen, wanted, additions[table], removals[table]);
                }
            });
    });
    // The longest prefixes of an allow-list first: where one says no, it does so before what it is
    // an exception of says yes.
    std::reverse(additions[Table::kAllow].begin(), additions[Table::kAllow].end());
    MapDiff diff;
    for (Table table : kOrder)
        append(diff.additions, additions[table]);
    for (auto it = std::rbegin(kOrder); it != std::rend(kOrder); ++it) {
        append(diff.removals, removals[*it]);
    }
    diff.slots = diff_slots(observed.slot, desired.slot);
    return diff;
}

PurgeFlows flows_to_purge(const MapContents& observed, const MapContents& desired) {
    PurgeFlows purge;
    for (const auto& [key, entry] : observed.neigh) {
        if (entry.peer_id != 0) continue; // its flows are its own host's
        auto kept = desired.neigh.find(key);
        if (kept != desired.neigh.end() && kept->second.endpoint_id == entry.endpoint_id) continue;
        purge.endpoints.emplace(key.network_id, IpAddress::from_abi(key.addr));
    }
    add_closed(purge, observed, desired);
    for (const auto& [id, binding] : observed.binding) {
        if (!desired.binding.contains(id)) purge.bindings.insert(id);
    }
    add_narrowed(purge, observed, desired);
    for (const auto& [addr, entry] : observed.host_addr) {
        if (!desired.host_addr.contains(addr))
            purge.host_addresses.insert(IpAddress::from_abi(addr));
    }
    for (const auto& [ifindex, port] : observed.port) {
        auto kept = desired.port.find(ifindex);
        if (kept != desired.port.end() &&
            (port.flags & ~kept->second.flags & CNET_PORT_NAT_INDEPENDENT))
            purge.mappings.insert(port.network_id);
    }
    return purge;
}

PurgeMacs macs_to_purge(const MapContents& observed, const MapContents& desired) {
    PurgeMacs purge;
    for (const auto& [ifindex, port] : observed.port) {
        auto kept = desired.port.find(ifindex);
        if (kept == desired.port.end() || kept->second.network_id != port.network_id ||
            (port.flags & ~kept->second.flags & (CNET_PORT_LEARNING | CNET_PORT_PEER)) ||
            (kept->second.flags & ~port.flags & CNET_PORT_BRIDGED)) {
            purge.ifindexes.insert(ifindex);
        }
    }
    for (const auto& [id, peer] : observed.peer) {
        if (!desired.peer.contains(id)) purge.peers.insert(id);
    }
    for (const auto& [vni, network] : observed.vni) {
        auto kept = desired.vni.find(vni);
        if (kept == desired.vni.end() || kept->second.network_id != network.network_id ||
            (network.port_flags & ~kept->second.port_flags & CNET_PORT_LEARNING)) {
            purge.from_peers.insert(network.network_id);
        }
    }
    return purge;
}

} // namespace cnet::control
