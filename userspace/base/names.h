// Which names users may give.
#pragma once

#include <string_view>

namespace cnet {

// [A-Za-z0-9][A-Za-z0-9_.-]{0,62}, and not an IP address: for networks, endpoints, sandboxes,
// peers.
bool valid_name(std::string_view name);
// One label of the DNS: 1..63 of [A-Za-z0-9_-], no '-' at either end. '_' is in many services'
// names.
bool valid_label(std::string_view label);
// What the kernel takes as a device name: 1..15 bytes, no '/', ':' or white space, not "." or "..".
// Control characters are refused too.
bool valid_ifname(std::string_view name);

} // namespace cnet
