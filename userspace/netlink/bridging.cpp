#include "userspace/netlink/bridging.h"

#include <netinet/in.h> // before the kernel's own, which then leave out what it has

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_bridge/ebtables.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "userspace/base/unique_fd.h"
#include "userspace/netlink/socket.h"
#include "userspace/netlink/sysctl.h"

namespace cnet::netlink {
namespace {

constexpr uint32_t kUserHz = 100; // clock_t, in which the kernel counts a bridge's times

struct MessageDeleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using Request = std::unique_ptr<nl_msg, MessageDeleter>;

struct CallbacksDeleter {
    void operator()(nl_cb* callbacks) const { nl_cb_put(callbacks); }
};

using Visit = std::function<void(nlmsghdr*)>;

struct Answer {
    const Visit& visit;
    bool complete = false;
    int errno_value = 0;
};

template <typename Header> Request make_request(int type, int flags, const Header& header) {
    Request request(nlmsg_alloc_simple(type, flags));
    CNET_CHECK(request);
    CNET_CHECK(nlmsg_append(request.get(), const_cast<Header*>(&header), sizeof(header),
                            NLMSG_ALIGNTO) == 0);
    return request;
}

int on_valid(nl_msg* message, void* argument) {
    static_cast<Answer*>(argument)->visit(nlmsg_hdr(message));
    return NL_OK;
}

int on_error(sockaddr_nl*, nlmsgerr* received, void* argument) {
    auto* answer = static_cast<Answer*>(argument);
    answer->errno_value = -received->error;
    answer->complete = true;
    return NL_STOP;
}

int on_end(nl_msg*, void* argument) {
    static_cast<Answer*>(argument)->complete = true;
    return NL_STOP;
}

// Sends and visits each message of the answer.
Status ask(nl_sock* socket, const Request& request, const std::string& attempted,
           const Visit& visit) {
    if (const int code = nl_send_auto(socket, request.get()); code < 0)
        return nl_error(attempted, code);
    Answer answer{visit};
    const std::unique_ptr<nl_cb, CallbacksDeleter> callbacks(nl_cb_alloc(NL_CB_DEFAULT));
    if (!callbacks) return Error::system(attempted, ENOMEM);
    nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_valid, &answer);
    for (nl_cb_type end : {NL_CB_ACK, NL_CB_FINISH}) // of a single answer, of a list
        nl_cb_set(callbacks.get(), end, NL_CB_CUSTOM, on_end, &answer);
    nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &answer);
    while (!answer.complete) {
        const int code = nl_recvmsgs(socket, callbacks.get());
        if (code < 0 && !answer.complete) return nl_error(attempted, code);
    }
    if (answer.errno_value) return kernel_error(attempted, answer.errno_value);
    return {};
}

// Attributes behind a message's fixed part, or inside another attribute: a view, by number.
template <int kLast> class Attributes {
public:
    explicit Attributes(nlmsghdr* message, int header_size) {
        ok_ = nlmsg_parse(message, header_size, table_, kLast, nullptr) >= 0;
    }
    explicit Attributes(nlattr* outer) {
        ok_ = outer && nla_parse_nested(table_, kLast, outer, nullptr) >= 0;
    }

    nlattr* find(int number) const { return ok_ ? table_[number] : nullptr; }
    uint32_t u32(int number) const { return read<uint32_t>(number); }
    uint8_t u8(int number) const { return read<uint8_t>(number); }
    std::string_view text(int number) const {
        nlattr* found = find(number);
        return found ? std::string_view(nla_get_string(found)) : std::string_view();
    }
    std::optional<MacAddress> mac(int number) const {
        nlattr* found = find(number);
        if (!found || nla_len(found) != CNET_MAC_LEN) return std::nullopt;
        std::array<uint8_t, CNET_MAC_LEN> bytes{};
        std::memcpy(bytes.data(), nla_data(found), bytes.size());
        return MacAddress(bytes);
    }

private:
    template <typename Number> Number read(int number) const {
        Number value = 0;
        nlattr* found = find(number);
        if (found && nla_len(found) >= static_cast<int>(sizeof(value)))
            std::memcpy(&value, nla_data(found), sizeof(value));
        return value;
    }

    nlattr* table_[kLast + 1] = {};
    bool ok_ = false;
};

using LinkAttributes = Attributes<IFLA_TARGET_NETNSID>;
using KindAttributes = Attributes<IFLA_INFO_MAX>;

BridgeInfo to_bridge(nlattr* data) {
    const Attributes<IFLA_BR_MAX> in(data);
    BridgeInfo info;
    info.vlan_filtering = in.u8(IFLA_BR_VLAN_FILTERING) != 0;
    info.stp = in.u32(IFLA_BR_STP_STATE) != 0;
    info.calls_netfilter = in.u8(IFLA_BR_NF_CALL_IPTABLES) || in.u8(IFLA_BR_NF_CALL_IP6TABLES);
    info.ageing_s = in.u32(IFLA_BR_AGEING_TIME) / kUserHz;
    info.forward_delay_s = in.u32(IFLA_BR_FORWARD_DELAY) / kUserHz;
    return info;
}

