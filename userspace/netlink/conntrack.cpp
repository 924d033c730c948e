#include "userspace/netlink/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <unistd.h>

#include "userspace/netlink/conntrack_message.h"
#include "userspace/netlink/question.h"

namespace cnet::netlink {

Result<std::vector<KernelFlow>> read_translated(const std::vector<IpPrefix>& sources) {
    std::vector<KernelFlow> flows;
    if (sources.empty() || access("/proc/sys/net/netfilter/nf_conntrack_max", F_OK) != 0)
        return flows;
    auto status = ask_netfilter(
        {NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, AF_UNSPEC}, "list the kernel's connections",
        [&] { flows.clear(); },
        [&](nlmsghdr* message) { add_translated(message, sources, flows); });
    if (!status) return status.error();
    return flows;
}

} // namespace cnet::netlink
