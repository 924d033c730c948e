// A packet in words, as `explain` takes it, and the API's JSON that says the same.
#pragma once

#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/cnet-bpf/json.h"

namespace cnet::cli {

// from ENDPOINT PROTO [SOURCE to] DESTINATION [KEY VALUE]...
// in UPLINK PROTO SOURCE [to DESTINATION] [KEY VALUE]...
// With `place_only` just `from ENDPOINT` or `in UPLINK`.
Result<Json> parse_packet(const std::vector<std::string>& words, bool place_only = false);

} // namespace cnet::cli
