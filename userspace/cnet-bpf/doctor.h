// `cnet-bpf doctor`: looks at everything that has to be right, says what is not and what to do
// about it. Each check adds what it found; none changes anything, and none needs cnetd.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "userspace/cnet-bpf/context.h"
#include "userspace/netlink/rtnl.h"

namespace cnet::cli {

enum class Severity { kOk, kWarning, kProblem };

struct Finding {
    Severity severity;
    std::string area; // "kernel", "maps"
    std::string what;
    std::string advice; // empty when there is nothing to do
};

// What the checks look at, read once.
struct Subject {
    const Context& context;
    bool reachable = false; // cnetd answers; what is the API's is null or empty without it
    std::string unreachable_why = {};
    Json status = {};
    Json networks = Json::array();
    Json endpoints = Json::array();
    Json ports = Json::array();
    Json uplinks = Json::array();
    Json peers = Json::array();
    Json adopted = Json::array();
    Json maps = Json::array(); // as `map list` and `prog list` have them
    Json programs = Json::array();
    std::string pins_error = {};
    bool same_netns = true; // the maps' network namespace is ours: devices can be looked at
    std::vector<netlink::LinkInfo> links = {};
    std::vector<netlink::RouteInfo> routes = {};

    const netlink::LinkInfo* link(const std::string& name) const;
    const netlink::LinkInfo* link(uint64_t ifindex) const;
};

class Findings {
public:
    void ok(std::string area, std::string what) {
        list_.push_back({Severity::kOk, std::move(area), std::move(what), {}});
    }
    void warn(std::string area, std::string what, std::string advice) {
        list_.push_back({Severity::kWarning, std::move(area), std::move(what), std::move(advice)});
    }
    void problem(std::string area, std::string what, std::string advice) {
        list_.push_back({Severity::kProblem, std::move(area), std::move(what), std::move(advice)});
    }
    const std::vector<Finding>& list() const { return list_; }
    size_t count(Severity severity) const;

private:
    std::vector<Finding> list_;
};

void check_kernel(const Subject& subject, Findings& findings);
void check_daemon(const Subject& subject, Findings& findings);
void check_objects(const Subject& subject, Findings& findings); // endpoints, ports, peers
void check_pins(const Subject& subject, Findings& findings);
void check_maps(const Subject& subject, Findings& findings);
void check_limits(const Subject& subject, Findings& findings);
void check_devices(const Subject& subject, Findings& findings); // leaked, others' programs
void check_mtu(const Subject& subject, Findings& findings);
void check_routes(const Subject& subject, Findings& findings);
void check_sysctls(const Subject& subject, Findings& findings);

// Everything; needs root.
Findings examine(const Context& context);
Json findings_json(const Findings& findings);

} // namespace cnet::cli
