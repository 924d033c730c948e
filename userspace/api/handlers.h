// The routes of docs/api.md, by noun.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "userspace/api/explain.h"
#include "userspace/api/routes.h"
#include "userspace/metrics/family.h"

namespace cnet::control {
class Controller;
}

namespace cnet::api {

// Whether host processes reach published ports.
struct SockStatus {
    bool enabled = false;
    std::string cgroup; // whose processes; empty while none do
    std::string error;  // why none do, although they should
};

// What GET /v1/status tells beside control's own figures.
struct HostInfo {
    std::string version;
    std::string root; // "/", or what --root says
    std::string kernel;
    std::string attach; // "tcx", "clsact"
    std::chrono::steady_clock::time_point started;
    std::function<SockStatus()> sock;
};

// The controller must outlive the router.
void add_status_routes(Router& router, control::Controller& controller, HostInfo host);
void add_network_routes(Router& router, control::Controller& controller);
void add_sandbox_routes(Router& router, control::Controller& controller);
void add_endpoint_routes(Router& router, control::Controller& controller);
void add_port_routes(Router& router, control::Controller& controller);
void add_uplink_routes(Router& router, control::Controller& controller);
void add_peer_routes(Router& router, control::Controller& controller);
void add_adopted_routes(Router& router, control::Controller& controller);
void add_switch_routes(Router& router, control::Controller& controller); // fdb, neigh
void add_flow_routes(Router& router, control::Controller& controller);   // ct, nat, drops

// `collect` outlives the router's last request.
using CollectMetrics = std::function<Result<std::vector<metrics::Family>>()>;
void add_metrics_routes(Router& router, CollectMetrics collect);

// What explaining a packet needs of the programs and devices.
struct ExplainPrograms {
    std::function<Result<Explanation>(cnet_hook hook, uint32_t ifindex,
                                      const std::vector<uint8_t>& frame)>
        run;
    std::function<MacAddress(const std::string& device)> mac_of;
};
void add_explain_routes(Router& router, control::Controller& controller, ExplainPrograms programs);

// All of them but these two.
Router make_router(control::Controller& controller, HostInfo host);

} // namespace cnet::api
