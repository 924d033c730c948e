// The objects of the grammar, each in a file of its name.
#pragma once

#include "userspace/cnet-bpf/grammar.h"

namespace cnet::cli {

Object status_object();
Object version_object();
Object network_object();
Object sandbox_object();
Object endpoint_object();
Object port_object();
Object uplink_object();
Object peer_object();
Object adopt_object();
Object release_object();
Object fdb_object();
Object neigh_object();
Object ct_object();
Object nat_object();
Object map_object();
Object prog_object();
Object drops_object();
Object metrics_object();
Object doctor_object();
Object dump_object();
Object completion_object();
Object topology_object();
Object complete_object(); // for the scripts of the former
Object explain_object();
Object monitor_object();
Object capture_object();

Grammar whole_grammar();

} // namespace cnet::cli
