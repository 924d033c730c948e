#include "userspace/cnetd/release.h"

#include <unistd.h>

#include "loader/release.h"
#include "userspace/base/file.h"
#include "userspace/base/netns.h"
#include "userspace/control/observed.h"
#include "userspace/control/overlay.h"
#include "userspace/netlink/kernel_rtnl.h"
#include "userspace/store/sqlite_store.h"

namespace cnet::daemon {
namespace {

class Release {
public:
    explicit Release(const Paths& paths) : paths_(paths) {}

    Status run() {
        note(loader::release(paths_));
        // Devices of another namespace's are not ours to remove.
        if (!first_error_) return first_error_;
        auto rtnl = netlink::KernelRtnl::open();
        if (!rtnl) return rtnl.error();
        remove_devices(**rtnl);
        undo_store(**rtnl);
        return first_error_;
    }

private:
    void note(const Status& status) {
        if (first_error_ && !status) first_error_ = status;
    }

    // The receiver's namespace first: it holds the other ends of two of them.
    void remove_devices(netlink::Rtnl& rtnl) {
        netlink::VxlanReceiverSpec receiver;
        receiver.vxlan.name = control::kVxlanReceiver;
        receiver.entrance = control::kVxlanEntrance;
        receiver.netns = paths_.netns / control::kVxlanDevice;
        note(rtnl.delete_vxlan_receiver(receiver));
        auto links = rtnl.links();
        if (!links) return note(links.error());
        for (const netlink::LinkInfo& link : *links) {
            if (control::is_ours(link)) note(rtnl.delete_link(link.name));
        }
    }

    // What is the host's own and was changed by us, and the sandboxes.
    void undo_store(netlink::Rtnl& rtnl) {
        std::error_code error;
        if (!std::filesystem::exists(paths_.state / "cnetd.sqlite", error)) return;
        auto store = store::SqliteStore::open(paths_.state);
        if (!store) return note(store.error());
        auto snapshot = (*store)->load();
        if (!snapshot) return note(snapshot.error());
        for (const auto& [device, attached] : snapshot->state.attached) {
            if (attached.promiscuous && rtnl.link(device))
                note(rtnl.set_promiscuous(device, false));
        }
        for (const auto& [name, sandbox] : snapshot->state.sandboxes)
            note(delete_named_netns(sandbox.path));
    }

    const Paths& paths_;
    Status first_error_;
};

} // namespace

Status release(const Options& options) {
    if (geteuid() != 0) return Error(ErrorKind::kDenied, "cnetd --release must run as root");
    const Paths paths = options.paths();
    auto lock = FileLock::acquire(paths.lock);
    if (!lock) return lock.error().because("stop cnetd before its release");
    return Release(paths).run();
}

} // namespace cnet::daemon
