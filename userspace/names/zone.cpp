#include "userspace/names/zone.h"

#include <algorithm>

namespace cnet::names {
namespace {

std::string in_small_letters(std::string text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    return text;
}

bool wants(Type type, const IpAddress& address) {
    return type == Type::kAny || type == (address.is_v4() ? Type::kA : Type::kAaaa);
}

} // namespace

Zone::Zone(ZoneSpec spec) : spec_(std::move(spec)), suffix_("." + in_small_letters(spec_.network)) {
    for (const Named& named : spec_.names) {
        std::vector<std::string> all = named.aliases;
        all.push_back(named.name);
        for (const std::string& name : all) {
            std::vector<IpAddress>& addresses = by_name_[in_small_letters(name)];
            addresses.insert(addresses.end(), named.addresses.begin(), named.addresses.end());
        }
        for (const IpAddress& address : named.addresses)
            by_address_.emplace(address, named.aliases.empty() ? named.name : named.aliases[0]);
    }
}

std::optional<Answer> Zone::answer(const Query& query) const {
    if (query.klass != kClassInternet) return Answer{Rcode::kRefused, {}, {}};
    if (auto reverse = answer_reverse(query)) return reverse;
    auto found = by_name_.find(query.name);
    if (found == by_name_.end() && query.name.ends_with(suffix_)) {
        found = by_name_.find(query.name.substr(0, query.name.size() - suffix_.size()));
    }
    if (found == by_name_.end()) {
        if (spec_.forwards) return std::nullopt;
        return Answer{Rcode::kNoSuchName, {}, {}};
    }
    Answer answer;
    std::copy_if(found->second.begin(), found->second.end(), std::back_inserter(answer.addresses),
                 [&](const IpAddress& address) { return wants(query.type, address); });
    // Clients take the first: each has its turn.
    if (!answer.addresses.empty()) {
        const auto id = static_cast<size_t>(query.head[0] << 8 | query.head[1]);
        const size_t turn = id % answer.addresses.size();
        std::rotate(answer.addresses.begin(),
                    answer.addresses.begin() + static_cast<ptrdiff_t>(turn),
                    answer.addresses.end());
    }
    return answer;
}

std::optional<Answer> Zone::answer_reverse(const Query& query) const {
    const auto address = parse_reverse(query.name);
    const bool ours =
        address && std::any_of(spec_.subnets.begin(), spec_.subnets.end(),
                               [&](const auto& one) { return one.contains(*address); });
    if (!ours) return std::nullopt;
    auto found = by_address_.find(*address);
    if (found == by_address_.end()) return Answer{Rcode::kNoSuchName, {}, {}};
    Answer answer;
    if (query.type == Type::kPtr || query.type == Type::kAny)
        answer.names.push_back(found->second + suffix_);
    return answer;
}

} // namespace cnet::names
