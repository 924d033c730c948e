// Every map of the data path, opened from its pins: DataPathMaps for cnetd, DataPathMapsRo for
// whoever only looks, which works while no daemon runs. docs/maps.md says who writes which entry
// and when it dies.
//
// Both fail with kNotFound when the pins are not there, kInvalid when a map has another layout than
// this build.
#pragma once

#include <cstdint>
#include <filesystem>

#include "maps/abi.h"
#include "maps/counters.h"
#include "maps/remembered_map.h"
#include "maps/slot_table.h"
#include "maps/typed_map.h"

namespace cnet::maps {

struct DataPathMaps {
    // `pins` is Paths::pins.
    static Result<DataPathMaps> open(const std::filesystem::path& pins);

    TypedMap<uint32_t, cnet_meta> meta;
    RememberedMap<uint32_t, cnet_port> port;  // by ifindex
    TypedMap<uint32_t, cnet_network> network; // by network id
    TypedMap<cnet_flood_key, cnet_flood_port> flood;
    TypedMap<cnet_flood_rate_key, uint64_t> flood_rate;
    RememberedMap<cnet_fdb_key, cnet_fdb_entry> fdb;
    TypedMap<uint32_t, uint32_t> fdb_count; // by network id
    TypedMap<cnet_neigh_key, cnet_neigh_entry> neigh;
    TypedMap<uint32_t, cnet_uplink> uplink; // by ifindex
    TypedMap<cnet_addr, cnet_host_addr> host_addr;
    SlotTable slot;
    TypedMap<cnet_bind_key, uint32_t> bind_addr;
    TypedMap<cnet_trusted_key, uint32_t> trusted;
    TypedMap<uint32_t, cnet_binding> binding; // by binding id
    TypedMap<cnet_allow_key, uint32_t> allow;
    TypedMap<uint32_t, cnet_peer> peer; // by peer id
    RememberedMap<cnet_addr, cnet_vtep> vtep;
    RememberedMap<uint32_t, cnet_vni> vni; // by VNI
    TypedMap<cnet_flood_key, uint32_t> flood_peer;
    TypedMap<cnet_ct_key, cnet_ct_entry> ct; // written by BPF; CNET_CT_KERNEL by cnetd
    TypedMap<uint32_t, cnet_quota> quota;    // by ifindex
    TypedMap<cnet_frag_key, cnet_frag> frag;
    TypedMap<cnet_frag_held_key, cnet_frag_held> frag_held;
    Counters counters;
};

struct DataPathMapsRo {
    static Result<DataPathMapsRo> open(const std::filesystem::path& pins);

    TypedMapRo<uint32_t, cnet_meta> meta;
    TypedMapRo<uint32_t, cnet_port> port;
    TypedMapRo<uint32_t, cnet_network> network;
    TypedMapRo<cnet_flood_key, cnet_flood_port> flood;
    TypedMapRo<cnet_flood_rate_key, uint64_t> flood_rate;
    TypedMapRo<cnet_fdb_key, cnet_fdb_entry> fdb;
    TypedMapRo<uint32_t, uint32_t> fdb_count;
    TypedMapRo<cnet_neigh_key, cnet_neigh_entry> neigh;
    TypedMapRo<uint32_t, cnet_uplink> uplink;
    TypedMapRo<cnet_addr, cnet_host_addr> host_addr;
    SlotTableRo slot;
    TypedMapRo<cnet_bind_key, uint32_t> bind_addr;
    TypedMapRo<cnet_trusted_key, uint32_t> trusted;
    TypedMapRo<uint32_t, cnet_binding> binding;
    TypedMapRo<cnet_allow_key, uint32_t> allow;
    TypedMapRo<uint32_t, cnet_peer> peer;
    TypedMapRo<cnet_addr, cnet_vtep> vtep;
    TypedMapRo<uint32_t, cnet_vni> vni;
    TypedMapRo<cnet_flood_key, uint32_t> flood_peer;
    TypedMapRo<cnet_ct_key, cnet_ct_entry> ct;
    TypedMapRo<uint32_t, cnet_quota> quota;
    TypedMapRo<cnet_frag_key, cnet_frag> frag;
    TypedMapRo<cnet_frag_held_key, cnet_frag_held> frag_held;
    CountersRo counters;
};

} // namespace cnet::maps
