// Whether iptables could refuse a frame that goes from one port of a bridge to another, where
// br_netfilter shows it those frames: by the text of `iptables-save`, and by the chains of nftables
// that are not in it. Pure.
//
// What is not understood counts as a refusal. Rules of the table nat are not looked at.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/netlink/nftables.h"

namespace cnet::docker {

struct Rule {
    std::string text; // as it was written
    std::string in;   // device; "!" in front: any but it, "+" behind: any that begins so
    std::string out;
    bool conditional = false; // on more than the devices
    std::string target;       // of -j; empty: it only counts
    bool leaves = false;      // by -g: what follows in the chain is not reached
};

struct Chain {
    std::string policy; // "-" for one that rules jump to
    std::vector<Rule> rules;
};

class Rules {
public:
    // Of one family; "" is nothing at all.
    static Rules parse(std::string_view saved);

    // Docker's own are there: it does NAT and isolation by itself.
    bool are_dockers() const;
    // The rule that may refuse what goes from port to port of this bridge; empty: none.
    std::string refusal(const std::string& bridge) const;
    // Whether this chain of nftables is among them.
    bool has(const netlink::HookedChain& chain) const;

private:
    using Table = std::map<std::string, Chain>;
    std::map<std::string, Table> tables_;
    bool are_nftables_ = false; // and not those of the older ip_tables
};

// The chain that may refuse what goes from port to port of any bridge, and that neither family's
// rules have; empty: none.
std::string hidden_refusal(const std::vector<netlink::HookedChain>& chains, const Rules& rules4,
                           const Rules& rules6);

} // namespace cnet::docker
