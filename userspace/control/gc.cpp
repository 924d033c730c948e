#include "userspace/control/gc.h"

#include <netinet/in.h>

#include <algorithm>

#include "userspace/control/allow_list.h"

namespace cnet::control {

namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

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

// What a flow needs of the desired state to make sense.
class Living {
public:
    explicit Living(const State& state) : state_(state) {
        for (const auto& [id, endpoint] : state.endpoints) {
            for (const IpPrefix& address : endpoint.addresses) {
                addresses_.emplace(endpoint.network_id, address.address());
            }
        }
    }

    bool has(const cnet_ct_key& forward, const cnet_ct_entry& entry) const {
        if (entry.type == CNET_CT_HOST_XLAT) return true;
        if (entry.binding_id != 0 && !has_port(entry.binding_id, forward)) return false;
        // The endpoint began a masqueraded flow and answers the others.
        const cnet_ct_key& tuple =
            entry.type == CNET_CT_SNAT || entry.type == CNET_CT_ROUTED ? forward : entry.other;
        auto network = state_.networks.find(tuple.zone);
        if (network == state_.networks.end()) return false;
        return network->second.allow_spoofing ||
               addresses_.contains({tuple.zone, IpAddress::from_abi(tuple.src)});
    }

private:
    bool has_port(BindingId id, const cnet_ct_key& forward) const {
        auto port = state_.ports.find(id);
        if (port == state_.ports.end()) return false;
        const auto& clients = port->second.allow_from;
        return clients.empty() || permits(clients, IpAddress::from_abi(forward.src));
    }

    const State& state_;
    std::set<std::pair<NetworkId, IpAddress>> addresses_;
};

} // namespace

uint32_t Timeouts::of(uint8_t l4_proto, uint8_t state) const {
    if (l4_proto == IPPROTO_TCP) {
        switch (state) {
        case CNET_CT_ESTABLISHED:
            return tcp_established;
        case CNET_CT_CLOSING:
            return tcp_closing;
        case CNET_CT_TIME_WAIT:
            return tcp_time_wait;
        case CNET_CT_CLOSED:
            return tcp_closed;
        default:
            return tcp_new;
        }
    }
    if (l4_proto == IPPROTO_SCTP) {
        if (state == CNET_CT_NEW) return sctp_new;
        return state == CNET_CT_ESTABLISHED ? sctp_established : sctp_closing;
    }
    if (l4_proto == IPPROTO_UDP) return state == CNET_CT_NEW ? udp_new : udp_established;
    return icmp;
}

Result<Collector::Swept> Collector::sweep(const State& state) {
    const uint64_t now_ns = clock_.monotonic_ns();
    const Living living(state);
    Swept swept;
    std::vector<cnet_gc_ct> dead;
    KeySet forwards;
    std::vector<std::pair<cnet_ct_key, cnet_ct_key>> reverses; // own key, its flow's
    auto status = tables_.for_each_ct([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
        if (entry.kind == CNET_CT_REVERSE) {
            reverses.emplace_back(key, entry.other);
            return;
        }
        forwards.insert(key);
        swept.live_flows++;
        if (!living.has(key, entry)) {
            dead.push_back(flow_candidate(key, 0));
        } else if (idle_longer(now_ns, entry.last_seen_ns,
                               timeouts_.of(key.l4_proto, entry.state))) {
            dead.push_back(flow_candidate(key, entry.last_seen_ns));
        }
    });
    if (!status) return status.error().because("walk the flows");
    KeySet suspected;
    for (const auto& [key, forward] : reverses) {
        if (forwards.contains(forward)) continue;
        suspected.insert(key);
        if (suspected_reverse_.contains(key)) dead.push_back(flow_candidate(key, 0));
    }
    suspected_reverse_ = std::move(suspected);
    auto flows = collect_all(hooks_, dead);
    if (!flows) return flows.error().because("collect flows");
    swept.flows = *flows;
    swept.live_flows -= std::min(swept.live_flows, swept.flows);

    auto macs = purge_macs_older(now_ns, state);
    if (!macs) return macs.error();
    swept.macs = *macs;
    const uint64_t patience_ns = timeouts_.fragment * kSecondNs;
    if (now_ns > patience_ns) {
        status = tables_.drop_fragments_before(now_ns - patience_ns);
        if (!status) return status.error().because("drop fragments that came to nothing");
    }
    return swept;
}

Result<uint64_t> Collector::purge_macs_older(uint64_t now_ns, const State& state) {
    std::vector<cnet_gc_fdb> old;
    auto status = tables_.for_each_fdb([&](const cnet_fdb_key& key, const cnet_fdb_entry& entry) {
        if (entry.flags & CNET_FDB_STATIC) return;
        auto network = state.networks.find(key.network_id);
        cnet_gc_fdb candidate{};
        candidate.key = key;
        if (network != state.networks.end()) {
            const uint32_t ageing_s = network->second.ageing_s;
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
