#include "userspace/netlink/qdisc.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>

#include "userspace/netlink/message.h"

namespace cnet::netlink {
namespace {

// What waits longer than this, beyond the burst, is dropped.
constexpr uint64_t kLatencyMs = 25;

template <typename T> std::span<const uint8_t> bytes_of(const T& value) {
    return {reinterpret_cast<const uint8_t*>(&value), sizeof(value)};
}

uint32_t limited(uint64_t value) {
    return static_cast<uint32_t>(std::min<uint64_t>(value, std::numeric_limits<uint32_t>::max()));
}

} // namespace

Status request_rate_limit(nl_sock* socket, const LinkInfo& device, const RateLimit& limit) {
    const uint64_t rate = limit.bits_per_s / 8;
    const uint32_t burst = limited(limit.burst_bits / 8);
    tc_tbf_qopt options{};
    options.rate.rate = limited(rate);
    // Without a table of its own the kernel counts bytes as they are on Ethernet.
    options.rate.linklayer = TC_LINKLAYER_ETHERNET;
    options.limit = limited(rate / 1000 * kLatencyMs + burst);
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = static_cast<int>(device.ifindex);
    header.tcm_handle = 1u << 16;
    header.tcm_parent = TC_H_ROOT;
    Message message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
    message.append(header);
    message.put(TCA_KIND, "tbf");
    message.begin_nest(TCA_OPTIONS);
    message.put(TCA_TBF_PARMS, bytes_of(options));
    message.put(TCA_TBF_BURST, burst);
    if (rate > options.rate.rate) message.put(TCA_TBF_RATE64, bytes_of(rate));
    message.end_nest();
    return message.send(socket, "limit the rate of " + device.name);
}

} // namespace cnet::netlink
