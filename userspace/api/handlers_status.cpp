#include <unistd.h>

#include <nlohmann/json.hpp>

#include "maps/abi.h"
#include "userspace/api/handlers.h"
#include "userspace/api/json.h"
#include "userspace/control/controller.h"

namespace cnet::api {
namespace {

Json sock_json(const SockStatus& status) {
    Json json;
    json["enabled"] = status.enabled;
    json["cgroup"] = status.cgroup.empty() ? Json(nullptr) : Json(status.cgroup);
    json["error"] = status.error.empty() ? Json(nullptr) : Json(status.error);
    return json;
}

Json cluster_json(const std::optional<control::ClusterStatus>& status) {
    if (!status) return nullptr;
    Json json;
    json["host"] = status->host;
    json["connected"] = status->connected;
    json["hosts"] = status->hosts;
    json["revision"] = status->revision;
    json["error"] = status->error.empty() ? Json(nullptr) : Json(status->error);
    json["conflicts"] = status->conflicts;
    return json;
}

Json status_json(const control::StatusView& view, const HostInfo& host) {
    auto uptime = std::chrono::steady_clock::now() - host.started;
    Json reconcile;
    reconcile["runs"] = view.reconcile.runs;
    reconcile["repairs"] = view.reconcile.repairs;
    reconcile["last_error"] =
        view.reconcile.last_error ? Json(*view.reconcile.last_error) : Json(nullptr);
    Json json;
    json["version"] = host.version;
    json["abi_version"] = CNET_ABI_VERSION;
    json["pid"] = getpid();
    json["uptime_s"] = std::chrono::duration_cast<std::chrono::seconds>(uptime).count();
    json["root"] = host.root;
    json["kernel"] = host.kernel;
    json["attach"] = host.attach;
    json["sock"] = sock_json(host.sock());
    json["cluster"] = cluster_json(view.cluster);
    json["networks"] = view.networks;
    json["endpoints"] = view.endpoints;
    json["ports"] = view.ports;
    json["uplinks"] = view.uplinks;
    json["sandboxes"] = view.sandboxes;
    json["connections"] = view.connections;
    json["reconcile"] = std::move(reconcile);
    return json;
}

} // namespace

void add_status_routes(Router& router, control::Controller& controller, HostInfo host) {
    router.add({"GET",
                "/v1/status",
                200,
                {},
                [&controller, host = std::move(host)](const Call&) -> Result<std::string> {
                    auto view = controller.status();
                    if (!view) return view.error();
                    return to_text(status_json(*view, host));
                }});
}

Router make_router(control::Controller& controller, HostInfo host) {
    Router router;
    add_status_routes(router, controller, std::move(host));
    add_network_routes(router, controller);
    add_sandbox_routes(router, controller);
    add_endpoint_routes(router, controller);
    add_port_routes(router, controller);
    add_uplink_routes(router, controller);
    add_peer_routes(router, controller);
    add_adopted_routes(router, controller);
    add_switch_routes(router, controller);
    add_flow_routes(router, controller);
    return router;
}

} // namespace cnet::api
