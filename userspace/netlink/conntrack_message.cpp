#include "userspace/netlink/conntrack_message.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <algorithm>
#include <optional>

#include "userspace/netlink/question.h"

namespace cnet::netlink {
namespace {

using TupleAttributes = Attributes<CTA_TUPLE_MAX>;
using IpAttributes = Attributes<CTA_IP_MAX>;
using ProtocolAttributes = Attributes<CTA_PROTO_MAX>;

bool read_ends(const IpAttributes& ip, KernelFlow& flow) {
    const bool v4 = ip.find(CTA_IP_V4_SRC) != nullptr;
    const auto src = ip.address(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC);
    const auto dst = ip.address(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST);
    if (!src || !dst) return false;
    flow.src = *src;
    flow.dst = *dst;
    return true;
}

bool read_protocol(const ProtocolAttributes& proto, KernelFlow& flow) {
    if (!proto.find(CTA_PROTO_NUM)) return false;
    flow.l4_proto = proto.u8(CTA_PROTO_NUM);
    flow.src_port = ntohs(proto.u16(CTA_PROTO_SRC_PORT));
    flow.dst_port = ntohs(proto.u16(CTA_PROTO_DST_PORT));
    if (flow.l4_proto == IPPROTO_ICMP) flow.src_port = ntohs(proto.u16(CTA_PROTO_ICMP_ID));
    if (flow.l4_proto == IPPROTO_ICMPV6) flow.src_port = ntohs(proto.u16(CTA_PROTO_ICMPV6_ID));
    return true;
}

std::optional<KernelFlow> read_flow(nlattr* direction) {
    const TupleAttributes tuple(direction);
    KernelFlow flow;
    if (!read_ends(IpAttributes(tuple.find(CTA_TUPLE_IP)), flow) ||
        !read_protocol(ProtocolAttributes(tuple.find(CTA_TUPLE_PROTO)), flow))
        return std::nullopt;
    return flow;
}

void add(nlattr* direction, const std::vector<IpPrefix>& sources, std::vector<KernelFlow>& flows) {
    const auto flow = read_flow(direction);
    if (flow && std::any_of(sources.begin(), sources.end(),
                            [&](const IpPrefix& prefix) { return prefix.contains(flow->src); }))
        flows.push_back(*flow);
}

} // namespace

void add_translated(nlmsghdr* message, const std::vector<IpPrefix>& sources,
                    std::vector<KernelFlow>& flows) {
    const Attributes<CTA_MAX> in(message, sizeof(nfgenmsg));
    const uint32_t status = ntohl(in.u32(CTA_STATUS));
    if (status & IPS_SRC_NAT) add(in.find(CTA_TUPLE_ORIG), sources, flows);
    if (status & IPS_DST_NAT) add(in.find(CTA_TUPLE_REPLY), sources, flows);
}

} // namespace cnet::netlink
