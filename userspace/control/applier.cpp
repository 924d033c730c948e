#include "userspace/control/applier.h"

#include <algorithm>
#include <cerrno>

namespace cnet::control {

namespace {

// A kernel without IPv6 has no such files, and nothing to silence.
Status set_ipv6_sysctl(netlink::Rtnl& rtnl, const std::string& name, const std::string& key,
                       const std::string& value) {
    auto status = rtnl.set_sysctl("ipv6", name, key, value);
    if (!status && status.error().errno_value() == ENOENT) return {};
    return status;
}

} // namespace

Status Applier::apply(const Change& change) {
    auto status = std::visit([this](const auto& c) { return run(c); }, change);
    if (status) return status;
    if (const auto* create = std::get_if<CreateVeth>(&change)) {
        observed_.unmakeable.insert(create->spec.name);
    } else if (const auto* vxlan = std::get_if<CreateVxlan>(&change)) {
        observed_.unmakeable.insert(vxlan->spec.name);
    } else if (const auto* receiver = std::get_if<CreateVxlanReceiver>(&change)) {
        observed_.unmakeable.insert(receiver->spec.vxlan.name);
    }
    return status.error().because(describe(change));
}

Status Applier::run(const CreateVeth& change) {
    auto status = rtnl_.create_veth(change.spec);
    if (!status && status.error().kind() == ErrorKind::kConflict &&
        !change.spec.peer_netns.empty()) {
        // Of the two names the host's is ours alone.
        return Error(ErrorKind::kConflict, "a device " + change.spec.peer_name +
                                               " exists already in " + change.spec.peer_netns);
    }
    if (!status) return status;
    if (change.spec.peer_netns.empty()) {
        status = look_up(change.spec.peer_name);
        if (!status) return status;
    }
    return look_up(change.spec.name);
}

Status Applier::run(const CreateVxlan& change) {
    auto status = rtnl_.create_vxlan(change.spec);
    return status ? look_up(change.spec.name) : status;
}

Status Applier::run(const CreateVxlanReceiver& change) {
    auto status = rtnl_.create_vxlan_receiver(change.spec);
    if (status) status = look_up(change.spec.entrance);
    return status ? look_up(change.spec.vxlan.name) : status;
}

Status Applier::run(const DeleteVxlanReceiver& change) {
    auto status = rtnl_.delete_vxlan_receiver(change.spec);
    if (!status) return status;
    for (const std::string& name : {change.spec.entrance, change.spec.vxlan.name})
        observed_.links.erase(name);
    return {};
}

Status Applier::look_up(const std::string& name) {
    auto link = rtnl_.link(name);
    if (!link) return link.error();
    observed_.links[name] = *link;
    return {};
}

Status Applier::run(const DeleteLink& change) {
    auto status = rtnl_.delete_link(change.name);
    if (!status) return status;
    auto gone = observed_.links.find(change.name);
    if (gone == observed_.links.end()) return {};
    observed_.addresses.erase(gone->second.ifindex);
    observed_.host_routes.erase(change.name);
    observed_.links.erase(gone);
    // The other end of a host port goes with it, and that of an endpoint when it is here.
    if (change.name.starts_with("cngw")) observed_.links.erase("cnhp" + change.name.substr(4));
    if (change.name.starts_with("cnet")) observed_.links.erase("cnep" + change.name.substr(4));
    return {};
}

Status Applier::run(const SetMtu& change) {
    auto status = rtnl_.set_mtu(change.name, change.mtu);
    if (status) observed_.links[change.name].mtu = change.mtu;
    return status;
}

Status Applier::run(const SetPromiscuous& change) {
    auto status = rtnl_.set_promiscuous(change.name, change.on);
    if (status) observed_.links[change.name].promiscuous = change.on;
    return status;
}

Status Applier::run(const AddAddress& change) {
    auto status = rtnl_.add_address(change.name, change.address);
    if (!status) return status;
    const uint32_t ifindex = observed_.links[change.name].ifindex;
    observed_.addresses[ifindex].push_back({ifindex, change.address, true, false});
    return {};
}

Status Applier::run(const DeleteAddress& change) {
    auto status = rtnl_.delete_address(change.name, change.address);
    if (!status) return status;
    std::erase_if(
        observed_.addresses[observed_.links[change.name].ifindex],
        [&](const netlink::AddressInfo& address) { return address.prefix == change.address; });
    return {};
}

Status Applier::up(const std::string& name) {
    auto status = rtnl_.set_up(name, true);
    if (status) observed_.links[name].up = true;
    return status;
}

// The host has nothing to say on this device: what arrives is the program's.
Status Applier::silence(const std::string& name) {
    return set_ipv6_sysctl(rtnl_, name, "disable_ipv6", "1");
}

Status Applier::set_host_ipv6(const BringUpHostPort& change) {
    using enum BringUpHostPort::Ipv6;
    if (change.ipv6 == kOff) return silence(change.outer);
    // bpf_fib_lookup asks for forwarding on the device that a packet is said to come from. The host
    // itself forwards IPv6 only with conf/all, which stays as it is.
    const bool routes = change.ipv6 == kRouter;
    auto status = set_ipv6_sysctl(rtnl_, change.outer, "forwarding", routes ? "1" : "0");
    if (status) status = set_ipv6_sysctl(rtnl_, change.outer, "accept_ra", "0");
    // The MAC is given by us, and so is the link-local address made from it.
    if (status) status = set_ipv6_sysctl(rtnl_, change.outer, "accept_dad", "0");
    if (status) status = set_ipv6_sysctl(rtnl_, change.outer, "addr_gen_mode", "0");
    if (status && routes) status = set_ipv6_sysctl(rtnl_, change.outer, "disable_ipv6", "0");
    return status;
}

Status Applier::run(const BringUpHostPort& change) {
    // What the programs hand up may go on to the host's other devices. Loose reverse-path filtering
    // even where conf/all asks for strict: the larger of the two counts, and 2 is the loose one.
    auto status = rtnl_.set_sysctl("ipv4", change.outer, "forwarding", "1");
    if (status) status = rtnl_.set_sysctl("ipv4", change.outer, "rp_filter", "2");
    if (status) status = set_host_ipv6(change);
    if (status) status = silence(change.inner);
    if (status) status = up(change.inner);
    if (status) status = up(change.outer);
    if (status) observed_.not_forwarding.erase(change.outer);
    return status;
}

// Where its program takes everything that arrives, nothing reaches the host's stack, and forwarding
// is what bpf_fib_lookup wants of the device that a packet is said to come from; on the device
// towards other hosts' subnets the host forwards what the program leaves to it.
Status Applier::run(const BringUpVxlan& change) {
    auto status = rtnl_.set_sysctl("ipv4", change.name, "forwarding", "1");
    if (status) status = silence(change.name);
    if (status) status = set_ipv6_sysctl(rtnl_, change.name, "forwarding", "1");
    if (status) status = up(change.name);
    return status;
}

Status Applier::run(const BringUpEndpoint& change) {
    auto status = silence(change.host_ifname);
    if (status) status = rtnl_.configure_endpoint(change.setup);
    if (status && change.ingress) status = rtnl_.limit_rate(change.host_ifname, change.ingress);
    if (status) status = up(change.host_ifname);
    if (status && change.setup.up) status = rtnl_.announce_endpoint(change.setup);
    return status;
}

Status Applier::run(const BringUpHostEnd& change) {
    auto status = silence(change.host_ifname);
    return status ? up(change.host_ifname) : status;
}

Status Applier::run(const UpdateEndpoint& change) {
    auto status = rtnl_.update_endpoint(change.update);
    const std::string& host_ifname = change.update.inside.host_ifname;
    if (!status || observed_.links[host_ifname].mtu == change.update.mtu) return status;
    return run(SetMtu{host_ifname, change.update.mtu});
}

Status Applier::run(const AddHostRoute& change) {
    auto status = rtnl_.add_host_route(change.device, change.route);
    if (status) observed_.host_routes[change.device].push_back(change.route);
    return status;
}

Status Applier::run(const DeleteHostRoute& change) {
    auto status = rtnl_.delete_host_route(change.device, change.route);
    if (status) std::erase(observed_.host_routes[change.device], change.route);
    return status;
}

Status Applier::run(const AttachHook& change) {
    auto status = hooks_.attach(change.attachment, change.ethernet);
    if (status) observed_.attachments.insert(change.attachment);
    return status;
}

Status Applier::run(const DetachHook& change) {
    auto status = hooks_.detach(change.attachment);
    if (status) observed_.attachments.erase(change.attachment);
    return status;
}

// A learned entry where a static one is to be: the collector takes it, so that the count of learned
// ones stays right.
Status Applier::make_way(const cnet_fdb_key& key) {
    auto entry = tables_.find_fdb(key);
    if (!entry) return entry.error();
    if (!*entry || ((*entry)->flags & CNET_FDB_STATIC)) return {};
    cnet_gc_fdb candidate{};
    candidate.key = key;
    auto collected = hooks_.collect(std::vector<cnet_gc_fdb>{candidate});
    if (!collected) return collected.error();
    return {};
}

Status Applier::run(const TableChange& change) {
    if (change.table == Table::kFdb && change.value) {
        cnet_fdb_key key;
        std::memcpy(&key, change.key.data(), sizeof(key));
        auto status = make_way(key);
        if (!status) return status;
    }
    auto status = tables_.apply(change);
    if (status) apply_to(observed_.maps, change);
    return status;
}

Status Applier::run(const SlotChange& change) {
    auto status = tables_.apply(change);
    if (status) apply_to(observed_.maps, change);
    return status;
}

Status Applier::run(const PurgeFlows& change) {
    auto purged = collector_.purge_flows([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
        return change.matches(key, entry);
    });
    if (!purged) return purged.error();
    return {};
}

Status Applier::run(const PurgeMacs& change) {
    auto purged = collector_.purge_macs([&](const cnet_fdb_key& key, const cnet_fdb_entry& entry) {
        return change.matches(key, entry);
    });
    if (!purged) return purged.error();
    return {};
}

} // namespace cnet::control
