#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <set>

#include "loader/clsact.h"
#include "loader/tcx.h"
#include "userspace/cnet-bpf/doctor.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kAlias = "cnet-bpf ";
constexpr uint32_t kVxlanOverhead4 = 50;

struct Side {
    loader::TcxSide side;
    const char* name;
};
constexpr Side kSides[] = {{loader::TcxSide::kIngress, "ingress"},
                           {loader::TcxSide::kEgress, "egress"}};

// Devices that one of our programs is on.
std::set<uint64_t> devices_of(const Subject& subject) {
    std::set<uint64_t> devices;
    for (const Json& program : subject.programs) {
        for (const Json& device : list_at(program, "devices"))
            devices.insert(number_at(device, "ifindex"));
    }
    return devices;
}

void check_tcx(const netlink::LinkInfo& link, const Side& side, Findings& findings) {
    auto entries = loader::tcx_query(link.ifindex, side.side);
    if (!entries) return; // no tcx in this kernel, or no such device any more
    bool after_ours = false;
    for (const loader::TcxEntry& entry : *entries) {
        auto name = loader::program_name(entry.prog_id);
        if (!name || name->empty()) continue;
        if (name->starts_with("cnet_")) {
            after_ours = true;
            continue;
        }
        findings.warn("programs",
                      "program " + *name + " (" + std::to_string(entry.prog_id) + ") is on " +
                          link.name + ' ' + side.name + (after_ours ? " after" : " before") +
                          " ours",
                      after_ours ? "it sees what ours passes on alone"
                                 : "what it drops or redirects is never ours: attach it after "
                                   "ours, or not at all");
    }
}

void check_others(const netlink::LinkInfo& link, Findings& findings) {
    for (const Side& side : kSides) {
        check_tcx(link, side, findings);
        auto foreign = loader::clsact_has_foreign(link.ifindex, side.side);
        if (foreign && *foreign) {
            findings.warn("programs", "somebody has a tc filter on " + link.name + ' ' + side.name,
                          "what ours redirects passes it by, or it takes what is ours: tc filter "
                          "show dev " +
                              link.name + ' ' + side.name);
        }
    }
    uint32_t xdp = 0;
    if (bpf_xdp_query_id(static_cast<int>(link.ifindex), 0, &xdp) != 0 || xdp == 0) return;
    auto name = loader::program_name(xdp);
    if (name && name->starts_with("cnet_")) return; // `uplink set --xdp native`
    findings.warn("programs",
                  "XDP program " + (name ? *name : std::string()) + " (" + std::to_string(xdp) +
                      ") is on " + link.name,
                  "it runs before ours and sees each packet first: ip link set dev " + link.name +
                      " xdp off, if it is not meant to");
}

// Aggregates that were put together without regard to headers cannot be forwarded.
void check_lro(const netlink::LinkInfo& link, Findings& findings) {
    UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_value value{};
    value.cmd = ETHTOOL_GFLAGS;
    ifreq request{};
    link.name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&value);
    if (!fd || ioctl(fd.get(), SIOCETHTOOL, &request) != 0 || !(value.data & ETH_FLAG_LRO)) return;
    findings.warn("offloads", link.name + " has large receive offload on",
                  "ethtool -K " + link.name +
                      " lro off: what is forwarded must keep its segments; "
                      "GRO does the same work and may stay");
}

std::set<std::string> owned_devices(const Subject& subject) {
    std::set<std::string> owned;
    for (const Json& endpoint : subject.endpoints)
        owned.insert(text_at(endpoint, "host_ifname"));
    for (const Json& network : subject.networks) {
        const std::string outer = text_at(network, "host_port");
        owned.insert(outer);
        if (outer.starts_with("cngw")) owned.insert("cnhp" + outer.substr(4));
    }
    return owned;
}

