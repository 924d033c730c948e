// Configurations as tests write them: keys over a least one.
#pragma once

#include <string>

#include "userspace/cni/config.h"

namespace cnet::cni::test {

inline Json least() {
    return {{"cniVersion", "1.0.0"}, {"name", "net"}, {"type", "cnet"}};
}

inline Outcome<Config> parse_with(const Json& keys, const ExtraArguments& arguments = {}) {
    Json document = least();
    if (!keys.is_null()) document.update(keys);
    return parse_config(document.dump(), arguments);
}

inline Config config_of(const Json& keys) {
    auto config = parse_with(keys);
    CNET_CHECK(config);
    return std::move(*config);
}

} // namespace cnet::cni::test
