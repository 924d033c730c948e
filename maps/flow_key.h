// A flow's tuple, as the connection table has it.
#pragma once

#include <utility>

#include "maps/abi.h"

namespace cnet::maps {

// The tuple of packets the other way. An entry's `other` is the key that answers have: reversed, it
// is what the flow's packets become.
inline cnet_ct_key reversed(cnet_ct_key key) {
    std::swap(key.src, key.dst);
    std::swap(key.src_port_be, key.dst_port_be);
    return key;
}

} // namespace cnet::maps
