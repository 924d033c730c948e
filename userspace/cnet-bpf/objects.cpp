#include "userspace/cnet-bpf/objects.h"

namespace cnet::cli {

Grammar whole_grammar() {
    return {status_object(),     version_object(),  network_object(),  sandbox_object(),
            endpoint_object(),   port_object(),     uplink_object(),   peer_object(),
            adopt_object(),      release_object(),  fdb_object(),      neigh_object(),
            ct_object(),         nat_object(),      map_object(),      prog_object(),
            drops_object(),      metrics_object(),  doctor_object(),   dump_object(),
            completion_object(), complete_object(), topology_object(), explain_object(),
            monitor_object(),    capture_object()};
}

} // namespace cnet::cli
