#include "userspace/cni/check.h"

#include "userspace/cni/delegate.h"
#include "userspace/cni/names.h"
#include "userspace/cni/result.h"
#include "userspace/plugin/ports.h"

namespace cnet::cni {
namespace {

Done check_endpoint(Daemon& daemon, const std::string& name, const Config& config) {
    auto endpoint = daemon.get("/v1/endpoints/" + name);
    if (!endpoint) return endpoint.fault();
    if (endpoint->is_null())
        return Fault{Code::kDiffers, "cnetd has no endpoint " + name + " of this container"};
    const std::string network = endpoint->at("network").get<std::string>();
    if (network != config.network)
        return Fault{Code::kDiffers,
                     "endpoint " + name + " is in network " + network + ", not " + config.network};
    const std::string state = endpoint->at("state").get<std::string>();
    if (state == "up") return {};
    return Fault{Code::kDiffers, "endpoint " + name + " is in state " + state};
}

Done check_inside(const Config& config, const Environment& environment) {
    if (!config.previous.is_object())
        return Fault{Code::kConfig, "CHECK needs prevResult in the configuration"};
    auto expected = expected_inside(config.previous, environment);
    if (!expected) return expected.fault();
    expected->may_be_down = config.disabled;
    auto differs = difference(environment.netns, *expected);
    if (!differs) return Fault{Code::kDiffers, differs.error().message()};
    if (!differs->empty()) return Fault{Code::kDiffers, *differs};
    return {};
}

} // namespace

Done check(Daemon& daemon, const Config& config, const Environment& environment) {
    const std::string name =
        endpoint_name(config.name, environment.container_id, environment.ifname);
    Done done = check_endpoint(daemon, name, config);
    if (done) done = check_inside(config, environment);
    if (done) done = plugin::check_ports(daemon, name, config.ports);
    if (!done) return done;
    auto delegated = delegate(config, environment, "CHECK");
    if (!delegated) return delegated.fault();
    return {};
}

} // namespace cnet::cni
