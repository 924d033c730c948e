#include "userspace/docker/adopt_rules.h"

#include <netinet/in.h>

#include <linux/netfilter.h>

#include <algorithm>
#include <array>
#include <utility>

namespace cnet::docker {
namespace {

// Deeper than any chain that is not wrong.
constexpr int kDepthMax = 16;

// The built-in chains that such a frame comes through.
struct Passed {
    std::string_view table;
    std::string_view chain;
};
constexpr std::array<Passed, 6> kPassed = {{{"raw", "PREROUTING"},
                                            {"mangle", "PREROUTING"},
                                            {"mangle", "FORWARD"},
                                            {"filter", "FORWARD"},
                                            {"security", "FORWARD"},
                                            {"mangle", "POSTROUTING"}}};

// Targets after which the next rule is looked at.
constexpr std::array<std::string_view, 9> kHarmless = {
    "", "LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "CT", "NOTRACK", "TRACE"};

// Words; what is in double quotes is one of them.
std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool quoted = false;
    for (const char c : line) {
        if (c == '"') {
            quoted = !quoted;
        } else if (c == ' ' && !quoted) {
            if (!word.empty()) words.push_back(std::exchange(word, {}));
        } else {
            word += c;
        }
    }
    if (!word.empty()) words.push_back(word);
    return words;
}

std::string_view take_line(std::string_view& text) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    return line;
}

// "-A CHAIN ..." without the first two words.
Rule parse_rule(std::string_view line, const std::vector<std::string>& words) {
    Rule rule;
    rule.text = line;
    std::string negated;
    for (size_t i = 2; i < words.size(); i++) {
        const std::string& word = words[i];
        const bool has_value = i + 1 < words.size();
        if (word == "!") {
            negated = "!";
            continue;
        }
        if ((word == "-i" || word == "-o") && has_value) {
            (word == "-i" ? rule.in : rule.out) = negated + words[++i];
        } else if ((word == "-j" || word == "-g") && has_value) {
            rule.leaves = word == "-g";
            rule.target = words[++i];
            break; // the rest is the target's
        } else {
            rule.conditional = true;
        }
        negated.clear();
    }
    return rule;
}

bool can_be(const std::string& pattern, const std::string& device) {
    if (pattern.empty()) return true;
    if (pattern.starts_with('!')) return !can_be(pattern.substr(1), device);
    if (pattern.ends_with('+')) return device.starts_with(pattern.substr(0, pattern.size() - 1));
    return pattern == device;
}

// What becomes of frames of a bridge in a chain.
struct Fate {
    bool all_accepted = false;
    std::string refusal;
};

class Walk {
public:
    Walk(const std::map<std::string, Chain>& table, const std::string& bridge)
        : table_(table), bridge_(bridge) {}

    Fate through(const std::string& name, int depth = 0) const {
        auto chain = table_.find(name);
        if (chain == table_.end()) return {};
        if (depth > kDepthMax) return {false, "a chain that leads to itself: " + name};
        bool some_left = false; // back to the caller, before the chain's end
        for (const Rule& rule : chain->second.rules) {
            if (!can_be(rule.in, bridge_) || !can_be(rule.out, bridge_)) continue;
            const bool all = !rule.conditional && !some_left;
            if (rule.target == "ACCEPT") {
                if (all) return {true, {}};
            } else if (rule.target == "RETURN") {
                if (!rule.conditional) return end_of(name, chain->second);
                some_left = true;
            } else if (table_.contains(rule.target)) {
                const Fate fate = through(rule.target, depth + 1);
                if (!fate.refusal.empty() || (fate.all_accepted && all)) return fate;
                if (rule.leaves && !rule.conditional) return end_of(name, chain->second);
                some_left |= rule.leaves;
            } else if (std::ranges::find(kHarmless, rule.target) == kHarmless.end()) {
                return {false, rule.text};
            }
        }
        return end_of(name, chain->second);
    }

private:
    static Fate end_of(const std::string& name, const Chain& chain) {
        if (chain.policy != "DROP") return {};
        return {false, "the policy of " + name + " is DROP"};
    }

    const std::map<std::string, Chain>& table_;
    const std::string& bridge_;
};

} // namespace

Rules Rules::parse(std::string_view saved) {
    Rules rules;
    rules.are_nftables_ = saved.find("(nf_tables)") != saved.npos;
    Table* table = nullptr;
    while (!saved.empty()) {
        const std::string_view line = take_line(saved);
        if (line.starts_with('*')) table = &rules.tables_[std::string(line.substr(1))];
        const std::vector<std::string> words = words_of(line);
        if (!table || words.size() < 2) continue;
        if (line.starts_with(':')) (*table)[words[0].substr(1)].policy = words[1];
        if (words[0] == "-A") (*table)[words[1]].rules.push_back(parse_rule(line, words));
    }
    return rules;
}

bool Rules::are_dockers() const {
    return std::ranges::any_of(tables_,
                               [](const auto& table) { return table.second.contains("DOCKER"); });
}

std::string Rules::refusal(const std::string& bridge) const {
    for (const Passed& passed : kPassed) {
        auto table = tables_.find(std::string(passed.table));
        if (table == tables_.end()) continue;
        const Fate fate = Walk(table->second, bridge).through(std::string(passed.chain));
        if (!fate.refusal.empty()) return std::string(passed.table) + ": " + fate.refusal;
    }
    return {};
}

bool Rules::has(const netlink::HookedChain& chain) const {
    auto table = tables_.find(chain.table);
    return are_nftables_ && table != tables_.end() && table->second.contains(chain.name);
}

std::string hidden_refusal(const std::vector<netlink::HookedChain>& chains, const Rules& rules4,
                           const Rules& rules6) {
    for (const netlink::HookedChain& chain : chains) {
        const bool is_ip = chain.family == NFPROTO_IPV4 || chain.family == NFPROTO_IPV6 ||
                           chain.family == NFPROTO_INET;
        const bool is_passed = chain.hook == NF_INET_PRE_ROUTING || chain.hook == NF_INET_FORWARD ||
                               chain.hook == NF_INET_POST_ROUTING;
        if (!is_ip || !is_passed || chain.type == "nat") continue;
        if (chain.family == NFPROTO_IPV4 && rules4.has(chain)) continue;
        if (chain.family == NFPROTO_IPV6 && rules6.has(chain)) continue;
        if (chain.drops || chain.has_rules)
            return "nftables: chain " + chain.name + " of table " + chain.table;
    }
    return {};
}

} // namespace cnet::docker
