#include "loader/explainer.h"

#include <algorithm>
#include <array>
#include <bpf/bpf.h>

#include "bridge_explain.skel.h"
#include "endpoint_explain.skel.h"
#include "hostport_explain.skel.h"
#include "loader/link.h"
#include "maps/reasons.h"
#include "uplink_egress_explain.skel.h"
#include "uplink_explain.skel.h"
#include "vxlan_explain.skel.h"

namespace cnet::loader {

namespace {

// What encapsulation and ICMP errors add, at most.
constexpr size_t kGrowth = 512;

struct Build {
    cnet_hook hook;
    const char* name;
    const void* (*elf_bytes)(size_t* size);
};

constexpr std::array kBuilds = {
    Build{CNET_HOOK_ENDPOINT, "endpoint_explain", endpoint_explain_bpf__elf_bytes},
    Build{CNET_HOOK_HOSTPORT, "hostport_explain", hostport_explain_bpf__elf_bytes},
    Build{CNET_HOOK_UPLINK, "uplink_explain", uplink_explain_bpf__elf_bytes},
    Build{CNET_HOOK_UPLINK_EGRESS, "egress_explain", uplink_egress_explain_bpf__elf_bytes},
    Build{CNET_HOOK_VXLAN, "vxlan_explain", vxlan_explain_bpf__elf_bytes},
    Build{CNET_HOOK_BRIDGE_PORT, "bridge_explain", bridge_explain_bpf__elf_bytes},
    Build{CNET_HOOK_BRIDGE, "bridge_explain", bridge_explain_bpf__elf_bytes},
};

} // namespace

Result<Explainer> Explainer::load(const DataPath& data_path, cnet_hook hook) {
    auto build = std::find_if(kBuilds.begin(), kBuilds.end(),
                              [&](const Build& candidate) { return candidate.hook == hook; });
    if (build == kBuilds.end()) {
        return Error(ErrorKind::kInvalid,
                     "no packets pass hook " + std::string(maps::hook_name(hook)));
    }
    size_t size = 0;
    const void* bytes = build->elf_bytes(&size);
    ObjectSettings settings{data_path.pins(), {}, data_path.config()};
    settings.config.dry_run = 1;
    OtherSizes known; // the data path has told of them itself
    auto object = Object::load({build->name, bytes, size}, settings, known);
    if (!object) return object.error();
    const int program = object->program_fd(programs_of(hook).front());
    if (program < 0 || object->section_fd(CNET_TRACE_SECTION) < 0) {
        return Error(ErrorKind::kSystem, std::string(build->name) + " is not built to explain");
    }
    return Explainer(std::move(*object), program);
}

Result<Explained> Explainer::run(uint32_t ifindex, const std::vector<uint8_t>& frame,
                                 uint32_t gso_size) const {
    const int log = object_.section_fd(CNET_TRACE_SECTION);
    const uint32_t zero = 0;
    cnet_trace trace{};
    if (bpf_map_update_elem(log, &zero, &trace, BPF_ANY) != 0) {
        return Error::system("clear the trace");
    }
    Explained explained;
    explained.frame.resize(frame.size() + kGrowth);
    struct __sk_buff context {};
    context.ifindex = ifindex;
    context.gso_size = gso_size;
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<uint32_t>(frame.size());
    options.data_out = explained.frame.data();
    options.data_size_out = static_cast<uint32_t>(explained.frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.repeat = 1;
    if (int error = bpf_prog_test_run_opts(program_, &options); error != 0) {
        return Error::system("run the program on the packet", -error);
    }
    explained.frame.resize(options.data_size_out);
    explained.verdict = static_cast<int>(options.retval);
    if (bpf_map_lookup_elem(log, &zero, &trace) != 0) return Error::system("read the trace");
    const size_t count = std::min<size_t>(trace.count, CNET_TRACE_STEPS);
    explained.steps.assign(trace.steps, trace.steps + count);
    return explained;
}

} // namespace cnet::loader
