#include "userspace/netlink/nftables.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>
#include <functional>

#include "userspace/netlink/question.h"

namespace cnet::netlink {
namespace {

Status ask_nftables(int type, uint8_t family, const std::string& attempted,
                    const std::function<void()>& forget, const Visit& visit) {
    Status status = ask_netfilter({NFNL_SUBSYS_NFTABLES, type, family}, attempted, forget, visit);
    // The kernel has no nftables, or nothing of netfilter that could be asked.
    const int why = status ? 0 : status.error().errno_value();
    return why == EINVAL || why == EPROTONOSUPPORT ? Status() : status;
}

} // namespace

Result<bool> has_tables(uint8_t family) {
    bool found = false;
    Status status = ask_nftables(
        NFT_MSG_GETTABLE, family, "list nftables' tables", [&] { found = false; },
        [&](nlmsghdr*) { found = true; });
    if (!status) return status.error();
    return found;
}

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
    Status status = ask_nftables(
        NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, "list nftables' chains", [&] { chains.clear(); },
        [&](nlmsghdr* message) {
            if (auto chain = to_hooked_chain(message)) chains.push_back(std::move(*chain));
        });
    if (!status) return status.error();
    return chains;
}

} // namespace cnet::netlink
