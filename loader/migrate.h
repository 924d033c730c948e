// From one layout of the maps to another, or to other sizes, under traffic. The maps as they are
// are set aside, where the programs that are attached go on with them; new ones are made and get
// what the old ones hold; then new programs take over, and what the others have added meanwhile
// follows.
//
// A crash at any step leaves maps that are set aside: as long as the new ones are not complete (see
// cnet_meta) they are made again, after that only the rest is done. What is translated in the
// moment of the change may be lost: a flow's last change of state, a few counts.
#pragma once

#include <cstdint>
#include <filesystem>

#include "userspace/base/result.h"

namespace cnet::loader {

Result<bool> has_maps_aside(const std::filesystem::path& pins);

// An empty directory of maps is left.
Status set_maps_aside(const std::filesystem::path& pins);

// The maps that were set aside are the maps again, and others are removed.
Status put_maps_back(const std::filesystem::path& pins);

// Of each map that both sets have: its entries, converted by conversion_between(). Sockets'
// storage and rings stay behind. kExhausted, naming the map, when they do not fit. How many
// connections that were.
Result<uint64_t> take_entries_along(const std::filesystem::path& pins);

// Connections and MAC addresses that came while the other programs still ran; then the maps that
// were set aside go. Nothing to do when there are none.
Status finish_migration(const std::filesystem::path& pins);

} // namespace cnet::loader
