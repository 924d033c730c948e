// ADD and DEL.
#pragma once

#include "userspace/cni/config.h"
#include "userspace/cni/environment.h"
#include "userspace/cni/shared.h"

namespace cnet::cni {

// The result. After a fault nothing is left of what this call made, as far as cnetd answers.
Outcome<Json> add(Daemon& daemon, const Config& config, const Environment& environment);
// Also of what was never added, or is half gone.
Done del(Daemon& daemon, const Config& config, const Environment& environment);

} // namespace cnet::cni
