// What a request to explain a packet says: where it is seen, and the packet in words or as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/api/frame.h"
#include "userspace/base/ip.h"
#include "userspace/base/result.h"

namespace cnet::api {

struct ExplainRequest {
    std::string from;  // an endpoint, or a device that is a port
    std::string in;    // an uplink
    std::string frame; // in hexadecimal; empty: `spec` says it
    FrameSpec spec;
    std::optional<IpAddress> src, dst;
    std::optional<MacAddress> dst_mac;
};

Result<ExplainRequest> parse_explain_request(std::string_view body);

// 14 to 9216 bytes out of two digits each.
Result<std::vector<uint8_t>> parse_hex(std::string_view text);

} // namespace cnet::api
