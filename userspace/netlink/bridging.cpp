#include "userspace/netlink/bridging.h"

#include <netinet/in.h> // before the kernel's own, which then leave out what it has

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge/ebtables.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "userspace/base/unique_fd.h"
#include "userspace/netlink/bridging_message.h"
#include "userspace/netlink/nftables.h"
#include "userspace/netlink/question.h"
#include "userspace/netlink/sysctl.h"

namespace cnet::netlink {
namespace {

// None when it has just gone, or its namespace is not ours to look into.
std::optional<MacAddress> read_far_mac(nl_sock* socket, const FarEnd& far) {
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(far.ifindex);
    const Question question = make_question(RTM_GETLINK, 0, header);
    CNET_CHECK(nla_put_u32(question.get(), IFLA_TARGET_NETNSID, far.netns_id) == 0);
    std::optional<MacAddress> mac;
    auto status = ask(socket, question, "look at a veth's far end", [&](nlmsghdr* message) {
        if (message->nlmsg_type != RTM_NEWLINK) return;
        mac = Attributes<IFLA_TARGET_NETNSID>(message, sizeof(ifinfomsg)).mac(IFLA_ADDRESS);
    });
    return status ? mac : std::nullopt;
}

Status read_stated(nl_sock* socket, uint32_t bridge, BridgeInfo& info) {
    const auto begin = [&] {
        info.own.clear();
        info.stated.clear();
        ifinfomsg header{};
        header.ifi_family = AF_BRIDGE;
        Question question = make_question(RTM_GETNEIGH, NLM_F_DUMP, header);
        CNET_CHECK(nla_put_u32(question.get(), IFLA_MASTER, bridge) == 0);
        return question;
    };
    return ask_for_list(socket, begin, "list a bridge's addresses",
                        [&](nlmsghdr* message) { add_address(message, bridge, info); });
}

bool sysctl_is_on(const char* name) {
    auto value = read_sysctl(std::string("/proc/sys/net/bridge/") + name);
    return value && *value != "0"; // no such file: no br_netfilter
}

// Asked of tables that are loaded alone, for the question would load them.
bool has_ebtables_rules() {
    UniqueFd fd;
    for (const char* name : {"filter", "nat", "broute"}) {
        if (access((std::string("/sys/module/ebtable_") + name).c_str(), F_OK) != 0) continue;
        if (!fd) fd = UniqueFd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
        ebt_replace table{};
        std::strncpy(table.name, name, sizeof(table.name) - 1);
        socklen_t size = sizeof(table);
        if (fd && getsockopt(fd.get(), IPPROTO_IP, EBT_SO_GET_INFO, &table, &size) == 0 &&
            table.nentries > 0)
            return true;
    }
    return false;
}

} // namespace

Result<Bridging> read_bridging(nl_sock* socket, const std::set<uint32_t>& bridges) {
    Bridging found;
    std::vector<FarEnd> far_ends;
    const auto begin = [&] {
        found = {};
        far_ends.clear();
        return make_question(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
    };
    auto status = ask_for_list(socket, begin, "list the bridges' ports", [&](nlmsghdr* message) {
        add_link(message, bridges, found, far_ends);
    });
    if (!status) return status.error();
    for (auto& [ifindex, info] : found.bridges) {
        status = read_stated(socket, ifindex, info);
        if (!status) return status.error();
    }
    for (const FarEnd& far : far_ends)
        found.ports[far.port].far_mac = read_far_mac(socket, far);
    // bridge-nf-call-arptables is no matter: it stays on where both of these were switched off.
    found.netfilter =
        sysctl_is_on("bridge-nf-call-iptables") || sysctl_is_on("bridge-nf-call-ip6tables");
    auto rules = has_tables(NFPROTO_BRIDGE);
    if (!rules) return rules.error();
    found.rules = *rules;
    found.ebtables = has_ebtables_rules();
    return found;
}

} // namespace cnet::netlink
