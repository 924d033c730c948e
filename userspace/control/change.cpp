#include "userspace/control/change.h"

#include "maps/reasons.h"
#include "userspace/control/allow_list.h"

namespace cnet::control {

namespace {

std::string hex(const std::vector<uint8_t>& bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (uint8_t byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

std::string text(const CreateVeth& c) {
    return "create veth " + c.spec.name;
}
std::string text(const CreateVxlan& c) {
    return "create vxlan " + c.spec.name;
}
std::string text(const CreateVxlanReceiver& c) {
    return "create vxlan " + c.spec.vxlan.name + " that listens in " + c.spec.netns;
}
std::string text(const DeleteVxlanReceiver& c) {
    return "delete vxlan " + c.spec.vxlan.name + " and " + c.spec.netns;
}
std::string text(const DeleteLink& c) {
    return "delete link " + c.name;
}
std::string text(const SetMtu& c) {
    return "set mtu " + std::to_string(c.mtu) + " on " + c.name;
}
std::string text(const SetPromiscuous& c) {
    return std::string("switch promiscuous mode ") + (c.on ? "on" : "off") + " on " + c.name;
}
std::string text(const AddAddress& c) {
    return "add address " + c.address.to_string() + " to " + c.name;
}
std::string text(const DeleteAddress& c) {
    return "delete address " + c.address.to_string() + " from " + c.name;
}
std::string text(const BringUpHostPort& c) {
    return "bring up host port " + c.outer;
}
std::string text(const BringUpVxlan& c) {
    return "bring up vxlan " + c.name;
}
std::string text(const BringUpEndpoint& c) {
    return "configure " + c.setup.ifname + " in " + c.setup.netns;
}
std::string text(const BringUpHostEnd& c) {
    return "bring up " + c.host_ifname;
}
std::string text(const UpdateEndpoint& c) {
    const netlink::Rtnl::InnerEnd& inside = c.update.inside;
    return "update " + inside.host_ifname + " and its end in " + inside.netns;
}
std::string text(const AddHostRoute& c) {
    return "add the way to " + c.route.subnet.to_string() + " by " + c.device;
}
std::string text(const DeleteHostRoute& c) {
    return "delete the way to " + c.route.subnet.to_string() + " by " + c.device;
}
std::string text(const AttachHook& c) {
    return "attach " + std::string(maps::hook_name(c.attachment.hook)) + " to " + c.device;
}
std::string text(const DetachHook& c) {
    return "detach " + std::string(maps::hook_name(c.attachment.hook)) + " from device " +
           std::to_string(c.attachment.ifindex);
}
std::string text(const TableChange& c) {
    return (c.value ? "write " : "remove ") + std::string(to_string(c.table)) + " entry " +
           hex(c.key);
}
std::string text(const SlotChange& c) {
    return "write cnet_slot " + std::to_string(c.first) + "+" + std::to_string(c.count);
}
std::string text(const PurgeFlows&) {
    return "purge flows";
}
std::string text(const PurgeMacs&) {
    return "purge learned MACs";
}

} // namespace

bool PurgeFlows::matches(const cnet_ct_key& forward, const cnet_ct_entry& entry) const {
    if (entry.binding_id != 0 && bindings.contains(entry.binding_id)) return true;
    if (auto clients = narrowed.find(entry.binding_id); clients != narrowed.end()) {
        if (!permits(clients->second, IpAddress::from_abi(forward.src))) return true;
    }
    if (forward.mapping && mappings.contains(forward.zone)) return true;
    // Both tuples have a side in some zone; an endpoint is either side of a tuple in its network's.
    for (const cnet_ct_key* tuple : {&forward, &entry.other}) {
        const IpAddress src = IpAddress::from_abi(tuple->src);
        const IpAddress dst = IpAddress::from_abi(tuple->dst);
        if (tuple->zone == CNET_ZONE_WORLD) {
            // Seen from outside, the host's own address is what both the peer's packets and its
            // replies are sent to.
            if (host_addresses.contains(dst)) return true;
        } else if (endpoints.contains({tuple->zone, src}) ||
                   endpoints.contains({tuple->zone, dst})) {
            return true;
        } else if (auto known = closed.find(tuple->zone); known != closed.end()) {
            if (!known->second.contains(src) && !known->second.contains(dst)) return true;
        }
    }
    return false;
}

bool PurgeMacs::matches(const cnet_fdb_key& key, const cnet_fdb_entry& entry) const {
    if (entry.peer_id == 0) return ifindexes.contains(entry.ifindex);
    return peers.contains(entry.peer_id) || from_peers.contains(key.network_id);
}

std::string describe(const Change& change) {
    return std::visit([](const auto& c) { return text(c); }, change);
}

} // namespace cnet::control
