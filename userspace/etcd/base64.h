// Base64 with padding (RFC 4648, section 4), as proto3's JSON has it for bytes.
#pragma once

#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace cnet::etcd {

std::string base64_encode(std::string_view bytes);
// kInvalid for anything that base64_encode() does not make.
Result<std::string> base64_decode(std::string_view text);

} // namespace cnet::etcd
