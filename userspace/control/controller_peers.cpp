#include <algorithm>

#include "userspace/control/controller_impl.h"
#include "userspace/control/overlay.h"

namespace cnet::control {

namespace {

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

Status check_peer_address(const IpAddress& address, const Observed& observed) {
    const std::string text = "peer address " + address.to_string();
    if (address.is_unspecified() || address.is_multicast() || address.is_loopback())
        return invalid(text + " is not one that another host can have");
    for (const auto& [ifindex, addresses] : observed.addresses) {
        for (const netlink::AddressInfo& own : addresses) {
            if (own.prefix.address() == address) return invalid(text + " is this host's own");
        }
    }
    return {};
}

Error no_peer(const IpAddress& address) {
    return no_such("peer", address.to_string());
}

} // namespace

const Peer* Controller::Impl::find_peer(const IpAddress& address) const {
    auto it = std::find_if(state.peers.begin(), state.peers.end(),
                           [&](const auto& entry) { return entry.second.address == address; });
    return it == state.peers.end() ? nullptr : &it->second;
}

std::optional<IpAddress> Controller::Impl::peer_address(PeerId id) const {
    auto it = state.peers.find(id);
    return it == state.peers.end() ? std::nullopt : std::optional(it->second.address);
}

PeerView Controller::Impl::view(const Peer& peer) const {
    PeerView view{peer.id, peer.name, peer.address, std::nullopt,
                  peer.clustered ? "cluster" : "static"};
    if (const auto local = local_vtep(state, observed, peer.address)) view.local = local->address;
    return view;
}

Result<PeerView> Controller::add_peer(const IpAddress& address, const std::string& name) {
    Impl& impl = *impl_;
    if (!name.empty()) {
        auto status = check_name("peer", name);
        if (!status) return status.error();
    }
    if (impl.find_peer(address)) {
        return Error(ErrorKind::kConflict, "peer " + address.to_string() + " exists already");
    }
    const bool name_taken =
        !name.empty() && std::any_of(impl.state.peers.begin(), impl.state.peers.end(),
                                     [&](const auto& entry) { return entry.second.name == name; });
    if (name_taken) return Error(ErrorKind::kConflict, "another peer has the name " + name);
    auto status = check_peer_address(address, impl.observed);
    if (!status) return status.error();

    const Peer peer{++impl.ids.peer, name, address};
    State next = impl.state;
    next.peers[peer.id] = peer;
    status = impl.change(std::move(next), {{store::PutPeer{peer}}, {store::RemovePeer{peer.id}}});
    if (!status) return status.error();
    return impl.view(peer);
}

// With the MACs that are stated to be behind it.
Status Controller::delete_peer(const IpAddress& address) {
    Impl& impl = *impl_;
    const Peer* found = impl.find_peer(address);
    if (!found && impl.parts.cluster) return impl.forget_peer(address);
    if (!found) return no_peer(address);
    const Peer peer = *found;
    if (peer.clustered)
        return Error(ErrorKind::kConflict, "peer " + address.to_string() + " is host " + peer.name +
                                               " of the cluster, which is alive");
    State next = impl.state;
    Edit edit;
    edit.backward.push_back(store::PutPeer{peer});
    // A host of the cluster that was added by hand too comes back as the cluster's.
    remove_references(next, edit, [&](const auto& entry) { return entry.peer_id == peer.id; });
    next.peers.erase(peer.id);
    edit.forward.push_back(store::RemovePeer{peer.id});
    return impl.change(std::move(next), std::move(edit));
}

std::vector<PeerView> Controller::peers() const {
    std::vector<PeerView> views;
    for (const auto& [id, peer] : impl_->state.peers)
        views.push_back(impl_->view(peer));
    if (!impl_->parts.cluster) return views;
    for (const ClusterHost& host : impl_->parts.cluster->state().hosts) {
        if (!host.alive && !host.vteps.empty())
            views.push_back({0, host.name, host.vteps.front(), std::nullopt, "gone"});
    }
    return views;
}

} // namespace cnet::control
