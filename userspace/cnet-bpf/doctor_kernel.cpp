#include <sys/timex.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "loader/cgroup.h"
#include "loader/probe.h"
#include "userspace/base/file.h"
#include "userspace/cnet-bpf/doctor.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"
#include "userspace/netlink/sysctl.h"

namespace cnet::cli {
namespace {

constexpr time_t kNoEarlier = 1704067200; // 2024: a clock before that was never set

// Empty when there is no such file.
std::string sysctl(const std::string& name) {
    auto text = read_file("/proc/sys/" + name);
    if (!text) return {};
    return text->substr(0, text->find('\n'));
}

void check_version(Findings& findings) {
    utsname name{};
    unsigned major = 0, minor = 0;
    if (uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2) return;
    if (major < 6 || (major == 6 && minor < 1)) {
        findings.problem("kernel", std::string(name.release) + " is older than 6.1",
                         "boot a newer one: Debian 12 has 6.1, and 6.12 in backports");
    }
}

void check_bpf(Findings& findings) {
    auto features = loader::probe_kernel();
    if (!features) {
        findings.problem("kernel", features.error().message(),
                         "a kernel of Debian's has all that is needed; lockdown and containers "
                         "can keep it away");
        return;
    }
    findings.ok("kernel", features->kernel + ", programs are attached by " +
                              std::string(loader::to_string(features->attach_kind)));
    if (!loader::has_cgroup_programs()) {
        findings.warn("kernel", "has no programs on cgroups (CONFIG_CGROUP_BPF)",
                      "processes of the host cannot reach published ports; containers and others "
                      "can");
    }
    if (sysctl("net/core/bpf_jit_enable") == "0") {
        findings.warn("kernel", "programs are interpreted: net.core.bpf_jit_enable is 0",
                      "sysctl -w net.core.bpf_jit_enable=1, and keep it in /etc/sysctl.d");
    }
    if (sysctl("kernel/bpf_stats_enabled") == "1") {
        findings.warn("kernel", "kernel.bpf_stats_enabled is 1, which costs time with each packet",
                      "sysctl -w kernel.bpf_stats_enabled=0 when nobody measures any more");
    }
}

void check_clock(const Subject& subject, Findings& findings) {
    if (std::time(nullptr) < kNoEarlier) {
        findings.problem("clock", "the clock is years behind",
                         "set it: certificates of etcd and times in logs are wrong until then");
    }
    timex state{};
    const bool synchronized = adjtimex(&state) != TIME_ERROR;
    if (!synchronized && !value_at(subject.status, "cluster").is_null()) {
        findings.warn("clock", "nobody keeps the clock, and this host is in a cluster",
                      "run chrony or systemd-timesyncd: certificates and logs of hosts compare "
                      "times");
    }
}

std::string of_device(const char* family, const std::string& device, const char* key) {
    auto value = netlink::read_sysctl(netlink::sysctl_path(family, device, key));
    return value ? *value : std::string();
}

struct Family {
    const char* name; // of sysctls
    bool v4;
};
constexpr Family kFamilies[] = {{"ipv4", true}, {"ipv6", false}};

bool has_family(const Json& network, bool v4) {
    for (const Json& subnet : list_at(network, "subnets")) {
        auto prefix = IpPrefix::parse(text_of(subnet));
        if (prefix && prefix->is_v4() == v4) return true;
    }
    return false;
}

std::string mode_of(const Json& network, bool v4) {
    const std::string mode6 = text_at(network, "mode6"); // empty: `mode` is of both
    return v4 || mode6.empty() ? text_at(network, "mode") : mode6;
}

// The larger of the device's and everybody's is what counts.
bool filters_strictly(const std::string& device) {
    return std::max(of_device("ipv4", device, "rp_filter"),
                    of_device("ipv4", "all", "rp_filter")) == "1";
}

void check_host_port(const Json& network, const Family& family, Findings& findings) {
    const std::string device = text_at(network, "host_port");
    if (!has_family(network, family.v4) || mode_of(network, family.v4) == "isolated") return;
    if (of_device(family.name, device, "forwarding") == "0") {
        findings.problem("sysctl",
                         std::string("net.") + family.name + ".conf." + device +
                             ".forwarding is 0: endpoints of " + text_at(network, "name") +
                             " reach nothing outside",
                         "cnetd sets it within seconds; if it does not stay, find who clears it (a "
                         "later `sysctl -w net.ipv4.ip_forward=0` or "
                         "`net.ipv6.conf.all.forwarding=0` does)");
    }
    if (family.v4 && filters_strictly(device)) {
        findings.warn("sysctl",
                      "rp_filter is strict on " + device +
                          ": the host drops what it has no route back to by the same device",
                      "sysctl -w net.ipv4.conf." + device +
                          ".rp_filter=2 (loose), as cnetd sets it, and find who changed it");
    }
}

// IPv6 is forwarded by all devices or by none, before Linux 6.17.
bool forwards(const Family& family, const std::string& device) {
    if (family.v4) return of_device("ipv4", device, "forwarding") != "0";
    return of_device("ipv6", "all", "forwarding") != "0" ||
           of_device("ipv6", device, "force_forwarding") == "1";
}

// Of one family.
bool is_open(const std::string& mode) {
    return mode.starts_with("routed") || mode == "nat-unprotected";
}

void check_routed(const Subject& subject, const Json& network, const Family& family,
                  Findings& findings) {
    if (!has_family(network, family.v4) || !is_open(mode_of(network, family.v4))) return;
    for (const Json& uplink : subject.uplinks) {
        const std::string device = text_at(uplink, "device");
        if (forwards(family, device)) continue;
        findings.warn("sysctl",
                      "network " + text_at(network, "name") + " is open to outside and " + device +
                          " does not forward" + (family.v4 ? "" : " IPv6") +
                          ": it is not reachable from there",
                      std::string("sysctl -w ") +
                          (family.v4 ? "net.ipv4.ip_forward=1" : "net.ipv6.conf.all.forwarding=1") +
                          ", and keep it in /etc/sysctl.d");
    }
}

} // namespace

void check_kernel(const Subject& subject, Findings& findings) {
    check_version(findings);
    check_bpf(findings);
    check_clock(subject, findings);
}

void check_sysctls(const Subject& subject, Findings& findings) {
    for (const Json& network : subject.networks) {
        for (const Family& family : kFamilies) {
            check_host_port(network, family, findings);
            check_routed(subject, network, family, findings);
        }
    }
    const bool filtered = sysctl("net/bridge/bridge-nf-call-iptables") == "1" ||
                          sysctl("net/bridge/bridge-nf-call-ip6tables") == "1";
    if (filtered && !subject.adopted.empty()) {
        findings.warn("sysctl",
                      "net.bridge.bridge-nf-call-iptables is 1: rules of the host see frames that "
                      "are left to an adopted bridge, and not those that go past it",
                      "sysctl -w net.bridge.bridge-nf-call-iptables=0 unless rules about bridged "
                      "frames are wanted; `cnet-bpf release BRIDGE` brings all of them back");
    }
}

} // namespace cnet::cli
