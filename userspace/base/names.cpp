#include "userspace/base/names.h"

#include <algorithm>

#include "userspace/base/ip.h"

namespace cnet {
namespace {

// The locale has no say in what a name is.
bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

} // namespace

bool valid_name(std::string_view name) {
    constexpr size_t kLongest = 63;
    if (name.empty() || name.size() > kLongest || !is_alphanumeric(name.front())) return false;
    const bool good = std::ranges::all_of(
        name, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
    return good && !IpAddress::parse(name);
}

bool valid_label(std::string_view label) {
    constexpr size_t kLongest = 63; // RFC 1035 section 2.3.4
    if (label.empty() || label.size() > kLongest || label.front() == '-' || label.back() == '-')
        return false;
    return std::ranges::all_of(label,
                               [](char c) { return is_alphanumeric(c) || c == '_' || c == '-'; });
}

bool valid_ifname(std::string_view name) {
    constexpr size_t kLongest = 15; // IFNAMSIZ counts the NUL
    if (name.empty() || name.size() > kLongest || name == "." || name == "..") return false;
    return std::ranges::none_of(name, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte <= ' ' || byte == 0x7f || c == '/' || c == ':';
    });
}

} // namespace cnet
