// Devices of the host that somebody else made, as ports of networks: which may be one, and which of
// those attached are there to be one now. Pure.
#pragma once

#include <string>

#include "userspace/base/result.h"
#include "userspace/control/model.h"
#include "userspace/control/observed.h"

namespace cnet::control {

// Something that can be no port, whoever asks: the sentence that says why.
Status check_attachable(const netlink::LinkInfo& link, const State& state);
// The device while it can be a port, or null: it is gone, or has become something else meanwhile.
const netlink::LinkInfo* find_attached_link(const AttachedDevice& attached, const State& state,
                                            const Observed& observed);
// A device that filters by destination address must stop doing so, as a bridge makes it.
bool needs_promiscuity(const netlink::LinkInfo& link);

} // namespace cnet::control
