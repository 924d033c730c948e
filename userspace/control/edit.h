// How a change of the state is written to the store, and how it is taken back.
#pragma once

#include <vector>

#include "userspace/control/model.h"
#include "userspace/store/store.h"

namespace cnet::control {

struct Edit {
    std::vector<store::Mutation> forward;
    std::vector<store::Mutation> backward;
};

// Takes out of `next` what is stated of MACs, and what other hosts say of theirs, where `of` is
// true of the entry. For a network or a peer that goes: what refers to it goes before it, and comes
// back after it.
template <typename Of> void remove_references(State& next, Edit& edit, Of of) {
    std::erase_if(next.fdb, [&](const StaticFdb& entry) {
        if (!of(entry)) return false;
        edit.forward.emplace_back(store::RemoveFdb{entry.network_id, entry.mac});
        edit.backward.emplace_back(store::PutFdb{entry});
        return true;
    });
    std::erase_if(next.remotes, [&](const auto& item) {
        const RemoteEndpoint& remote = item.second;
        if (!of(remote)) return false;
        edit.forward.emplace_back(store::RemoveRemote{remote.peer_id, remote.name});
        edit.backward.emplace_back(store::PutRemote{remote});
        return true;
    });
}

// Likewise what other hosts have of a network's pool.
inline void remove_host_subnets(State& next, Edit& edit, NetworkId network) {
    std::erase_if(next.host_subnets, [&](const auto& item) {
        const HostSubnet& subnet = item.second;
        if (subnet.network_id != network) return false;
        edit.forward.emplace_back(store::RemoveHostSubnet{network, subnet.prefix});
        edit.backward.emplace_back(store::PutHostSubnet{subnet});
        return true;
    });
}

// Takes an adopted bridge out of `next`, with what is published behind it, and answers the ids of
// that: they are free when the change is made.
inline std::vector<BindingId> remove_adopted(State& next, Edit& edit,
                                             const AdoptedBridge& adopted) {
    std::vector<BindingId> released;
    edit.backward.emplace_back(store::PutAdopted{adopted});
    std::erase_if(next.ports, [&](const auto& item) {
        const PublishedPort& port = item.second;
        if (!port.behind || port.behind->network_id != adopted.network_id) return false;
        edit.forward.emplace_back(store::RemovePort{port.id});
        edit.backward.emplace_back(store::PutPort{port});
        released.push_back(port.id);
        return true;
    });
    edit.forward.emplace_back(store::RemoveAdopted{adopted.bridge});
    next.adopted.erase(adopted.bridge);
    return released;
}

} // namespace cnet::control
