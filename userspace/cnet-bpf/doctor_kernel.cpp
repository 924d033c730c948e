#include <sys/timex.h>
#include <sys/utsname.h>

#include <cstdio>
#include <ctime>

#include "loader/cgroup.h"
#include "loader/probe.h"
#include "userspace/base/file.h"
#include "userspace/cnet-bpf/doctor.h"
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

void check_host_ports(const Subject& subject, Findings& findings) {
    for (const Json& network : subject.networks) {
        if (text_at(network, "mode") == "isolated") continue;
        const std::string device = text_at(network, "host_port");
        if (of_device("ipv4", device, "forwarding") == "0") {
            findings.problem("sysctl",
                             "net.ipv4.conf." + device + ".forwarding is 0: endpoints of " +
                                 text_at(network, "name") + " reach nothing outside",
                             "cnetd sets it within seconds; if it does not stay, find who clears "
                             "it (a later `sysctl -w net.ipv4.ip_forward=0` does)");
        }
        if (of_device("ipv4", device, "rp_filter") == "1" ||
            of_device("ipv4", "all", "rp_filter") == "1") {
            findings.warn("sysctl",
                          "rp_filter is strict on " + device +
                              ": the host drops what it has no route back to by the same device",
                          "sysctl -w net.ipv4.conf.all.rp_filter=2 (loose) where several networks "
                          "or routes reach one subnet");
        }
    }
}

// Of one family.
bool is_open(const std::string& mode) {
    return mode.starts_with("routed") || mode == "nat-unprotected";
}

void check_routed(const Subject& subject, Findings& findings) {
    for (const Json& network : subject.networks) {
        if (!is_open(text_at(network, "mode")) && !is_open(text_at(network, "mode6"))) continue;
        for (const Json& uplink : subject.uplinks) {
            const std::string device = text_at(uplink, "device");
            if (of_device("ipv4", device, "forwarding") != "0") continue;
            findings.warn("sysctl",
                          "network " + text_at(network, "name") + " is open to outside and " +
                              device + " does not forward: it is not reachable from there",
                          "sysctl -w net.ipv4.ip_forward=1 (and "
                          "net.ipv6.conf.all.forwarding=1), and keep it in /etc/sysctl.d");
        }
    }
}

} // namespace

void check_kernel(const Subject& subject, Findings& findings) {
    check_version(findings);
    check_bpf(findings);
    check_clock(subject, findings);
}

void check_sysctls(const Subject& subject, Findings& findings) {
    check_host_ports(subject, findings);
    check_routed(subject, findings);
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
