// The programs of this build, as part of the executable.
#include "loader/data_path.h"

#include "bridge.skel.h"
#include "endpoint.skel.h"
#include "gc.skel.h"
#include "hostport.skel.h"
#include "loader/probe.h"
#include "sock.skel.h"
#include "uplink.skel.h"
#include "uplink_egress.skel.h"
#include "uplink_xdp.skel.h"
#include "vxlan.skel.h"

namespace cnet::loader {

namespace {

using ElfBytes = const void* (*)(size_t* size);

ObjectImage image(const char* name, ElfBytes elf_bytes, std::vector<std::string> programs = {}) {
    size_t size = 0;
    const void* bytes = elf_bytes(&size);
    return {name, bytes, size, std::move(programs)};
}

} // namespace

Result<std::unique_ptr<DataPath>> DataPath::open(const Paths& paths,
                                                 const DataPathSettings& settings) {
    std::vector<ObjectImage> images = {
        image("endpoint", endpoint_bpf__elf_bytes),
        image("hostport", hostport_bpf__elf_bytes),
        image("uplink", uplink_bpf__elf_bytes, {"cnet_uplink"}),
        image("uplink_egress", uplink_egress_bpf__elf_bytes, {"cnet_uplink_egress"}),
        image("uplink_xdp", uplink_xdp_bpf__elf_bytes),
        image("vxlan", vxlan_bpf__elf_bytes),
        image("gc", gc_bpf__elf_bytes)};
    if (has_cgroup_programs()) images.push_back(image("sock", sock_bpf__elf_bytes));
    // Half of what the verifier would walk, for bridges of others and uplinks without Ethernet
    // headers, which few hosts have.
    const std::vector<ObjectImage> on_demand = {
        image("bridge", bridge_bpf__elf_bytes, {"cnet_bridgeport", "cnet_bridge"}),
        image("uplink_l3", uplink_bpf__elf_bytes, {"cnet_uplink_l3"}),
        image("egress_l3", uplink_egress_bpf__elf_bytes, {"cnet_uplink_egr_l3"})};
    return open(paths, settings, images, on_demand);
}

} // namespace cnet::loader