// What no command knows; without cnetd, what no program is on. The overlay's own devices come and
// go with the networks that need them, which cnetd knows alone.
void check_leaked(const Subject& subject, Findings& findings) {
    const std::set<std::string> owned = owned_devices(subject);
    const std::set<uint64_t> carrying = devices_of(subject);
    for (const netlink::LinkInfo& link : subject.links) {
        if (!link.alias.starts_with(kAlias)) continue;
        const bool endpoint = link.name.starts_with("cnet");
        const bool host_port = link.name.starts_with("cngw");
        const bool known = subject.reachable ? owned.contains(link.name) || !(endpoint || host_port)
                                             : carrying.contains(link.ifindex) || !endpoint;
        if (known) continue;
        findings.warn("leaked", "device " + link.name + " (" + link.alias + ") belongs to nothing",
                      (subject.reachable ? "cnetd removes it with the next reconcile"
                                         : "start cnetd, which removes it") +
                          ("; or ip link delete " + link.name));
    }
}

} // namespace

void check_devices(const Subject& subject, Findings& findings) {
    for (uint64_t ifindex : devices_of(subject)) {
        const netlink::LinkInfo* link = subject.link(ifindex);
        if (link) check_others(*link, findings);
    }
    for (const Json& uplink : subject.uplinks) {
        const netlink::LinkInfo* link = subject.link(number_at(uplink, "ifindex"));
        if (!link) continue;
        check_lro(*link, findings);
        if (!link->up) {
            findings.warn("uplink", link->name + " is down", "ip link set " + link->name + " up");
        }
    }
    check_leaked(subject, findings);
}

void check_mtu(const Subject& subject, Findings& findings) {
    for (const Json& network : subject.networks) {
        const uint64_t mtu = number_at(network, "mtu");
        const std::string name = text_at(network, "name");
        const bool overlay = value_at(network, "vni").is_number();
        for (const Json& uplink : subject.uplinks) {
            const netlink::LinkInfo* link = subject.link(number_at(uplink, "ifindex"));
            if (!link || text_at(network, "mode") == "isolated") continue;
            const uint64_t needed = mtu + (overlay ? kVxlanOverhead4 : 0);
            if (link->mtu >= needed) continue;
            const uint64_t fits = link->mtu - (overlay ? kVxlanOverhead4 : 0);
            findings.warn("mtu",
                          "network " + name + " has an MTU of " + std::to_string(mtu) + ", and " +
                              link->name + " takes " + std::to_string(link->mtu) +
                              (overlay ? " with the outer headers" : ""),
                          "large packets are split, or refused by ICMP, which some firewalls drop: "
                          "cnet-bpf network set " +
                              name + " --mtu " + std::to_string(fits));
        }
        for (const Json& endpoint : subject.endpoints) {
            if (text_at(endpoint, "network") != name) continue;
            const netlink::LinkInfo* link = subject.link(text_at(endpoint, "host_ifname"));
            if (!link || link->mtu == mtu) continue;
            findings.warn("mtu",
                          "endpoint " + text_at(endpoint, "name") + " has an MTU of " +
                              std::to_string(link->mtu) + ", its network " + std::to_string(mtu),
                          "somebody changed " + link->name + "; cnet-bpf network set " + name +
                              " --mtu " + std::to_string(mtu) + " sets it again");
        }
    }
}

void check_routes(const Subject& subject, Findings& findings) {
    for (const Json& network : subject.networks) {
        const netlink::LinkInfo* own = subject.link(text_at(network, "host_port"));
        for (const Json& subnet : list_at(network, "subnets")) {
            auto prefix = IpPrefix::parse(text_of(subnet));
            if (!prefix || !own) continue;
            for (const netlink::RouteInfo& route : subject.routes) {
                if (route.ifindex == own->ifindex || !route.destination.overlaps(*prefix)) continue;
                const netlink::LinkInfo* other = subject.link(route.ifindex);
                if (!other || other->alias.starts_with(kAlias)) continue;
                findings.warn("routes",
                              "the host has a route to " + route.destination.to_string() + " by " +
                                  other->name + ", and " + text_of(subnet) + " is network " +
                                  text_at(network, "name"),
                              "one of the two is not reachable from the host: remove the route, or "
                              "give the network another subnet");
            }
        }
    }
}

} // namespace cnet::cli
