#include "userspace/plugin/endpoints.h"

#include <cctype>
#include <cstdint>
#include <cstdio>
#include <string_view>

namespace cnet::plugin {
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

std::string names_of(const std::string& prefix, const std::string& network) {
    const uint64_t hash = hash_of(network);
    return prefix + hex((hash >> 32 ^ hash) & 0xffffffffu, 8) + "-";
}

std::string endpoint_name(const std::string& prefix, const std::string& network,
                          const std::string& container_id, const std::string& ifname) {
    return names_of(prefix, network) + container_id.substr(0, kShownOfId) + "-" + plain(ifname) +
           "-" + hex(hash_of(container_id + "/" + ifname), 16);
}

std::string text_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_dead(const Json& endpoint) {
    if (text_at(endpoint, "state") == "netns-gone") return true;
    // A process's number may be another process's by now: cnetd puts nothing into such a namespace
    // once the device is gone.
    return endpoint.at("ifindex") == 0 && text_at(endpoint, "netns").starts_with("/proc/");
}

Outcome<size_t> remove_endpoints(Daemon& daemon,
                                 const std::function<bool(const Json&)>& condition) {
    auto endpoints = daemon.get("/v1/endpoints");
    if (!endpoints) return endpoints.fault();
    size_t removed = 0;
    for (const Json& endpoint : *endpoints) {
        if (!condition(endpoint)) continue;
        if (Done done = daemon.remove("/v1/endpoints/" + text_at(endpoint, "name")); !done)
            return done.fault();
        removed++;
    }
    return removed;
}

Outcome<Answer> create(Daemon& daemon, const std::string& target, const Json& body,
                       const std::string& prefix) {
    auto answer = daemon.call("POST", target, body);
    constexpr long kExhausted = 507;
    if (!answer || (!answer->conflict() && answer->status != kExhausted)) return answer;
    auto removed = remove_endpoints(daemon, [&](const Json& endpoint) {
        return text_at(endpoint, "name").starts_with(prefix) && is_dead(endpoint);
    });
    if (!removed) return removed.fault();
    if (*removed == 0) return answer;
    const bool repeated = answer->repeated;
    answer = daemon.call("POST", target, body);
    if (answer) answer->repeated |= repeated;
    return answer;
}

} // namespace cnet::plugin
