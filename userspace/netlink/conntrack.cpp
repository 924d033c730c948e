#include "userspace/netlink/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <unistd.h>

#include "userspace/netlink/conntrack_message.h"
#include "userspace/netlink/question.h"
#include "userspace/netlink/socket.h"

namespace cnet::netlink {

Result<std::vector<KernelFlow>> read_translated(const std::vector<IpPrefix>& sources) {
    std::vector<KernelFlow> flows;
    if (sources.empty() || access("/proc/sys/net/netfilter/nf_conntrack_max", F_OK) != 0)
        return flows;
    const char* attempted = "list the kernel's connections";
    const Socket socket(nl_socket_alloc());
    if (!socket) return Error::system(attempted, ENOMEM);
    if (const int code = nl_connect(socket.get(), NETLINK_NETFILTER); code < 0)
        return nl_error(attempted, code);
    nfgenmsg header{};
    header.nfgen_family = AF_UNSPEC;
    header.version = NFNETLINK_V0;
    const Question question =
        make_question((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET, NLM_F_DUMP, header);
    auto status = ask(socket.get(), question, attempted,
                      [&](nlmsghdr* message) { add_translated(message, sources, flows); });
    if (!status) return status.error();
    return flows;
}

} // namespace cnet::netlink
