// Every reason that a hook can count must have been met by some test of this executable. The list
// is what the programs can do; a reason added to a program belongs here, and a test of it above.
#include "loader/cgroup.h"
#include "maps/reasons.h"
#include "tests/bpf/host.h"

#include <algorithm>
#include <set>

namespace cnet::test {
namespace {

const std::set<HookReason> kReachable = [] {
    std::set<HookReason> all;
    auto add = [&](cnet_hook hook, std::initializer_list<cnet_reason> reasons) {
        for (auto reason : reasons)
            all.emplace(hook, reason);
    };
    add(CNET_HOOK_ENDPOINT, {CNET_R_SWITCHED,
                             CNET_R_FLOODED,
                             CNET_R_ARP_REPLY,
                             CNET_R_ND_REPLY,
                             CNET_R_SNAT,
                             CNET_R_DNAT_REPLY,
                             CNET_R_HAIRPIN,
                             CNET_R_ROUTED,
                             CNET_R_ICMP_ERROR_SENT,
                             CNET_R_ICMP_ERROR_NAT,
                             CNET_R_TO_HOST,
                             CNET_R_MALFORMED,
                             CNET_R_UNKNOWN_PORT,
                             CNET_R_VLAN_UNCHECKED,
                             CNET_R_LINK_LOCAL_MCAST,
                             CNET_R_SPOOFED_MAC,
                             CNET_R_SPOOFED_IP,
                             CNET_R_MULTICAST_SOURCE,
                             CNET_R_ICC_OFF,
                             CNET_R_SAME_PORT,
                             CNET_R_FLOOD_FAILED,
                             CNET_R_FLOOD_NOBODY,
                             CNET_R_FLOOD_LIMIT,
                             CNET_R_DHCP_UNSEEN,
                             CNET_R_FLOOD_COPY_LOST,
                             CNET_R_MAC_LIMIT,
                             CNET_R_FDB_FULL,
                             CNET_R_TTL_EXPIRED,
                             CNET_R_TOO_BIG,
                             CNET_R_INTERNAL,
                             CNET_R_OTHER_NETWORK,
                             CNET_R_NO_ROUTE,
                             CNET_R_NO_UPLINK,
                             CNET_R_NO_UPLINK_ADDR,
                             CNET_R_BROADCAST_L3,
                             CNET_R_FRAGMENT_HELD,
                             CNET_R_FRAGMENT_BAD,
                             CNET_R_FRAGMENT_OVERLAP,
                             CNET_R_FRAGMENT_FULL,
                             CNET_R_SPLIT,
                             CNET_R_L4_UNSUPPORTED,
                             CNET_R_NO_FLOW,
                             CNET_R_CT_FULL,
                             CNET_R_PORTS_EXHAUSTED,
                             CNET_R_FLOW_QUOTA,
                             CNET_R_NOT_ALLOWED,
                             CNET_R_PORT_MTU,
                             CNET_R_ICMP_RATE,
                             CNET_R_VXLAN_SENT,
                             CNET_R_VXLAN_DEVICE,
                             CNET_R_VXLAN_FORGED,
                             CNET_R_PEER_UNREACHABLE});
    add(CNET_HOOK_HOSTPORT,
        {CNET_R_SWITCHED, CNET_R_FLOODED, CNET_R_ARP_REPLY, CNET_R_ND_REPLY, CNET_R_DIRECT_ROUTING,
         CNET_R_OTHER_NETWORK, CNET_R_GATEWAY_LOCAL, CNET_R_DHCP_UNSEEN});
    add(CNET_HOOK_UPLINK, {CNET_R_SNAT_REPLY,       CNET_R_DNAT,
                           CNET_R_ICMP_ERROR_SENT,  CNET_R_ICMP_ERROR_NAT,
                           CNET_R_HOST_PORT_XLAT,   CNET_R_NOT_OURS,
                           CNET_R_NOT_IP,           CNET_R_UPLINK_FRAGMENT,
                           CNET_R_UPLINK_UNPARSED,  CNET_R_NO_FLOW_HOST,
                           CNET_R_NO_NEIGH,         CNET_R_NO_FLOW,
                           CNET_R_FRAGMENT_HELD,    CNET_R_FRAGMENT_OVERLAP,
                           CNET_R_NOT_ALLOWED,      CNET_R_VXLAN_RECEIVED,
                           CNET_R_VXLAN_LEFT,       CNET_R_VXLAN_STRANGER,
                           CNET_R_VXLAN_BAD,        CNET_R_VXLAN_VNI,
                           CNET_R_VXLAN_ECN,        CNET_R_VXLAN_RELAY,
                           CNET_R_VXLAN_FORGED,     CNET_R_GATEWAY_LOCAL,
                           CNET_R_FLOODED,          CNET_R_FLOOD_NOBODY,
                           CNET_R_SPOOFED_MAC,      CNET_R_MULTICAST_SOURCE,
                           CNET_R_LINK_LOCAL_MCAST, CNET_R_ICC_OFF,
                           CNET_R_MAC_LIMIT,        CNET_R_ICMP_RATE,
                           CNET_R_FLOOD_LIMIT,      CNET_R_NEW_LIMIT});
    add(CNET_HOOK_UPLINK_XDP,
        {CNET_R_VXLAN_STRANGER, CNET_R_VXLAN_BAD, CNET_R_VXLAN_VNI, CNET_R_VXLAN_FORGED,
         CNET_R_NO_FLOW, CNET_R_NOT_ALLOWED, CNET_R_NEW_LIMIT});
    add(CNET_HOOK_BRIDGE_PORT,
        {CNET_R_SWITCHED, CNET_R_TO_BRIDGE, CNET_R_MAC_LIMIT, CNET_R_FDB_FULL, CNET_R_SNAT,
         CNET_R_HAIRPIN, CNET_R_OTHER_NETWORK, CNET_R_ICC_OFF, CNET_R_INTERNAL, CNET_R_TO_HOST,
         CNET_R_DNAT_REPLY});
    add(CNET_HOOK_BRIDGE, {CNET_R_SWITCHED, CNET_R_TO_BRIDGE});
    // The rest of what it counts needs the kernel's tunnel: tests/netns meets it.
    add(CNET_HOOK_VXLAN, {CNET_R_VXLAN_STRANGER});
    add(CNET_HOOK_UPLINK_EGRESS,
        {CNET_R_HOST_PORT_XLAT, CNET_R_NOT_OURS, CNET_R_NOT_IP, CNET_R_UPLINK_FRAGMENT,
         CNET_R_UPLINK_UNPARSED, CNET_R_PORTS_EXHAUSTED});
    // Met by system calls: there is no test run of these programs.
    if (loader::find_cgroup2())
        add(CNET_HOOK_SOCK,
            {CNET_R_NOT_OURS, CNET_R_SOCK_DIALLED, CNET_R_SOCK_SHOWN, CNET_R_SOCK_NO_TARGET,
             CNET_R_SOCK_LOOPBACK_SOURCE, CNET_R_SOCK_PEERS_FULL});
    return all;
}();

// Where a test run cannot go: ingress_ifindex and a failing helper cannot be had there. tests/netns
// meets the first two.
const std::set<cnet_reason> kNotInATestRun = {
    CNET_R_NONE,           CNET_R_TRANSLATED,      CNET_R_LEAK,
    CNET_R_REWRITE_FAILED, CNET_R_REDIRECT_FAILED, CNET_R_FRAGMENT_LOST,
    CNET_R_SOCK_NO_MEMORY};

TEST(Coverage, EveryReasonHasAHook) {
    if (!loader::find_cgroup2()) GTEST_SKIP() << "this machine has no cgroup2";
    for (uint32_t reason = 0; reason < CNET_R_COUNT; reason++) {
        auto named = static_cast<cnet_reason>(reason);
        bool reachable = std::any_of(kReachable.begin(), kReachable.end(),
                                     [&](const HookReason& pair) { return pair.second == named; });
        EXPECT_NE(reachable, kNotInATestRun.contains(named)) << maps::reason(reason).name;
    }
}

TEST(Coverage, EveryPairWasMet) {
    if (::testing::GTEST_FLAG(filter) != "*") GTEST_SKIP() << "only some tests ran";
    if (geteuid() != 0) GTEST_SKIP() << "BPF_PROG_TEST_RUN needs root";
    std::set<HookReason> seen(coverage().begin(), coverage().end());
    for (const auto& pair : kReachable)
        EXPECT_TRUE(seen.contains(pair))
            << maps::hook_name(pair.first) << " never counted " << maps::reason(pair.second).name;
    for (const auto& pair : seen)
        EXPECT_TRUE(kReachable.contains(pair))
            << maps::hook_name(pair.first) << " counted " << maps::reason(pair.second).name
            << ", which is not listed";
}

} // namespace
} // namespace cnet::test
