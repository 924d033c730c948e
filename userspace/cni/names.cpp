#include "userspace/cni/names.h"

#include <cctype>
#include <cstdint>
#include <cstdio>
#include <string_view>

namespace cnet::cni {
namespace {

constexpr size_t kShownOfId = 12; // as container engines abbreviate it

// FNV-1a: root chooses what is hashed, so nobody looks for collisions.
uint64_t hash_of(std::string_view text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (char c : text)
        hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
    return hash;
}

std::string hex(uint64_t value, int digits) {
    char text[17];
    std::snprintf(text, sizeof text, "%0*llx", digits, static_cast<unsigned long long>(value));
    return text;
}

// A device's name may have characters that an endpoint's may not.
std::string plain(std::string text) {
    for (char& c : text) {
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '_';
    }
    return text;
}

} // namespace

std::string names_of(const std::string& config_name) {
    const uint64_t hash = hash_of(config_name);
    return kNamePrefix + hex((hash >> 32 ^ hash) & 0xffffffffu, 8) + "-";
}

std::string endpoint_name(const std::string& config_name, const std::string& container_id,
                          const std::string& ifname) {
    return names_of(config_name) + container_id.substr(0, kShownOfId) + "-" + plain(ifname) + "-" +
           hex(hash_of(container_id + "/" + ifname), 16);
}

} // namespace cnet::cni
