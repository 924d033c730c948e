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

ObjectImage image(const char* name, ElfBytes elf_bytes) {
    size_t size = 0;
    const void* bytes = elf_bytes(&size);
    return {name, bytes, size};
}

} // namespace

Result<std::unique_ptr<DataPath>> DataPath::open(const Paths& paths,
                                                 const DataPathSettings& settings) {
    std::vector<ObjectImage> images = {image("endpoint", endpoint_bpf__elf_bytes),
                                       image("hostport", hostport_bpf__elf_bytes),
                                       image("uplink", uplink_bpf__elf_bytes),
                                       image("uplink_egress", uplink_egress_bpf__elf_bytes),
                                       image("uplink_xdp", uplink_xdp_bpf__elf_bytes),
                                       image("vxlan", vxlan_bpf__elf_bytes),
                                       image("bridge", bridge_bpf__elf_bytes),
                                       image("gc", gc_bpf__elf_bytes)};
    if (has_cgroup_programs()) images.push_back(image("sock", sock_bpf__elf_bytes));
    return open(paths, settings, images);
}

} // namespace cnet::loader
