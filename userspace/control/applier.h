// Does one change, and records in `observed` what it made of the kernel, so that the next reconcile
// need not look.
#pragma once

#include "userspace/control/change.h"
#include "userspace/control/gc.h"
#include "userspace/control/hooks.h"
#include "userspace/control/observed.h"
#include "userspace/control/tables.h"
#include "userspace/netlink/rtnl.h"

namespace cnet::control {

class Applier {
public:
    Applier(netlink::Rtnl& rtnl, Hooks& hooks, Tables& tables, Collector& collector,
            Observed& observed)
        : rtnl_(rtnl), hooks_(hooks), tables_(tables), collector_(collector), observed_(observed) {}

    // The error begins with describe(change). A device that cannot be created becomes `unmakeable`.
    Status apply(const Change& change);

private:
    Status run(const CreateVeth& change);
    Status run(const CreateVxlan& change);
    Status run(const CreateVxlanReceiver& change);
    Status run(const DeleteVxlanReceiver& change);
    Status run(const BringUpVxlan& change);
    Status run(const DeleteLink& change);
    Status run(const SetMtu& change);
    Status run(const SetPromiscuous& change);
    Status run(const AddAddress& change);
    Status run(const DeleteAddress& change);
    Status run(const BringUpHostPort& change);
    Status run(const BringUpEndpoint& change);
    Status run(const BringUpHostEnd& change);
    Status run(const UpdateEndpoint& change);
    Status run(const AddHostRoute& change);
    Status run(const DeleteHostRoute& change);
    Status run(const AttachHook& change);
    Status run(const DetachHook& change);
    Status run(const TableChange& change);
    Status run(const SlotChange& change);
    Status run(const PurgeFlows& change);
    Status run(const PurgeMacs& change);

    Status look_up(const std::string& name);
    Status up(const std::string& name);
    Status silence(const std::string& name);
    Status set_host_ipv6(const BringUpHostPort& change);
    Status make_way(const cnet_fdb_key& key);

    netlink::Rtnl& rtnl_;
    Hooks& hooks_;
    Tables& tables_;
    Collector& collector_;
    Observed& observed_;
};

} // namespace cnet::control
