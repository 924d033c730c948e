#include "userspace/control/gc.h"

#include <netinet/in.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "userspace/control/adopted.h"
#include "userspace/control/allow_list.h"

namespace cnet::control {

namespace {

// The clock was read before the walk, so an entry may have been seen since.
bool idle_longer(uint64_t now_ns, uint64_t last_seen_ns, uint64_t seconds) {
    return last_seen_ns != CNET_CLAIMED && now_ns > last_seen_ns &&
           now_ns - last_seen_ns > seconds * kSecondNs;
}

cnet_gc_ct flow_candidate(const cnet_ct_key& key, uint64_t last_seen_ns) {
    cnet_gc_ct candidate{};
    candidate.key = key;
    candidate.last_seen_ns = last_seen_ns;
    return candidate;
}

// In batches of what one run of the collector takes.
template <typename Candidate>
Result<uint64_t> collect_all(Hooks& hooks, const std::vector<Candidate>& candidates) {
    uint64_t collected = 0;
    for (size_t first = 0; first < candidates.size(); first += CNET_GC_BATCH_MAX) {
        const size_t last = std::min<size_t>(first + CNET_GC_BATCH_MAX, candidates.size());
        auto count = hooks.collect(
            std::vector<Candidate>(candidates.begin() + static_cast<ptrdiff_t>(first),
                                   candidates.begin() + static_cast<ptrdiff_t>(last)));
        if (!count) return count.error();
        collected += *count;
    }
    return collected;
}

bool has_mappings(const State& state) {
    return std::any_of(state.networks.begin(), state.networks.end(), [](const auto& entry) {
        return entry.second.nat == Nat::kEndpointIndependent;
    });
}

// The endpoint's side of a flow: the endpoint began a masqueraded one and answers the others.
const cnet_ct_key& inside_of(const cnet_ct_key& forward, const cnet_ct_entry& entry) {
    const bool began = entry.type == CNET_CT_SNAT || entry.type == CNET_CT_ROUTED ||
                       entry.type == CNET_CT_MAPPING || entry.type == CNET_CT_KERNEL;
    return began ? forward : entry.other;
}

std::optional<cnet_l4> l4_of(uint8_t l4_proto) {
    switch (l4_proto) {
    case IPPROTO_TCP:
        return CNET_L4_TCP;
    case IPPROTO_UDP:
        return CNET_L4_UDP;
    case IPPROTO_SCTP:
        return CNET_L4_SCTP;
    default:
        return std::nullopt;
    }
}

// What a flow needs of the desired state to make sense.
class Living {
public:
    explicit Living(const State& state) : state_(state) {
        for (const auto& [id, network] : state.networks) {
            if (state.is_open(network)) open_.insert(id);
        }
        for (const auto& [bridge, adopted] : state.adopted) {
            if (is_routed(adopted, state)) open_.insert(adopted.network_id);
        }
        for (const auto& [id, endpoint] : state.endpoints) {
            for (const IpPrefix& address : endpoint.addresses) {
                addresses_.emplace(endpoint.network_id, address.address());
            }
        }
        for (const auto& [id, lease] : state.leases)
            addresses_.emplace(state.endpoints.at(id).network_id, lease.address);
        if (!has_mappings(state)) return;
        for (const auto& [id, port] : state.ports) {
            for (uint32_t i = 0; i < port.count; i++)
                published_.insert(CNET_SLOT_INDEX(port.l4, port.host_port + i));
        }
    }

    bool has(const cnet_ct_key& forward, const cnet_ct_entry& entry) const {
        if (entry.type == CNET_CT_HOST_XLAT) return true;
        if (entry.binding_id != 0 && !has_port(entry.binding_id, forward)) return false;
        const cnet_ct_key& tuple = inside_of(forward, entry);
        if (!state_.networks.contains(tuple.zone) && !open_.contains(tuple.zone)) return false;
        if (forward.mapping && is_published(entry.other)) return false;
        return open_.contains(tuple.zone) ||
               addresses_.contains({tuple.zone, IpAddress::from_abi(tuple.src)});
    }

private:
    // A port that was published after it had been mapped: flows that begin get another one.
    bool is_published(const cnet_ct_key& outside) const {
        const auto l4 = l4_of(outside.l4_proto);
        return l4 && published_.contains(CNET_SLOT_INDEX(*l4, ntohs(outside.dst_port_be)));
    }

