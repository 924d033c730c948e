#include <algorithm>

#include "loader/inspect.h"
#include "maps/counters.h"
#include "maps/pin_path.h"
#include "maps/reasons.h"
#include "userspace/cnet-bpf/doctor.h"
#include "userspace/cnet-bpf/pins.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr uint64_t kNearlyFullPercent = 80;

// Programs of a hook that sit on a device, by its index.
bool attached(const Subject& subject, const std::string& hook, uint64_t ifindex) {
    for (const Json& program : subject.programs) {
        if (text_at(program, "hook") != hook) continue;
        for (const Json& device : list_at(program, "devices")) {
            if (number_at(device, "ifindex") == ifindex) return true;
        }
    }
    return false;
}

void expect(const Subject& subject, Findings& findings, const char* hook, uint64_t ifindex,
            const std::string& device) {
    if (ifindex == 0 || attached(subject, hook, ifindex)) return;
    findings.problem("programs", device + " has no program of ours on its hook " + hook,
                     "cnetd attaches it within seconds; if it does not, `cnet-bpf status` says why "
                     "and `systemctl restart cnetd` begins anew");
}

void check_attached(const Subject& subject, Findings& findings) {
    for (const Json& endpoint : subject.endpoints)
        expect(subject, findings, "endpoint", number_at(endpoint, "ifindex"),
               text_at(endpoint, "host_ifname"));
    for (const Json& uplink : subject.uplinks) {
        expect(subject, findings, "uplink", number_at(uplink, "ifindex"),
               text_at(uplink, "device"));
        expect(subject, findings, "uplink_egress", number_at(uplink, "ifindex"),
               text_at(uplink, "device"));
        if (text_at(uplink, "xdp") == "native")
            expect(subject, findings, "uplink_xdp", number_at(uplink, "ifindex"),
                   text_at(uplink, "device"));
    }
}

void check_dead_pins(const Subject& subject, Findings& findings) {
    if (!subject.same_netns) return;
    for (const Json& program : subject.programs) {
        for (const Json& device : list_at(program, "devices")) {
            if (!value_at(device, "device").is_null()) continue;
            findings.warn("pins",
                          "program " + text_at(program, "name") + " is pinned for device #" +
                              text_at(device, "ifindex") + ", which is gone",
                          "a running cnetd removes the pin; it carries no traffic");
        }
    }
}

// A link stays when its device goes, and when somebody takes it off one. Of the latter a running
// cnetd's own list of devices tells.
void check_detached(const Subject& subject, Findings& findings) {
    auto detached = loader::list_detached(subject.context.paths.pins);
    if (!subject.same_netns || !detached) return;
    for (const maps::HookDevice& where : *detached) {
        const std::string hook(maps::hook_name(where.hook));
        const netlink::LinkInfo* link = subject.link(uint64_t{where.ifindex});
        if (!link) {
            findings.warn("pins",
                          "an attachment of hook " + hook + " is pinned for device #" +
                              std::to_string(where.ifindex) + ", which is gone",
                          "a running cnetd removes the pin; it carries no traffic");
        } else if (!subject.reachable) {
            findings.problem("programs", link->name + " has no program of ours on its hook " + hook,
                             "somebody has taken it off: start cnetd, which attaches it again");
        }
    }
}

std::string room_advice(const Subject& subject, const std::string& map) {
    if (map == "cnet_ct")
        return "who has so many connections: cnet-bpf ct list; larger: cnet_ct in [maps] of " +
               subject.context.paths.config.native() + ", and restart cnetd";
    return "larger: " + map + " in [maps] of " + subject.context.paths.config.native() +
           ", and restart cnetd";
}

} // namespace

void check_pins(const Subject& subject, Findings& findings) {
    const std::string pins = subject.context.paths.pins.native();
    if (!subject.pins_error.empty()) {
        findings.problem("pins", subject.pins_error,
                         "start cnetd, which makes them; without them no packet of ours is "
                         "carried");
        return;
    }
    const Json summary = summarize_pins(subject.context.paths.pins);
    if (number_at(summary, "abi_version") != CNET_ABI_VERSION) {
        findings.problem("pins",
                         "the maps below " + pins + " are of version " +
                             text_at(summary, "abi_version") + ", this program knows version " +
                             std::to_string(CNET_ABI_VERSION),
                         "install the cnetd that belongs to them, or `cnetd --release` and "
                         "start this one");
        return;
    }
    findings.ok("pins", text_at(summary, "maps") + " maps, " + text_at(summary, "programs") +
                            " programs, attached " + text_at(summary, "attachments") + " times");
    if (subject.reachable) check_attached(subject, findings);
    check_dead_pins(subject, findings);
    check_detached(subject, findings);
}

void check_maps(const Subject& subject, Findings& findings) {
    for (const Json& map : subject.maps) {
        const std::string name = text_at(map, "name"), type = text_at(map, "type");
        if (type == "array" || type == "percpu_array" || !value_at(map, "entries").is_number())
            continue;
        const uint64_t entries = number_at(map, "entries"), max = number_at(map, "max_entries");
        const std::string fill = name + " has " + std::to_string(entries) + " of at most " +
                                 std::to_string(max) + " entries";
        if (max != 0 && entries >= max)
            findings.problem("maps", fill + ": what is new is refused", room_advice(subject, name));
        else if (max != 0 && entries * 100 >= max * kNearlyFullPercent)
            findings.warn("maps", fill, room_advice(subject, name));
    }
}

void check_limits(const Subject& subject, Findings& findings) {
    auto counters =
        maps::CountersRo::open(maps::map_pin(subject.context.paths.pins, "cnet_counters"));
    if (!counters) return;
    auto totals = counters->totals();
    if (!totals) return;
    for (cnet_reason limit : maps::limit_reasons()) {
        if (limit == CNET_R_ICMP_RATE) continue; // a quiet network reaches it too
        uint64_t packets = 0;
        for (uint32_t hook = 0; hook < CNET_HOOK_MAX; hook++)
            packets += (*totals)[CNET_COUNTER_INDEX(hook, limit)].packets;
        if (packets == 0) continue;
        const maps::Reason& reason = maps::reason(limit);
        findings.warn("limits",
                      std::string(reason.name) + " was counted " + std::to_string(packets) +
                          " times: " + std::string(reason.meaning),
                      "`cnet-bpf --watch drops` shows whether it goes on; `drops reset` begins "
                      "anew");
    }
}

} // namespace cnet::cli
