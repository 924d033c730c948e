// Entries of the data path's maps (maps/abi.h) as JSON: addresses and MACs as text, flags as lists
// of names, ports and times as numbers. Total: an enumeration's unknown value is its number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "userspace/cnet-bpf/json.h"

namespace cnet::cli {

struct Decoder {
    uint64_t now_ns; // CLOCK_MONOTONIC
    // A device's name, or "" when it has none here: its namespace may be another than ours.
    std::function<std::string(uint32_t ifindex)> device_name;
};

struct MapFormat {
    std::string_view name;
    size_t key_bytes;
    size_t value_bytes; // for a per-CPU map: of one CPU, and `value` decodes their sum
    Json (*key)(const void* bytes, const Decoder& decoder);
    Json (*value)(const void* bytes, const Decoder& decoder);
};

// Null for a map that this build does not know.
const MapFormat* find_map_format(std::string_view name);

// "network=1 mac=02:00:00:00:00:01": null is "-", lists joined by commas, objects in braces.
std::string flat_text(const Json& object);

} // namespace cnet::cli
