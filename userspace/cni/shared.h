// What of userspace/plugin is spoken of by its bare name here.
#pragma once

#include "userspace/plugin/daemon.h"
#include "userspace/plugin/endpoints.h"
#include "userspace/plugin/inside.h"
#include "userspace/plugin/json.h"
#include "userspace/plugin/outcome.h"
#include "userspace/plugin/ports.h"
#include "userspace/plugin/reader.h"

namespace cnet::cni {

using plugin::add_routes;
using plugin::Answer;
using plugin::Code;
using plugin::Daemon;
using plugin::difference;
using plugin::Done;
using plugin::Expected;
using plugin::Fault;
using plugin::has_default_route;
using plugin::is_dead;
using plugin::Json;
using plugin::mac_of;
using plugin::Outcome;
using plugin::parse_object;
using plugin::port_specs;
using plugin::PortMapping;
using plugin::Reader;
using plugin::Route;

} // namespace cnet::cni
