#include "userspace/control/follow.h"

#include <algorithm>
#include <set>

#include "userspace/control/edit.h"
#include "userspace/control/ipam.h"
#include "userspace/control/network_rules.h"
#include "userspace/control/overlay.h"

namespace cnet::control {

namespace {

// The parts of FollowPlan as they come about. Mutations are kept apart by what they refer to.
class Planner {
public:
    Planner(const FollowInput& input, store::LastIds ids)
        : in_(input), plan_{input.state, {}, ids, {}, {}} {}

    FollowPlan plan() {
        follow_networks();
        follow_peers();
        follow_remotes();
        follow_host_subnets();
        auto& all = plan_.mutations;
        for (auto* part : {&references_gone_.forward, &gone_, &added_, &remotes_put_})
            all.insert(all.end(), part->begin(), part->end());
        return std::move(plan_);
    }

private:
    using Mutations = std::vector<store::Mutation>;

    void complain(std::string sentence) { plan_.complaints.push_back(std::move(sentence)); }

    const Network* find_network(const std::string& name) const {
        for (const auto& [id, network] : plan_.next.networks) {
            if (network.name == name) return &network;
        }
        return nullptr;
    }

    bool is_used(NetworkId id) const {
        const auto has = [&](const auto& entry) { return entry.second.network_id == id; };
        return std::any_of(in_.state.endpoints.begin(), in_.state.endpoints.end(), has) ||
               std::any_of(in_.state.attached.begin(), in_.state.attached.end(), has);
    }

    void follow_networks() {
        std::set<std::string> there;
        for (const Network& network : in_.cluster.networks)
            there.insert(network.name);
        for (const auto& [id, network] : in_.state.networks) {
            if (!network.clustered || there.contains(network.name)) continue;
            if (is_used(id))
                plan_.unknown_to_cluster.push_back(network);
            else
                remove_network(id);
        }
        for (const Network& network : in_.cluster.networks)
            follow_network(network);
    }

    // This host's part of the network's pool; none: it has none yet.
    std::optional<Subnet> own_part(const Network& network) const {
        for (const ClusterSubnet& subnet : in_.cluster.subnets) {
            if (subnet.vni == network.vni && subnet.host == in_.own_host &&
                network.pool->has_part(subnet.prefix))
                return Subnet{subnet.prefix, default_gateway(subnet.prefix), {}};
        }
        return std::nullopt;
    }

    void follow_network(const Network& of_all) {
        Network theirs = of_all;
        if (theirs.pool) {
            const Network* known = find_network(theirs.name);
            if (auto part = own_part(theirs))
                theirs.subnets = {*part};
            else if (known && known->pool == theirs.pool)
                theirs.subnets = known->subnets; // to be taken again
            else
                return; // whoever could not lease it has said why
        }
        const Network* found = find_network(theirs.name);
        if (found && !found->clustered)
            return complain("network " + theirs.name +
                            " of the cluster is not here: this host has its own of that name");
        const bool is_another = found && (found->vni != theirs.vni || found->pool != theirs.pool ||
                                          !same_subnets(*found, theirs));
        if (is_another && is_used(found->id))
            return complain("network " + theirs.name +
                            " was made anew in the cluster, and the former has endpoints here");
        if (is_another) remove_network(found->id);
        if (found && !is_another) return update_network(*found, theirs);
        add_network(theirs);
    }

    static bool same_subnets(const Network& one, const Network& other) {
        return std::equal(one.subnets.begin(), one.subnets.end(), other.subnets.begin(),
                          other.subnets.end(), [](const Subnet& a, const Subnet& b) {
                              return a.prefix == b.prefix && a.gateway == b.gateway;
                          });
    }

    void update_network(const Network& ours, const Network& theirs) {
        Network updated = theirs;
        updated.id = ours.id;
        updated.gateway_mac = ours.gateway_mac;
        updated.docker = ours.docker;
        if (updated.mtu_derived && ours.mtu_derived) updated.mtu = ours.mtu;
        if (updated == ours) return;
        added_.emplace_back(store::PutNetwork{updated});
        plan_.next.networks[updated.id] = updated;
    }

    void add_network(const Network& theirs) {
        for (const auto& [id, other] : plan_.next.networks) {
            if (other.vni != theirs.vni) continue;
            return complain("network " + theirs.name + " of the cluster is not here: network " +
                            other.name + " has VNI " + std::to_string(theirs.vni));
        }
        if (Status status = in_.admissible(theirs); !status)
            return complain("network " + theirs.name +
                            " of the cluster is not here: " + status.error().message());
        Network network = theirs;
        network.id = ++plan_.ids.network;
        network.gateway_mac = overlay_gateway_mac(network.vni);
        added_.emplace_back(store::PutNetwork{network});
        plan_.next.networks[network.id] = network;
    }

    void remove_network(NetworkId id) {
        remove_references(plan_.next, references_gone_,
                          [&](const auto& entry) { return entry.network_id == id; });
        remove_host_subnets(plan_.next, references_gone_, id);
        plan_.next.networks.erase(id);
        gone_.emplace_back(store::RemoveNetwork{id});
    }

    bool is_own_address(const IpAddress& address) const {
        for (const auto& [ifindex, addresses] : in_.observed.addresses) {
            for (const netlink::AddressInfo& own : addresses) {
                if (own.prefix.address() == address) return true;
            }
        }
        return false;
    }

    // The one of a family that this host has, rather than none.
    std::optional<IpAddress> choose_vtep(const ClusterHost& host) const {
        for (const IpAddress& vtep : host.vteps) {
            if (local_vtep(in_.state, in_.observed, vtep)) return vtep;
        }
        return host.vteps.empty() ? std::nullopt : std::optional(host.vteps.front());
    }

