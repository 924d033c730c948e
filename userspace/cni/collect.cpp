#include "userspace/cni/collect.h"

#include <set>

#include "userspace/cni/delegate.h"
#include "userspace/cni/names.h"

namespace cnet::cni {
Done collect(Daemon& daemon, const Config& config, const Environment& environment) {
    if (!config.valid)
        return Fault{Code::kConfig, "GC needs \"cni.dev/valid-attachments\" in the configuration"};
    std::set<std::string> valid;
    for (const ValidAttachment& one : *config.valid)
        valid.insert(endpoint_name(config.name, one.container_id, one.ifname));
    const std::string ours = names_of(config.name);
    auto removed = plugin::remove_endpoints(daemon, [&](const Json& endpoint) {
        const std::string name = plugin::text_at(endpoint, "name");
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