    bool has_port(BindingId id, const cnet_ct_key& forward) const {
        auto port = state_.ports.find(id);
        if (port == state_.ports.end()) return false;
        const auto& clients = port->second.allow_from;
        return clients.empty() || permits(clients, IpAddress::from_abi(forward.src));
    }

    const State& state_;
    std::set<NetworkId> open_; // whose every address may be somebody's
    std::set<std::pair<NetworkId, IpAddress>> addresses_;
    std::set<uint32_t> published_; // slots, where somebody asks for them
};

} // namespace

// One walk over the flows, and what it has found so far.
class Collector::Sweep {
public:
    // The quotas as they were just before; `patience` is the table's.
    Sweep(Tables& tables, const Timeouts& timeouts, uint64_t now_ns,
          const std::vector<uint64_t>& suspected, Entries<uint32_t, cnet_quota> quotas,
          uint32_t patience)
        : walk_(tables.walk_ct()), timeouts_(timeouts), now_ns_(now_ns), suspected_(suspected),
          quotas_(std::move(quotas)), patience_(patience) {
        for (const auto& [ifindex, quota] : quotas_) {
            const uint32_t left = patience_permille(quota.begun - quota.gone, quota.max_flows);
            if (left < kAllPatience) pressed_ports_[ifindex] = left;
        }
    }

    // Some of the entries, by what is desired now. False: all are seen.
    Result<bool> step(const State& state) {
        const Living living(state);
        const bool mapped = has_mappings(state);
        Result<bool> more = true;
        for (int i = 0; i < kPiecesAStep && more && *more; i++) {
            more = walk_->next([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
                see(key, entry, living, mapped);
            });
        }
        return more;
    }

    // What is to go, as far as is known.
    std::vector<cnet_gc_ct> take_dead() { return std::exchange(dead_, {}); }

    // Once all are seen: the flows that REVERSE entries name and that are missing. More is dead
    // now.
    std::vector<uint64_t> finish() {
        hurry_pressed_ports();
        std::sort(refreshed_.begin(), refreshed_.end());
        for (const cnet_gc_ct& mapping : idle_mappings_) {
            if (!contains(refreshed_, hash_of(port_of(mapping.key)))) dead_.push_back(mapping);
        }
        std::sort(forwards_.begin(), forwards_.end());
        std::sort(reverses_.begin(), reverses_.end());
        for (const auto& [flow, key] : lonely_) {
            if (!contains(forwards_, flow)) dead_.push_back(flow_candidate(key, 0));
        }
        std::vector<uint64_t> missing;
        std::set_difference(reverses_.begin(), reverses_.end(), forwards_.begin(), forwards_.end(),
                            std::back_inserter(missing));
        return missing;
    }

    // Of the flows that ports had begun before the walk, those that are no more: what begins
    // meanwhile is counted by the programs, and here not. Only what is news.
    std::vector<cnet_gc_quota> count_quotas() const {
        std::vector<cnet_gc_quota> counted;
        for (const auto& [ifindex, quota] : quotas_) {
            auto open = begun_by_.find(ifindex);
            const uint32_t gone = quota.begun - (open == begun_by_.end() ? 0 : open->second);
            if (gone != quota.gone) counted.push_back({ifindex, gone});
        }
        return counted;
    }

    uint64_t now_ns() const { return now_ns_; }
    uint64_t flows() const { return flows_; }
    bool has_pressed_ports() const { return !pressed_ports_.empty(); }
    FlowCensus take_census() { return std::move(census_); }
    uint64_t collected = 0;

private:
    static constexpr int kPiecesAStep = 16;