    void follow_peers() {
        std::map<std::string, IpAddress> wanted;
        for (const ClusterHost& host : in_.cluster.hosts) {
            if (!host.alive || host.name == in_.own_host) continue;
            const auto vtep = choose_vtep(host);
            if (!vtep) continue;
            if (is_own_address(*vtep))
                complain("host " + host.name + " says that " + vtep->to_string() +
                         " is its address, and it is this host's");
            else
                wanted.emplace(host.name, *vtep);
        }
        for (const auto& [id, peer] : in_.state.peers) {
            if (!peer.clustered) continue;
            auto it = wanted.find(peer.name);
            if (it != wanted.end() && it->second == peer.address)
                peers_[peer.name] = id;
            else
                remove_peer(id);
        }
        for (const auto& [name, address] : wanted) {
            if (!peers_.contains(name)) add_peer(name, address);
        }
    }

    void add_peer(const std::string& host, const IpAddress& address) {
        for (const auto& [id, peer] : plan_.next.peers) {
            if (peer.address != address) continue;
            peers_[host] = id; // added by hand, and stays so
            return;
        }
        Peer peer;
        peer.id = ++plan_.ids.peer;
        peer.name = host;
        peer.address = address;
        peer.clustered = true;
        peers_[host] = peer.id;
        plan_.next.peers[peer.id] = peer;
        added_.emplace_back(store::PutPeer{peer});
    }

    void remove_peer(PeerId id) {
        remove_references(plan_.next, references_gone_,
                          [&](const auto& entry) { return entry.peer_id == id; });
        plan_.next.peers.erase(id);
        gone_.emplace_back(store::RemovePeer{id});
    }

    // Has `entries`, a part of plan_.next, be what is wanted.
    template <typename Put, typename Remove, typename Entries>
    void follow_entries(Entries& entries, const Entries& wanted) {
        std::erase_if(entries, [&](const auto& entry) {
            if (wanted.contains(entry.first)) return false;
            references_gone_.forward.emplace_back(Remove{entry.first.first, entry.first.second});
            return true;
        });
        for (const auto& [key, value] : wanted) {
            auto known = entries.find(key);
            if (known != entries.end() && known->second == value) continue;
            remotes_put_.emplace_back(Put{value});
            entries[key] = value;
        }
    }

    void follow_remotes() {
        std::map<std::pair<PeerId, std::string>, RemoteEndpoint> wanted;
        for (const ClusterEndpoint& endpoint : in_.cluster.endpoints) {
            const Network* network = find_network(endpoint.network);
            auto peer = peers_.find(endpoint.host);
            if (!network || !network->clustered || peer == peers_.end()) continue;
            if (const Endpoint* local = local_twin(*network, endpoint)) {
                complain("endpoint " + endpoint.name + " of host " + endpoint.host +
                         " has the addresses of endpoint " + local->name + " here");
                continue;
            }
            wanted[{peer->second, endpoint.name}] = {network->id,        peer->second,
                                                     endpoint.name,      endpoint.mac,
                                                     endpoint.addresses, endpoint.aliases};
        }
        follow_entries<store::PutRemote, store::RemoveRemote>(plan_.next.remotes, wanted);
    }

    void follow_host_subnets() {
        std::map<std::pair<NetworkId, IpPrefix>, HostSubnet> wanted;
        for (const ClusterSubnet& subnet : in_.cluster.subnets) {
            if (subnet.host == in_.own_host) continue;
            const Network* network = network_with_part(subnet);
            if (!network) continue;
            if (is_own_address(subnet.vtep)) {
                complain("host " + subnet.host + " says that " + subnet.vtep.to_string() +
                         " is its address, and it is this host's");
                continue;
            }
            wanted[{network->id, subnet.prefix}] = {network->id, subnet.prefix, subnet.host,
                                                    subnet.vtep, subnet.mac};
        }
        follow_entries<store::PutHostSubnet, store::RemoveHostSubnet>(plan_.next.host_subnets,
                                                                      wanted);
    }

    // The one here whose pool it is a part of; not what this host has itself.
    const Network* network_with_part(const ClusterSubnet& subnet) const {
        for (const auto& [id, network] : plan_.next.networks) {
            if (!network.clustered || network.vni != subnet.vni || !network.pool) continue;
            const bool is_own =
                std::any_of(network.subnets.begin(), network.subnets.end(),
                            [&](const Subnet& own) { return own.prefix == subnet.prefix; });
            if (!is_own && network.pool->has_part(subnet.prefix)) return &network;
        }
        return nullptr;
    }

    // One of this host with its MAC or one of its addresses.
    const Endpoint* local_twin(const Network& network, const ClusterEndpoint& remote) const {
        for (const auto& [id, endpoint] : in_.state.endpoints) {
            if (endpoint.network_id != network.id) continue;
            if (endpoint.mac == remote.mac) return &endpoint;
            for (const IpPrefix& own : endpoint.addresses) {
                const auto& theirs = remote.addresses;
                if (std::find(theirs.begin(), theirs.end(), own.address()) != theirs.end())
                    return &endpoint;
            }
        }
        return nullptr;
    }

    const FollowInput& in_;
    FollowPlan plan_;
    std::map<std::string, PeerId> peers_; // by host
    Edit references_gone_;                // for its `forward`: news are not taken back
    Mutations gone_, added_, remotes_put_;
};

} // namespace

FollowPlan plan_follow(const FollowInput& input, store::LastIds ids) {
    return Planner(input, ids).plan();
}

} // namespace cnet::control
