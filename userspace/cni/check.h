// CHECK: is the container still attached as ADD's result (prevResult) says?
#pragma once

#include "userspace/cni/config.h"
#include "userspace/cni/environment.h"
#include "userspace/cni/shared.h"

namespace cnet::cni {

Done check(Daemon& daemon, const Config& config, const Environment& environment);

} // namespace cnet::cni
