// Columns of text to values. An error is kSystem, and names the object that they are of.
#pragma once

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/result.h"

namespace cnet::store {

inline Error damaged(const std::string& what, const Error& cause) {
    return {ErrorKind::kSystem, "the state file is damaged: " + what + ": " + cause.message()};
}

// Parses one text column into `out`; `owner` names the object in the error.
template <typename T> Status parse_into(T& out, const std::string& text, const std::string& owner) {
    auto value = T::parse(text);
    if (!value) return damaged(owner, value.error());
    out = *value;
    return {};
}

template <typename T>
Status parse_into(std::optional<T>& out, const std::optional<std::string>& text,
                  const std::string& owner) {
    if (!text) return {};
    T value;
    auto status = parse_into(value, *text, owner);
    if (status) out = value;
    return status;
}

inline Status parse_list(std::vector<IpPrefix>& out, const std::string& text,
                         const std::string& owner) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        IpPrefix prefix;
        if (auto status = parse_into(prefix, word, owner); !status) return status;
        out.push_back(prefix);
    }
    return {};
}

} // namespace cnet::store