    void see(const cnet_ct_key& key, const cnet_ct_entry& entry, const Living& living,
             bool mapped) {
        census_.entries++;
        if (entry.kind == CNET_CT_REVERSE) {
            const uint64_t flow = hash_of(entry.other);
            reverses_.push_back(flow);
            if (entry.fib_ifindex != 0 && entry.created_ns < now_ns_)
                begun_by_[entry.fib_ifindex]++;
            if (auto port = pressed_ports_.find(entry.fib_ifindex); port != pressed_ports_.end())
                pressed_flows_.emplace(flow, port->second);
            if (contains(suspected_, flow)) lonely_.emplace_back(flow, key);
            return;
        }
        forwards_.push_back(hash_of(key));
        if (!key.mapping) {
            flows_++;
            census_.flows[{key.l4_proto, entry.state}]++;
        }
        const cnet_gc_ct candidate = flow_candidate(key, entry.last_seen_ns);
        if (!living.has(key, entry)) {
            dead_.push_back(flow_candidate(key, 0));
        } else if (is_idle(candidate, entry.state, patience_)) {
            add_idle(candidate);
        } else {
            if (!pressed_ports_.empty() && is_idle(candidate, entry.state, kNoPatience))
                spared_.emplace_back(candidate, entry.state);
            if (mapped && refreshes(key, entry))
                refreshed_.push_back(hash_of(port_of(inside_of(key, entry))));
        }
    }

    bool is_idle(const cnet_gc_ct& flow, uint8_t state, uint32_t patience) const {
        return idle_longer(now_ns_, flow.last_seen_ns,
                           timeouts_.hurried(flow.key.l4_proto, state, patience));
    }
    void add_idle(const cnet_gc_ct& flow) {
        (flow.key.mapping ? idle_mappings_ : dead_).push_back(flow);
    }

    // A REVERSE entry alone says who began a flow, the FORWARD one when it was seen last.
    void hurry_pressed_ports() {
        for (const auto& [flow, state] : spared_) {
            auto begun = pressed_flows_.find(hash_of(flow.key));
            if (begun != pressed_flows_.end() && is_idle(flow, state, begun->second))
                add_idle(flow);
        }
    }

    // Who goes by hashes alone may take a thing for another once in an age: it then lives longer.
    static uint64_t hash_of(const cnet_ct_key& key) {
        return std::hash<std::string_view>{}(
            std::string_view(reinterpret_cast<const char*>(&key), sizeof(key)));
    }
    static bool contains(const std::vector<uint64_t>& sorted, uint64_t value) {
        return std::binary_search(sorted.begin(), sorted.end(), value);
    }
    // A mapping lives by what the endpoint sends (RFC 4787 REQ-6), not by what knocks.
    static bool refreshes(const cnet_ct_key& key, const cnet_ct_entry& entry) {
        return !key.mapping && (entry.type == CNET_CT_SNAT || entry.state != CNET_CT_NEW);
    }
    // The endpoint's own port, whoever it talks to from there.
    static cnet_ct_key port_of(const cnet_ct_key& inside) {
        cnet_ct_key port{};
        port.src = inside.src;
        port.src_port_be = inside.src_port_be;
        port.zone = inside.zone;
        port.l4_proto = inside.l4_proto;
        return port;
    }

