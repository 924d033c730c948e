// Endpoints that nobody will use again: those that GC's list leaves out, and those whose namespace
// went without a DEL, as at a reboot. The latter are left alone until something of theirs (a name,
// an address, a port) is in the way.
#pragma once

#include "userspace/cni/config.h"
#include "userspace/cni/daemon.h"
#include "userspace/cni/environment.h"

namespace cnet::cni {

// Whether the namespace of this endpoint (cnetd's object) is gone, and the device with it.
bool is_dead(const Json& endpoint);
// POST. What dead endpoints have in the way of it is taken from them.
Outcome<Answer> create(Daemon& daemon, const std::string& target, const Json& body);

Done collect(Daemon& daemon, const Config& config, const Environment& environment); // GC
Done status(Daemon& daemon, const Config& config, const Environment& environment);  // STATUS

} // namespace cnet::cni
