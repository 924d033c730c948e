#include "userspace/control/reconcile.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "userspace/control/desired_maps.h"
#include "userspace/control/diff.h"
#include "userspace/control/host_subnets.h"
#include "userspace/control/links.h"

namespace cnet::control {

namespace {

void append(std::vector<Change>& to, std::vector<Change> from) {
    std::move(from.begin(), from.end(), std::back_inserter(to));
}

} // namespace

std::vector<Change> reconcile(const State& desired, const Observed& observed) {
    std::vector<Change> changes = missing_links(desired, observed);
    if (!changes.empty()) return changes;

    const MapContents wanted = desired_maps(desired, observed);
    MapDiff maps = diff_maps(observed.maps, wanted);
    append(changes, std::move(maps.additions));
    append(changes, std::move(maps.slots));

    // A program before its device is up: what a device sends never meets the bare kernel.
    std::set<Attachment> hooks;
    for (AttachHook& hook : desired_hooks(desired, observed)) {
        hooks.insert(hook.attachment);
        if (!observed.attachments.contains(hook.attachment)) changes.push_back(std::move(hook));
    }
    append(changes, link_settings(desired, observed));

    append(changes, host_route_changes(desired, observed));

    append(changes, std::move(maps.removals));
    if (PurgeMacs macs = macs_to_purge(observed.maps, wanted); !macs.empty()) {
        changes.push_back(std::move(macs));
    }
    if (PurgeFlows flows = flows_to_purge(observed.maps, wanted); !flows.empty()) {
        changes.push_back(std::move(flows));
    }
    // A device goes before its program, for the same reason.
    append(changes, stray_links(desired, observed));
    for (const Attachment& attachment : observed.attachments) {
        if (!hooks.contains(attachment)) changes.push_back(DetachHook{attachment});
    }
    return changes;
}

} // namespace cnet::control