    const std::unique_ptr<CtWalk> walk_;
    const Timeouts& timeouts_;
    const uint64_t now_ns_;
    const std::vector<uint64_t>& suspected_;
    const Entries<uint32_t, cnet_quota> quotas_;
    const uint32_t patience_;                              // permille
    std::unordered_map<uint32_t, uint32_t> pressed_ports_; // ifindex -> their patience, permille
    std::unordered_map<uint64_t, uint32_t> pressed_flows_; // begun by those; likewise
    std::vector<std::pair<cnet_gc_ct, uint8_t>> spared_;   // and states: go if begun by those
    std::unordered_map<uint32_t, uint32_t> begun_by_;      // flows by port
    uint64_t flows_ = 0;
    FlowCensus census_;
    std::vector<cnet_gc_ct> dead_;
    std::vector<cnet_gc_ct> idle_mappings_;
    std::vector<uint64_t> refreshed_; // ports of endpoints that live flows use
    // By hash of the flow's key: a million entries are 16 MB, not 150.
    std::vector<uint64_t> forwards_;
    std::vector<uint64_t> reverses_;
    std::vector<std::pair<uint64_t, cnet_ct_key>> lonely_; // suspected, and still there
};

Collector::Collector(Tables& tables, Hooks& hooks, const Clock& clock, Timeouts timeouts)
    : tables_(tables), hooks_(hooks), clock_(clock), timeouts_(timeouts) {}
Collector::~Collector() = default;

Result<Collector::Swept> Collector::sweep(const State& state, const AgeingTimes& ageing) {
    if (!sweep_) {
        auto quotas = tables_.quotas();
        if (!quotas) return quotas.error();
        const uint32_t patience = patience_permille(left_entries_, tables_.ct_max_entries());
        sweep_ = std::make_unique<Sweep>(tables_, timeouts_, clock_.monotonic_ns(), suspected_,
                                         std::move(*quotas), patience);
    }
    auto more = sweep_->step(state);
    if (!more) {
        sweep_.reset();
        return more.error().because("walk the flows");
    }
    // What a step found goes at once: the memory for it is that of a step.
    auto collected = collect_all(hooks_, sweep_->take_dead());
    if (!collected) {
        sweep_.reset();
        return collected.error().because("collect flows");
    }
    sweep_->collected += *collected;
    if (*more) return Swept();
    return finish(ageing);
}

Result<Collector::Swept> Collector::finish(const AgeingTimes& ageing) {
    const std::unique_ptr<Sweep> sweep = std::move(sweep_);
    std::vector<uint64_t> missing = sweep->finish();
    auto collected = collect_all(hooks_, sweep->take_dead());
    suspected_ = std::move(missing);
    if (!collected) return collected.error().because("collect flows");
    if (auto told = collect_all(hooks_, sweep->count_quotas()); !told)
        return told.error().because("count the flows of each port");
    Swept swept;
    swept.done = true;
    swept.flows = sweep->collected + *collected;
    swept.live_flows = sweep->flows() - std::min(sweep->flows(), swept.flows);
    collected_flows_ += swept.flows;
    census_ = sweep->take_census();
    // A flow is two entries; one of a roll-back that failed, or a mapping's, may have been one.
    left_entries_ = census_->entries - std::min(census_->entries, 2 * swept.flows);
    swept.is_filling = sweep->has_pressed_ports() ||
                       patience_permille(left_entries_, tables_.ct_max_entries()) < kAllPatience;

    auto macs = purge_macs_older(sweep->now_ns(), ageing);
    if (!macs) return macs.error();
    swept.macs = *macs;
    collected_macs_ += swept.macs;
    const uint64_t patience_ns = timeouts_.fragment * kSecondNs;
    if (sweep->now_ns() > patience_ns) {
        auto status = tables_.drop_fragments_before(sweep->now_ns() - patience_ns);
        if (!status) return status.error().because("drop fragments that came to nothing");
    }
    return swept;
}

Result<uint64_t> Collector::purge_macs_older(uint64_t now_ns, const AgeingTimes& ageing) {
    std::vector<cnet_gc_fdb> old;
    auto status = tables_.for_each_fdb([&](const cnet_fdb_key& key, const cnet_fdb_entry& entry) {
        if (entry.flags & CNET_FDB_STATIC) return;
        auto network = ageing.find(key.network_id);
        cnet_gc_fdb candidate{};
        candidate.key = key;
        if (network != ageing.end()) {
            const uint32_t ageing_s = network->second;
            if (ageing_s == 0 || !idle_longer(now_ns, entry.last_seen_ns, ageing_s)) return;
            candidate.last_seen_ns = entry.last_seen_ns;
        }
        old.push_back(candidate);
    });
    if (!status) return status.error().because("walk the learned MACs");
    return collect_all(hooks_, old);
}

Result<uint64_t> Collector::purge_flows(const FlowMatch& match) {
    std::vector<cnet_gc_ct> candidates;
    auto status = tables_.for_each_ct([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
        if (entry.kind == CNET_CT_FORWARD && match(key, entry)) {
            candidates.push_back(flow_candidate(key, 0));
        }
    });
    if (!status) return status.error().because("walk the flows");
    return collect_all(hooks_, candidates);
}

Result<uint64_t> Collector::purge_macs(const MacMatch& match) {
    std::vector<cnet_gc_fdb> candidates;
    auto status = tables_.for_each_fdb([&](const cnet_fdb_key& key, const cnet_fdb_entry& entry) {
        if ((entry.flags & CNET_FDB_STATIC) || !match(key, entry)) return;
        cnet_gc_fdb candidate{};
        candidate.key = key;
        candidates.push_back(candidate);
    });
    if (!status) return status.error().because("walk the learned MACs");
    return collect_all(hooks_, candidates);
}

} // namespace cnet::control
