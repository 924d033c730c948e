#include "userspace/netlink/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "userspace/netlink/socket.h"

namespace cnet::netlink {
namespace {

struct MessageDeleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};

std::optional<IpAddress> read_address(nlattr* v4, nlattr* v6) {
    if (!v4 && !v6) return std::nullopt;
    nlattr* found = v4 ? v4 : v6;
    auto address = IpAddress::from_bytes(nla_data(found), static_cast<size_t>(nla_len(found)));
    if (!address) return std::nullopt;
    return *address;
}

uint16_t read_port(nlattr* attribute) {
    return attribute ? ntohs(nla_get_u16(attribute)) : uint16_t{0};
}

bool read_ends(nlattr* nested, KernelFlow& flow) {
    nlattr* ip[CTA_IP_MAX + 1] = {};
    if (!nested || nla_parse_nested(ip, CTA_IP_MAX, nested, nullptr) < 0) return false;
    const auto src = read_address(ip[CTA_IP_V4_SRC], ip[CTA_IP_V6_SRC]);
    const auto dst = read_address(ip[CTA_IP_V4_DST], ip[CTA_IP_V6_DST]);
    if (!src || !dst) return false;
    flow.src = *src;
    flow.dst = *dst;
    return true;
}

bool read_protocol(nlattr* nested, KernelFlow& flow) {
    nlattr* proto[CTA_PROTO_MAX + 1] = {};
    if (!nested || nla_parse_nested(proto, CTA_PROTO_MAX, nested, nullptr) < 0) return false;
    if (!proto[CTA_PROTO_NUM]) return false;
    flow.l4_proto = nla_get_u8(proto[CTA_PROTO_NUM]);
    flow.src_port = read_port(proto[CTA_PROTO_SRC_PORT]);
    flow.dst_port = read_port(proto[CTA_PROTO_DST_PORT]);
    if (flow.l4_proto == IPPROTO_ICMP) flow.src_port = read_port(proto[CTA_PROTO_ICMP_ID]);
    if (flow.l4_proto == IPPROTO_ICMPV6) flow.src_port = read_port(proto[CTA_PROTO_ICMPV6_ID]);
    return true;
}

std::optional<KernelFlow> read_flow(nlattr* direction) {
    nlattr* tuple[CTA_TUPLE_MAX + 1] = {};
    if (!direction || nla_parse_nested(tuple, CTA_TUPLE_MAX, direction, nullptr) < 0)
        return std::nullopt;
    KernelFlow flow;
    if (!read_ends(tuple[CTA_TUPLE_IP], flow) || !read_protocol(tuple[CTA_TUPLE_PROTO], flow))
        return std::nullopt;
    return flow;
}

struct Reading {
    const std::vector<IpPrefix>& sources;
    std::vector<KernelFlow> flows;

    void add(nlattr* direction) {
        const auto flow = read_flow(direction);
        if (flow && std::any_of(sources.begin(), sources.end(),
                                [&](const IpPrefix& prefix) { return prefix.contains(flow->src); }))
            flows.push_back(*flow);
    }
};

int on_valid(nl_msg* message, void* argument) {
    auto& reading = *static_cast<Reading*>(argument);
    nlattr* attributes[CTA_MAX + 1] = {};
    if (nlmsg_parse(nlmsg_hdr(message), sizeof(nfgenmsg), attributes, CTA_MAX, nullptr) < 0 ||
        !attributes[CTA_STATUS])
        return NL_OK;
    const uint32_t status = ntohl(nla_get_u32(attributes[CTA_STATUS]));
    if (status & IPS_SRC_NAT) reading.add(attributes[CTA_TUPLE_ORIG]);
    if (status & IPS_DST_NAT) reading.add(attributes[CTA_TUPLE_REPLY]);
    return NL_OK;
}

} // namespace

Result<std::vector<KernelFlow>> read_translated(const std::vector<IpPrefix>& sources) {
    Reading reading{sources, {}};
    if (sources.empty() || access("/proc/sys/net/netfilter/nf_conntrack_max", F_OK) != 0)
        return std::move(reading.flows);
    const char* attempted = "list the kernel's connections";
    const Socket socket(nl_socket_alloc());
    if (!socket) return Error::system(attempted, ENOMEM);
    if (const int code = nl_connect(socket.get(), NETLINK_NETFILTER); code < 0)
        return nl_error(attempted, code);
    nl_socket_disable_seq_check(socket.get());
    nfgenmsg header{};
    header.nfgen_family = AF_UNSPEC;
    header.version = NFNETLINK_V0;
    const std::unique_ptr<nl_msg, MessageDeleter> request(nlmsg_alloc_simple(
        (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP));
    if (!request || nlmsg_append(request.get(), &header, sizeof(header), NLMSG_ALIGNTO) != 0)
        return Error::system(attempted, ENOMEM);
    nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, on_valid, &reading);
    int code = nl_send_auto(socket.get(), request.get());
    if (code >= 0) code = nl_recvmsgs_default(socket.get());
    if (code < 0) return nl_error(attempted, code);
    return std::move(reading.flows);
}

} // namespace cnet::netlink
