#include "userspace/cni/collect.h"

#include <set>

#include "userspace/cni/delegate.h"
#include "userspace/cni/names.h"

namespace cnet::cni {
namespace {

std::string text_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

template <typename Condition>
Outcome<size_t> remove_endpoints(Daemon& daemon, const Condition& condition) {
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

} // namespace

bool is_dead(const Json& endpoint) {
    if (text_at(endpoint, "state") == "netns-gone") return true;
    // A process's number may be another process's by now: cnetd puts nothing into such a namespace
    // once the device is gone.
    return endpoint.at("ifindex") == 0 && text_at(endpoint, "netns").starts_with("/proc/");
}

Outcome<Answer> create(Daemon& daemon, const std::string& target, const Json& body) {
    auto answer = daemon.call("POST", target, body);
    constexpr long kExhausted = 507;
    if (!answer || (!answer->conflict() && answer->status != kExhausted)) return answer;
    auto removed = remove_endpoints(daemon, [](const Json& endpoint) {
        return text_at(endpoint, "name").starts_with(kNamePrefix) && is_dead(endpoint);
    });
    if (!removed) return removed.fault();
    if (*removed == 0) return answer;
    const bool repeated = answer->repeated;
    answer = daemon.call("POST", target, body);
    if (answer) answer->repeated |= repeated;
    return answer;
}

Done collect(Daemon& daemon, const Config& config, const Environment& environment) {
    if (!config.valid)
        return Fault{Code::kConfig, "GC needs \"cni.dev/valid-attachments\" in the configuration"};
    std::set<std::string> valid;
    for (const ValidAttachment& one : *config.valid)
        valid.insert(endpoint_name(config.name, one.container_id, one.ifname));
    const std::string ours = names_of(config.name);
    auto removed = remove_endpoints(daemon, [&](const Json& endpoint) {
        const std::string name = text_at(endpoint, "name");
        return name.starts_with(ours) && !valid.contains(name);
    });
    Done delegated = delegate_if_known(config, environment, "GC");
    if (!removed) return removed.fault();
    return delegated;
}

Done status(Daemon& daemon, const Config& config, const Environment& environment) {
    auto answer = daemon.get("/v1/status");
    if (!answer) {
        const Fault& why = answer.fault();
        return Fault{Code::kNotAvailable, why.message, why.details};
    }
    return delegate_if_known(config, environment, "STATUS");
}

} // namespace cnet::cni
