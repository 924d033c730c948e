#include "userspace/netlink/nftables.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "userspace/netlink/question.h"

namespace cnet::netlink {

std::optional<HookedChain> to_hooked_chain(nlmsghdr* message) {
    const Attributes<NFTA_CHAIN_MAX> in(message, sizeof(nfgenmsg));
    if (!in.find(NFTA_CHAIN_HOOK)) return std::nullopt;
    HookedChain chain;
    chain.family = static_cast<nfgenmsg*>(nlmsg_data(message))->nfgen_family;
    chain.table = in.text(NFTA_CHAIN_TABLE);
    chain.name = in.text(NFTA_CHAIN_NAME);
    chain.type = in.text(NFTA_CHAIN_TYPE);
    chain.hook = ntohl(Attributes<NFTA_HOOK_MAX>(in.find(NFTA_CHAIN_HOOK)).u32(NFTA_HOOK_HOOKNUM));
    chain.drops = in.find(NFTA_CHAIN_POLICY) && ntohl(in.u32(NFTA_CHAIN_POLICY)) == NF_DROP;
    // Nothing leads to such a chain, so what uses it are its rules.
    chain.has_rules = in.u32(NFTA_CHAIN_USE) != 0;
    return chain;
}

Result<std::vector<HookedChain>> read_hooked_chains() {
    std::vector<HookedChain> chains;
    auto status = ask_netfilter(
        {NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC}, "list nftables' chains",
        [&] { chains.clear(); },
        [&](nlmsghdr* message) {
            if (auto chain = to_hooked_chain(message)) chains.push_back(std::move(*chain));
        });
    if (!status && status.error().errno_value() != EINVAL) return status.error();
    return chains;
}

} // namespace cnet::netlink
