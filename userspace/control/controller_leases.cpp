// Leases that DHCP servers give to endpoints: who may have which address, until when.
#include <algorithm>

#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/control/controller_impl.h"
#include "userspace/control/desired_maps.h"
#include "userspace/control/ipam.h"

namespace cnet::control {

namespace {

constexpr uint64_t kNever = UINT64_MAX;
// A client that renews moves its lease's end by a half. What moves it less is not worth a
// transaction, and costs a container that asks all the time the end that was told last.
constexpr uint64_t kWorthwhilePart = 8;

// By the wall clock, which may have been set since: never more than the whole of it.
uint32_t left_s(const Lease& lease, int64_t now_s) {
    if (lease.duration_s == kLeaseForever) return kLeaseForever;
    return static_cast<uint32_t>(
        std::clamp<int64_t>(lease.ends_s - now_s, 0, int64_t{lease.duration_s}));
}

uint64_t ends_ns(uint32_t left, uint64_t now_ns) {
    return left == kLeaseForever ? kNever : now_ns + left * kSecondNs;
}

// This network, loopback, multicast, reserved, broadcast: no host's.
bool is_special(const IpAddress& address) {
    const uint32_t first = address.v4_host_order() >> 24;
    return first == 0 || first == 127 || first >= 224;
}

bool has_address(const std::vector<IpPrefix>& addresses, const IpAddress& address) {
    return std::ranges::any_of(addresses,
                               [&](const IpPrefix& own) { return own.address() == address; });
}

const Endpoint* find_client(const State& state, NetworkId network, const MacAddress& mac) {
    for (const auto& [id, endpoint] : state.endpoints) {
        if (endpoint.network_id == network && endpoint.mac == mac) return &endpoint;
    }
    return nullptr;
}

// The network's own: gateways, and the first and last of each subnet.
bool is_of_the_network(const Network& network, const IpAddress& address) {
    return std::ranges::any_of(
        network.subnets, [&](const Subnet& subnet) { return !check_address(subnet, address); });
}

} // namespace

std::string Controller::Impl::whose_address(const State& next, const Endpoint& endpoint,
                                            const IpAddress& address) const {
    if (is_special(address)) return "nobody";
    if (is_of_the_network(next.networks.at(endpoint.network_id), address)) return "the network";
    if (observed.maps.host_addr.contains(address.to_abi())) return "the host";
    for (const auto& [id, other] : next.endpoints) {
        if (id == endpoint.id || other.network_id != endpoint.network_id) continue;
        auto lease = next.leases.find(id);
        if (has_address(other.addresses, address) ||
            (lease != next.leases.end() && lease->second.address == address))
            return "endpoint " + other.name;
    }
    for (const auto& [key, remote] : next.remotes) {
        if (remote.network_id == endpoint.network_id &&
            std::ranges::find(remote.addresses, address) != remote.addresses.end())
            return "endpoint " + remote.name + " of another host";
    }
    return {};
}

void Controller::Impl::take_lease(State& next, const Endpoint& endpoint,
                                  const DhcpMessage& message) {
    // Its own address needs no lease, and who has it has no other by DHCP.
    if (has_address(endpoint.addresses, message.address)) {
        next.leases.erase(endpoint.id);
        return;
    }
    const std::string owner = whose_address(next, endpoint, message.address);
    if (!owner.empty()) {
        if (refused_leases[endpoint.id] != message.address) {
            log_warning("endpoint " + endpoint.name + " was given " + message.address.to_string() +
                        " by DHCP, which belongs to " + owner + ": it may not send from it");
        }
        refused_leases[endpoint.id] = message.address;
        return;
    }
    const Lease lease{endpoint.id, message.address, message.lease_s,
                      parts.clock.wall_s() + int64_t{message.lease_s}};
    auto before = next.leases.find(endpoint.id);
    if (before == next.leases.end() || before->second.address != lease.address) {
        log_info("endpoint " + endpoint.name + " has " + lease.address.to_string() + " by DHCP");
    } else if (before->second.duration_s == lease.duration_s) {
        const uint64_t end = ends_ns(lease.duration_s, parts.clock.boot_ns());
        const uint64_t told = lease_ends_ns[endpoint.id];
        if (end <= told || end - told < lease.duration_s * kSecondNs / kWorthwhilePart) return;
    }
    next.leases[endpoint.id] = lease;
}

void Controller::Impl::follow_lease(State& next, const DhcpSeen& seen) {
    const Endpoint* endpoint = find_client(next, seen.network_id, seen.message.client);
    if (!endpoint) return;
    auto lease = next.leases.find(endpoint->id);
    switch (seen.message.type) {
    case DhcpMessage::Type::kAck:
        take_lease(next, *endpoint, seen.message);
        return;
    case DhcpMessage::Type::kNak:
        break;
    case DhcpMessage::Type::kRelease:
        const netlink::LinkInfo* link = find_endpoint_link(*endpoint, observed);
        if (!link || link->ifindex != seen.ifindex) return; // another's to give up
        if (lease != next.leases.end() && lease->second.address != seen.message.address) return;
        break;
    }
    if (lease == next.leases.end()) return;
    log_info("endpoint " + endpoint->name + " has lost " + lease->second.address.to_string() +
             " of DHCP");
    next.leases.erase(lease);
}

Status Controller::Impl::change_leases(State next) {
    Edit edit;
    std::vector<EndpointId> changed;
    for (const auto& [id, lease] : state.leases) {
        if (next.leases.contains(id)) continue;
        edit.forward.push_back(store::RemoveLease{id});
        edit.backward.push_back(store::PutLease{lease});
        changed.push_back(id);
    }
    for (const auto& [id, lease] : next.leases) {
        auto before = state.leases.find(id);
        if (before != state.leases.end() && before->second == lease) continue;
        edit.forward.push_back(store::PutLease{lease});
        edit.backward.push_back(before == state.leases.end()
                                    ? store::Mutation(store::RemoveLease{id})
                                    : store::PutLease{before->second});
        changed.push_back(id);
    }
    if (changed.empty()) return {};
    auto status = change(std::move(next), std::move(edit));
    if (!status) return status;
    for (EndpointId id : changed) {
        lease_ends_ns.erase(id);
        refused_leases.erase(id);
    }
    take_up_leases();
    return {};
}

void Controller::Impl::take_up_leases() {
    for (const auto& [id, lease] : state.leases)
        lease_ends_ns.try_emplace(
            id, ends_ns(left_s(lease, parts.clock.wall_s()), parts.clock.boot_ns()));
}

Status Controller::Impl::end_leases() {
    const uint64_t now_ns = parts.clock.boot_ns();
    // Of endpoints that are gone too: their leases went with them.
    std::erase_if(lease_ends_ns,
                  [&](const auto& entry) { return !state.leases.contains(entry.first); });
    auto is_over = [&](const auto& entry) { return entry.second <= now_ns; };
    if (std::ranges::none_of(lease_ends_ns, is_over)) return {};
    State next = state;
    for (const auto& [id, ends] : lease_ends_ns) {
        if (ends > now_ns) continue;
        log_info("endpoint " + next.endpoints.at(id).name + " has had " +
                 next.leases.at(id).address.to_string() + " of DHCP to the end");
        next.leases.erase(id);
    }
    return change_leases(std::move(next));
}

std::optional<uint64_t> Controller::Impl::lease_ends_in_s(EndpointId id) const {
    auto it = lease_ends_ns.find(id);
    if (it == lease_ends_ns.end()) return 0;
    if (it->second == kNever) return std::nullopt;
    const uint64_t now_ns = parts.clock.boot_ns();
    return it->second > now_ns ? (it->second - now_ns) / kSecondNs : 0;
}

Status Controller::follow_leases(const std::vector<DhcpSeen>& messages) {
    if (messages.empty()) return {};
    State next = impl_->state;
    for (const DhcpSeen& seen : messages)
        impl_->follow_lease(next, seen);
    return impl_->change_leases(std::move(next));
}

} // namespace cnet::control
