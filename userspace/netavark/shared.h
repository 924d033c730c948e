// What of userspace/plugin is spoken of by its bare name here.
#pragma once

#include "userspace/plugin/daemon.h"
#include "userspace/plugin/json.h"
#include "userspace/plugin/outcome.h"
#include "userspace/plugin/ports.h"
#include "userspace/plugin/reader.h"

namespace cnet::netavark {

using plugin::Code;
using plugin::Daemon;
using plugin::Done;
using plugin::Fault;
using plugin::Json;
using plugin::Outcome;
using plugin::Reader;

} // namespace cnet::netavark
