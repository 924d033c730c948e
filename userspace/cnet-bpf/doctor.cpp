#include "userspace/cnet-bpf/doctor.h"

#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "maps/maps.h"
#include "maps/pin_path.h"
#include "userspace/base/netns.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/pins.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"
#include "userspace/netlink/kernel_rtnl.h"

namespace cnet::cli {
namespace {

const char* name_of(Severity severity) {
    switch (severity) {
    case Severity::kProblem:
        return "problem";
    case Severity::kWarning:
        return "warning";
    case Severity::kOk:
        break;
    }
    return "ok";
}

void read_api(Subject& subject) {
    Api& api = subject.context.api;
    Reply status = api.get("/v1/status");
    subject.reachable = status.ok();
    subject.unreachable_why = status.message;
    if (!status.ok()) return;
    subject.status = std::move(status.body);
    struct {
        const char* target;
        Json& list;
    } const lists[] = {{"/v1/networks", subject.networks}, {"/v1/endpoints", subject.endpoints},
                       {"/v1/ports", subject.ports},       {"/v1/uplinks", subject.uplinks},
                       {"/v1/peers", subject.peers},       {"/v1/adopted", subject.adopted}};
    for (const auto& one : lists) {
        Reply reply = api.get(one.target);
        if (reply.ok() && reply.body.is_array()) one.list = std::move(reply.body);
    }
}

void read_pins(Subject& subject) {
    const auto& pins = subject.context.paths.pins;
    auto maps = list_maps(pins);
    if (maps) subject.maps = *std::move(maps);
    auto programs = list_programs(pins);
    if (programs) subject.programs = *std::move(programs);
    if (!maps || !programs) {
        subject.pins_error = (!maps ? maps.error() : programs.error()).message();
        return;
    }
    auto meta = maps::TypedMapRo<uint32_t, cnet_meta>::open(maps::map_pin(pins, "cnet_meta"));
    auto cookie = netns_cookie();
    if (!meta || !cookie) return;
    auto value = meta->lookup(0);
    subject.same_netns = value && *value && (*value)->netns_cookie == *cookie;
}

void read_kernel(Subject& subject) {
    auto rtnl = netlink::KernelRtnl::open();
    if (!rtnl) return;
    if (auto links = (*rtnl)->links()) subject.links = *std::move(links);
    if (auto routes = (*rtnl)->routes()) subject.routes = *std::move(routes);
}

void print(const Context& context, const Findings& findings) {
    Table table({{"", Align::kLeft}, {"", Align::kLeft}, {"", Align::kLeft}},
                Table::Header::kHidden);
    for (const Finding& finding : findings.list()) {
        const Style style = finding.severity == Severity::kProblem   ? Style::kBad
                            : finding.severity == Severity::kWarning ? Style::kNotice
                                                                     : Style::kGood;
        table.add({{name_of(finding.severity), style}, {finding.area}, {finding.what}});
        if (!finding.advice.empty()) table.add({{" "}, {" "}, {"-> " + finding.advice}});
    }
    table.print(context.out, context.screen);
    context.out << "\nproblems: " << findings.count(Severity::kProblem)
                << ", warnings: " << findings.count(Severity::kWarning) << "\n";
}

int run(Context& context, const Verb&, const Arguments&) {
    if (geteuid() != 0)
        return context.fail(kRefused, "doctor reads pinned maps and programs, so it needs root");
    const Findings findings = examine(context);
    if (context.settings.json) {
        context.print_json(findings_json(findings));
    } else {
        print(context, findings);
    }
    if (findings.count(Severity::kProblem)) return kProblems;
    return findings.count(Severity::kWarning) ? kWarnings : kDone;
}

} // namespace

const netlink::LinkInfo* Subject::link(const std::string& name) const {
    auto found = std::find_if(links.begin(), links.end(),
                              [&](const netlink::LinkInfo& one) { return one.name == name; });
    return found == links.end() ? nullptr : &*found;
}

const netlink::LinkInfo* Subject::link(uint64_t ifindex) const {
    auto found = std::find_if(links.begin(), links.end(),
                              [&](const netlink::LinkInfo& one) { return one.ifindex == ifindex; });
    return found == links.end() ? nullptr : &*found;
}

size_t Findings::count(Severity severity) const {
    return static_cast<size_t>(
        std::count_if(list_.begin(), list_.end(),
                      [&](const Finding& finding) { return finding.severity == severity; }));
}

Findings examine(const Context& context) {
    Subject subject{context};
    read_api(subject);
    read_pins(subject);
    read_kernel(subject);
    Findings findings;
    check_kernel(subject, findings);
    check_daemon(subject, findings);
    check_objects(subject, findings);
    check_pins(subject, findings);
    check_maps(subject, findings);
    check_limits(subject, findings);
    if (!subject.same_netns) {
        findings.warn("namespace",
                      "the maps are of another network namespace than this one: devices, routes "
                      "and sysctls were not looked at",
                      "run it where cnetd runs: nsenter --net=/run/netns/NAME cnet-bpf doctor");
        return findings;
    }
    check_devices(subject, findings);
    check_mtu(subject, findings);
    check_routes(subject, findings);
    check_sysctls(subject, findings);
    return findings;
}

Json findings_json(const Findings& findings) {
    Json list = Json::array();
    for (const Finding& finding : findings.list()) {
        list.push_back({{"severity", name_of(finding.severity)},
                        {"area", finding.area},
                        {"what", finding.what},
                        {"advice", finding.advice.empty() ? Json() : Json(finding.advice)}});
    }
    return {{"problems", findings.count(Severity::kProblem)},
            {"warnings", findings.count(Severity::kWarning)},
            {"findings", list}};
}

Object doctor_object() {
    return {"doctor",
            "what is wrong, and what to do about it; works while cnetd is dead",
            {{{""},
              "Looks at the kernel, the daemon, its maps, programs and devices. Exit status 0: all "
              "is well, 5: warnings, 6: problems.",
              {},
              {},
              run,
              Verb::Repeat::kNever}}};
}

} // namespace cnet::cli
