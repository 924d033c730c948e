#include "userspace/cni/environment.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "userspace/base/names.h"

namespace cnet::cni {
namespace {

Fault environment_fault(std::string message) {
    return {Code::kEnvironment, std::move(message)};
}

// [A-Za-z0-9][A-Za-z0-9_.-]*
bool valid_container_id(std::string_view id) {
    auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    return !id.empty() && plain(id[0]) && std::all_of(id.begin(), id.end(), [&](char c) {
        return plain(c) || c == '_' || c == '.' || c == '-';
    });
}

bool is_true(std::string_view value) {
    return value == "1" || value == "true" || value == "TRUE" || value == "True";
}

struct Pair {
    std::string_view key;
    std::string_view value;
};

Outcome<std::vector<Pair>> split_pairs(std::string_view text) {
    std::vector<Pair> pairs;
    while (!text.empty()) {
        const std::string_view one = text.substr(0, text.find(';'));
        text.remove_prefix(std::min(text.size(), one.size() + 1));
        if (one.empty()) continue;
        const size_t equals = one.find('=');
        if (equals == one.npos)
            return environment_fault("CNI_ARGS: \"" + std::string(one) + "\" is not KEY=VALUE");
        pairs.push_back({one.substr(0, equals), one.substr(equals + 1)});
    }
    return pairs;
}

} // namespace

Environment read_environment(const std::function<const char*(const char*)>& get) {
    auto text = [&](const char* name) {
        const char* value = get(name);
        return std::string(value ? value : "");
    };
    return {text("CNI_COMMAND"), text("CNI_CONTAINERID"), text("CNI_NETNS"), text("CNI_IFNAME"),
            text("CNI_ARGS"),    text("CNI_PATH"),        text("CNET_ROOT")};
}

Done check_environment(const Environment& environment) {
    const std::string& verb = environment.command;
    const bool of_container = verb == "ADD" || verb == "CHECK" || verb == "DEL";
    if (!of_container) {
        if (verb == "GC" || verb == "STATUS" || verb == "VERSION") return {};
        return environment_fault("unknown CNI_COMMAND: " + verb);
    }
    std::string missing;
    auto need = [&](const std::string& value, const char* name) {
        if (value.empty()) missing += (missing.empty() ? "" : ",") + std::string(name);
    };
    need(environment.container_id, "CNI_CONTAINERID");
    if (verb != "DEL") need(environment.netns, "CNI_NETNS");
    need(environment.ifname, "CNI_IFNAME");
    if (!missing.empty())
        return environment_fault("required env variables [" + missing + "] missing");
    if (!valid_container_id(environment.container_id))
        return environment_fault("invalid characters in CNI_CONTAINERID \"" +
                                 environment.container_id + "\"");
    if (!valid_ifname(environment.ifname))
        return environment_fault("CNI_IFNAME \"" + environment.ifname +
                                 "\" is not a device name: 1 to 15 characters, no space, '/' or "
                                 "':'");
    return {};
}

Outcome<ExtraArguments> parse_arguments(const std::string& text) {
    auto pairs = split_pairs(text);
    if (!pairs) return pairs.fault();
    ExtraArguments out;
    bool ignore_unknown = false;
    std::string unknown;
    for (const auto& [key, value] : *pairs) {
        if (key == "IgnoreUnknown") {
            ignore_unknown = is_true(value);
        } else if (key == "IP") {
            if (!value.empty()) out.ips.emplace_back(value);
        } else if (key == "MAC") {
            if (!value.empty()) out.mac = std::string(value);
        } else if (key == "K8S_POD_NAME") {
            out.pod_name = std::string(value);
        } else {
            unknown += (unknown.empty() ? "" : ",") + std::string(key);
        }
    }
    if (!ignore_unknown && !unknown.empty())
        return environment_fault("CNI_ARGS: unknown args [" + unknown +
                                 "]; IgnoreUnknown=1 lets them pass");
    return out;
}

} // namespace cnet::cni
