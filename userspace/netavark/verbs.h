// The verbs of a netavark plugin; each answers what it prints.
#pragma once

#include "userspace/netavark/request.h"

namespace cnet::netavark {

// The network is made, and described as it came, with what cnetd chose. podman tells no plugin
// that a network is deleted, so the same one again is success.
Outcome<Json> create(Daemon& daemon, const Network& network);
// A container is on it. What is left of a failure is taken away.
Outcome<Json> setup(Daemon& daemon, const Attachment& attachment, const std::string& netns);
// Absent is success.
Done teardown(Daemon& daemon, const Attachment& attachment);
Json info();

} // namespace cnet::netavark
