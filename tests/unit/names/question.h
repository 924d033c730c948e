// Questions as a client sends them.
#pragma once

#include "userspace/names/message.h"

namespace cnet::names::test {

inline Bytes question(std::string_view name, Type type, std::optional<uint16_t> edns = {}) {
    Bytes out = {0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, edns ? uint8_t{1} : uint8_t{0}};
    while (!name.empty()) {
        const std::string_view label = name.substr(0, name.find('.'));
        name.remove_prefix(std::min(name.size(), label.size() + 1));
        out.push_back(static_cast<uint8_t>(label.size()));
        out.insert(out.end(), label.begin(), label.end());
    }
    out.insert(out.end(), {0, 0, static_cast<uint8_t>(type), 0, 1});
    if (edns) {
        out.insert(out.end(), {0, 0, 41, static_cast<uint8_t>(*edns >> 8),
                               static_cast<uint8_t>(*edns), 0, 0, 0, 0, 0, 0});
    }
    return out;
}

inline Query query(std::string_view name, Type type) {
    return *parse_query(question(name, type));
}

} // namespace cnet::names::test
