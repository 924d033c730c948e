// Networks across hosts: this host's VTEP, the kept vxlan device, what the maps say of peers. Pure.
#pragma once

#include <optional>

#include "userspace/control/model.h"
#include "userspace/control/observed.h"

namespace cnet::control {

inline constexpr char kVxlanDevice[] = "cnvxlan";

// Any network with a VNI.
bool has_overlay(const State& state);
netlink::VxlanSpec vxlan_spec(const State& state);
// The kept device when it exists and is of this configuration.
const netlink::LinkInfo* find_vxlan_link(const State& state, const Observed& observed);

// The kept device's other half, and the way into its namespace.
inline constexpr char kVxlanReceiver[] = "cnvxrx";
inline constexpr char kVxlanEntrance[] = "cnvxin";

bool has_receiver(const State& state);
netlink::VxlanReceiverSpec receiver_spec(const State& state);
// Both devices when both exist and are of this configuration.
struct VxlanReceiver {
    const netlink::LinkInfo* device = nullptr;
    const netlink::LinkInfo* entrance = nullptr;

    explicit operator bool() const { return device && entrance; }
};
VxlanReceiver find_receiver(const State& state, const Observed& observed);

struct Vtep {
    IpAddress address;
    uint32_t mtu = 0; // of the device that has it
};
// This host's, towards `remote`: the configured one of that family when the host has it; else, of
// the uplinks' addresses, one that shares a subnet with it, or the first.
std::optional<Vtep> local_vtep(const State& state, const Observed& observed,
                               const IpAddress& remote);

// `mtu` of each network that takes it from the underlay: what fits through every way to a peer, or
// through this host's own VTEP while there is none.
void derive_mtus(State& state, const Observed& observed);

// Needs what is this host's own in `maps.network`, `maps.fdb` and `maps.neigh`.
void add_overlay(MapContents& maps, const State& state, const Observed& observed);

} // namespace cnet::control
