// The IPAM plugin that the configuration names, run as the specification's section 4 has it: found
// in CNI_PATH, the same environment and configuration, its result on stdout.
#pragma once

#include <string>

#include "userspace/cni/config.h"
#include "userspace/cni/environment.h"
#include "userspace/cni/shared.h"

namespace cnet::cni {

// Runs it with the verb `command`. Its own error is passed on with its code; what it prints is the
// value, null when that is nothing. Without delegation nothing happens.
Outcome<Json> delegate(const Config& config, const Environment& environment,
                       const std::string& command);
// The same for GC and STATUS, which plugins older than them refuse as an unknown verb: then there
// is nothing to collect or to report.
Done delegate_if_known(const Config& config, const Environment& environment,
                       const std::string& command);

} // namespace cnet::cni
