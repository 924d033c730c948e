// The endpoints that GC's list leaves out go; and whether an ADD has a chance.
#pragma once

#include "userspace/cni/config.h"
#include "userspace/cni/environment.h"
#include "userspace/cni/shared.h"

namespace cnet::cni {

Done collect(Daemon& daemon, const Config& config, const Environment& environment); // GC
Done status(Daemon& daemon, const Config& config, const Environment& environment);  // STATUS

} // namespace cnet::cni