BridgePortInfo to_port(nlattr* data) {
    const Attributes<IFLA_BRPORT_MAX> in(data);
    BridgePortInfo info;
    info.forwarding = in.u8(IFLA_BRPORT_STATE) == BR_STATE_FORWARDING;
    info.learning = in.u8(IFLA_BRPORT_LEARNING) != 0;
    info.isolated = in.u8(IFLA_BRPORT_ISOLATED) != 0;
    info.locked = in.u8(IFLA_BRPORT_LOCKED) != 0;
    info.has_backup = in.find(IFLA_BRPORT_BACKUP_PORT) != nullptr;
    return info;
}

// A veth's far end: its index there, and the number of the namespace as seen from here.
struct FarEnd {
    uint32_t port;
    uint32_t ifindex;
    uint32_t netns_id;
};

struct LinkReader {
    const std::set<uint32_t>& wanted;
    Bridging& found;
    std::vector<FarEnd> far_ends;

    void read(nlmsghdr* message) {
        if (message->nlmsg_type != RTM_NEWLINK) return;
        const auto ifindex =
            static_cast<uint32_t>(static_cast<ifinfomsg*>(nlmsg_data(message))->ifi_index);
        const LinkAttributes link(message, sizeof(ifinfomsg));
        const KindAttributes kind(link.find(IFLA_LINKINFO));
        if (wanted.contains(ifindex) && kind.text(IFLA_INFO_KIND) == "bridge")
            found.bridges[ifindex] = to_bridge(kind.find(IFLA_INFO_DATA));
        if (!wanted.contains(link.u32(IFLA_MASTER)) || kind.text(IFLA_INFO_SLAVE_KIND) != "bridge")
            return;
        BridgePortInfo& port = found.ports[ifindex] = to_port(kind.find(IFLA_INFO_SLAVE_DATA));
        port.shaped = link.text(IFLA_QDISC) != "noqueue" && kind.text(IFLA_INFO_KIND) == "veth";
        if (kind.text(IFLA_INFO_KIND) == "veth" && link.find(IFLA_LINK_NETNSID))
            far_ends.push_back({ifindex, link.u32(IFLA_LINK), link.u32(IFLA_LINK_NETNSID)});
    }
};

// None when it has just gone, or its namespace is not ours to look into.
std::optional<MacAddress> read_far_mac(nl_sock* socket, const FarEnd& far) {
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(far.ifindex);
    const Request request = make_request(RTM_GETLINK, 0, header);
    CNET_CHECK(nla_put_u32(request.get(), IFLA_TARGET_NETNSID, far.netns_id) == 0);
    std::optional<MacAddress> mac;
    auto status = ask(socket, request, "look at a veth's far end", [&](nlmsghdr* message) {
        if (message->nlmsg_type != RTM_NEWLINK) return;
        mac = LinkAttributes(message, sizeof(ifinfomsg)).mac(IFLA_ADDRESS);
    });
    return status ? mac : std::nullopt;
}

Status read_stated(nl_sock* socket, uint32_t bridge, BridgeInfo& info) {
    ifinfomsg header{};
    header.ifi_family = AF_BRIDGE;
    const Request request = make_request(RTM_GETNEIGH, NLM_F_DUMP, header);
    CNET_CHECK(nla_put_u32(request.get(), IFLA_MASTER, bridge) == 0);
    return ask(socket, request, "list a bridge's addresses", [&](nlmsghdr* message) {
        if (message->nlmsg_type != RTM_NEWNEIGH) return;
        const auto* neigh = static_cast<ndmsg*>(nlmsg_data(message));
        const Attributes<NDA_MAX> in(message, sizeof(ndmsg));
        const auto mac = in.mac(NDA_LLADDR);
        if (!mac || in.u32(NDA_MASTER) != bridge) return;
        if (neigh->ndm_state & NUD_PERMANENT)
            info.own.insert(*mac);
        else if (neigh->ndm_state & NUD_NOARP || neigh->ndm_flags & NTF_STICKY)
            info.stated.insert(*mac);
    });
}

bool sysctl_is_on(const char* name) {
    auto value = read_sysctl(std::string("/proc/sys/net/bridge/") + name);
    return value && *value != "0"; // no such file: no br_netfilter
}

// A kernel without nftables has none.
bool has_bridge_tables() {
    const Socket socket(nl_socket_alloc());
    if (!socket || nl_connect(socket.get(), NETLINK_NETFILTER) < 0) return false;
    nfgenmsg header{};
    header.nfgen_family = NFPROTO_BRIDGE;
    header.version = NFNETLINK_V0;
    const Request request =
        make_request((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE, NLM_F_DUMP, header);
    bool found = false;
    auto status =
        ask(socket.get(), request, "list nftables' tables", [&](nlmsghdr*) { found = true; });
    return status && found;
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
    LinkReader reader{bridges, found, {}};
    auto status = ask(socket, make_request(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}),
                      "list the bridges' ports", [&](nlmsghdr* message) { reader.read(message); });
    if (!status) return status.error();
    for (auto& [ifindex, info] : found.bridges) {
        status = read_stated(socket, ifindex, info);
        if (!status) return status.error();
    }
    for (const FarEnd& far : reader.far_ends)
        found.ports[far.port].far_mac = read_far_mac(socket, far);
    found.netfilter = sysctl_is_on("bridge-nf-call-iptables") ||
                      sysctl_is_on("bridge-nf-call-ip6tables") ||
                      sysctl_is_on("bridge-nf-call-arptables");
    found.rules = has_bridge_tables();
    found.ebtables = has_ebtables_rules();
    return found;
}

} // namespace cnet::netlink
