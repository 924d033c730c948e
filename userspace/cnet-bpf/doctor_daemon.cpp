#include <unistd.h>

#include <filesystem>

#include "maps/abi.h"
#include "userspace/cnet-bpf/doctor.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

// "mnt:[4026531840]"; empty when it cannot be read.
std::string namespace_of(const std::string& pid, const char* kind) {
    std::error_code error;
    auto target = std::filesystem::read_symlink("/proc/" + pid + "/ns/" + kind, error);
    return error ? std::string() : target.native();
}

void check_namespaces(const Subject& subject, Findings& findings) {
    const std::string pid = text_at(subject.status, "pid");
    const std::string mine = namespace_of("self", "net"), its = namespace_of(pid, "net");
    if (!its.empty() && its != mine) {
        findings.warn("cnetd", "process " + pid + " is in another network namespace than this one",
                      "devices and addresses seen here are not the ones it works on: nsenter "
                      "--net=/proc/" +
                          pid + "/ns/net cnet-bpf doctor");
    }
    const std::string mounts = namespace_of(pid, "mnt"), of_init = namespace_of("1", "mnt");
    if (!mounts.empty() && !of_init.empty() && mounts != of_init) {
        findings.problem("cnetd",
                         "it is in a mount namespace of its own: pins and sandboxes that it "
                         "mounts there die with it",
                         "take ProtectSystem=, PrivateTmp= and their kind out of its unit, and do "
                         "not start it by `ip netns exec`");
    }
}

void check_cluster(const Subject& subject, Findings& findings) {
    const Json& cluster = value_at(subject.status, "cluster");
    if (cluster.is_null()) return;
    if (value_at(cluster, "connected") == Json(false)) {
        findings.problem("cluster", "etcd does not answer: " + text_at(cluster, "error"),
                         "traffic goes on; look at etcd, at [cluster] in cnetd.toml and at the "
                         "way to it (curl --cacert ... https://HOST:2379/health)");
    }
    for (const Json& conflict : list_at(cluster, "conflicts")) {
        findings.problem("cluster", text_of(conflict),
                         "change what this host has of its own, or the network of the cluster");
    }
}

void check_status(const Subject& subject, Findings& findings) {
    const Json& reconcile = value_at(subject.status, "reconcile");
    const std::string error = text_at(reconcile, "last_error");
    if (!error.empty()) {
        findings.problem("cnetd", "cannot make the kernel agree: " + error,
                         "it tries again every 30 seconds; the log has more: journalctl -u cnetd");
    }
    const Json& sock = value_at(subject.status, "sock");
    if (const std::string why = text_at(sock, "error"); !why.empty()) {
        findings.warn("cnetd", "processes of the host do not reach published ports: " + why,
                      "mount cgroup2, or name a directory of it: [sock] cgroup in cnetd.toml");
    }
    if (const std::string version = text_at(subject.status, "version"); version != CNET_VERSION) {
        findings.warn("cnetd", "it is version " + version + ", this program is " CNET_VERSION,
                      "systemctl restart cnetd: traffic goes on meanwhile");
    }
}

std::string advice_for(const std::string& state, const std::string& name) {
    if (state == "netns-gone")
        return "its namespace is gone: cnet-bpf endpoint delete " + name +
               ", or make the namespace again";
    if (state == "waiting")
        return "Docker has not moved it into a container yet; forgotten ones go after [docker] "
               "forget_after_s";
    return "somebody set its device down: cnetd sets it up again within seconds; look inside the "
           "namespace (ip link) if it stays";
}

void check_endpoints(const Subject& subject, Findings& findings) {
    for (const Json& endpoint : subject.endpoints) {
        const std::string state = text_at(endpoint, "state"), name = text_at(endpoint, "name");
        if (state == "up" || state == "waiting") continue;
        findings.problem("endpoint", name + " is " + state, advice_for(state, name));
    }
}

} // namespace

void check_daemon(const Subject& subject, Findings& findings) {
    if (!subject.reachable) {
        findings.problem("cnetd", subject.unreachable_why,
                         "traffic of what exists goes on, nothing can be changed; why it ended: "
                         "journalctl -u cnetd");
        return;
    }
    findings.ok("cnetd", text_at(subject.status, "version") + ", pid " +
                             text_at(subject.status, "pid") + ", up " +
                             seconds_at(subject.status, "uptime_s"));
    check_namespaces(subject, findings);
    check_status(subject, findings);
    check_cluster(subject, findings);
}

void check_objects(const Subject& subject, Findings& findings) {
    check_endpoints(subject, findings);
    for (const Json& port : subject.ports) {
        if (text_at(port, "reservation") != "none") continue;
        const std::string number = text_at(port, "host_port");
        findings.problem("port",
                         "port " + number + '/' + text_at(port, "protocol") + " of " +
                             text_at(port, "endpoint") + " is a process's of the host by now",
                         "find it (ss -lnp 'sport = :" + number +
                             "') and end it, or unpublish the port");
    }
    for (const Json& peer : subject.peers) {
        if (text_at(peer, "origin") != "gone") continue;
        findings.warn("peer",
                      "host " + text_at(peer, "name") + " (" + text_at(peer, "address") +
                          ") is gone from the cluster",
                      "cnet-bpf peer delete " + text_at(peer, "address") +
                          " gives back its addresses, if it does not come back");
    }
    if (subject.reachable && subject.uplinks.empty() && !subject.networks.empty()) {
        findings.warn("uplink", "there is no uplink: nothing leaves the host",
                      "cnet-bpf uplink add DEVICE, or give the device an address");
    }
    for (const Json& bridge : subject.adopted) {
        if (text_at(bridge, "state") == "adopted") continue;
        findings.warn("bridge",
                      text_at(bridge, "bridge") + " is adopted and " + text_at(bridge, "state") +
                          (text_at(bridge, "left").empty() ? "" : ": " + text_at(bridge, "left")),
                      "the bridge serves it as before; cnet-bpf release " +
                          text_at(bridge, "bridge") + " if that is to stay so");
    }
}

} // namespace cnet::cli
