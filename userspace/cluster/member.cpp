#include "userspace/cluster/member.h"

#include <algorithm>

namespace cnet::cluster {

namespace {

using control::ClusterEndpoint;
using etcd::Compare;

Error conflict(const std::string& message) {
    return {ErrorKind::kConflict, message};
}

Compare value_is(std::string key, std::string value) {
    return {std::move(key),  {}, Compare::Target::kValue, Compare::Relation::kEqual, 0,
            std::move(value)};
}

// No key begins with it.
Compare nothing_below(const std::string& prefix) {
    return {prefix, etcd::prefix_end(prefix)};
}

bool went_away(const Error& error) {
    return error.kind() == ErrorKind::kUnavailable || error.kind() == ErrorKind::kUnknown;
}

// A member that dies takes the transactions along that it was asked to pass on; by the time that
// the answer is given up, another may lead.
constexpr int kRepeats = 2;

bool is_unknown(const Result<etcd::TxnResult>& result) {
    return !result && result.error().kind() == ErrorKind::kUnknown;
}

} // namespace

std::string Member::words_of(const Key& key) {
    if (const auto* address = std::get_if<AddressKey>(&key))
        return "address " + address->address.to_string();
    return "MAC address " + std::get<MacKey>(key).mac.to_string();
}

Member::Member(MemberSettings settings, Kv& kv)
    : settings_(std::move(settings)), kv_(kv), picture_(Keys(settings_.prefix), settings_.host) {}

bool Member::take(std::vector<Message> messages) {
    bool changed = false;
    bool ours = false;
    for (Message& message : messages) {
        if (const auto* away = std::get_if<Away>(&message)) {
            connected_ = false;
            away_ = away->error;
            continue;
        }
        connected_ = true;
        if (auto* snapshot = std::get_if<Snapshot>(&message)) {
            picture_.reset(std::move(snapshot->range.kvs), snapshot->range.revision);
            look_.reset();
            lease_ = snapshot->lease;
            registered_ = 0;
            changed = ours = true;
            continue;
        }
        const etcd::WatchBatch& batch = std::get<News>(message).batch;
        ours = ours || picture_.concerns_us(batch.events);
        picture_.apply(batch.events, batch.revision);
        if (!batch.events.empty()) look_.reset();
        changed = changed || !batch.events.empty();
    }
    if (ours || (connected_ && wants_retry_)) sync();
    return changed;
}

Result<bool> Member::commit(const Conditions& conditions, const Operations& then,
                            const Operations& otherwise) {
    auto result = kv_.txn(conditions, then, otherwise);
    for (int repeat = 0; repeat < kRepeats && is_unknown(result); repeat++)
        result = kv_.txn(conditions, then, otherwise);
    if (!result) {
        if (went_away(result.error())) {
            connected_ = false;
            away_ = result.error();
        }
        return result.error();
    }
    look_.reset();
    size_t gets = 0;
    for (const etcd::Operation& operation : result->succeeded ? then : otherwise) {
        if (const auto* put = std::get_if<etcd::Put>(&operation))
            picture_.note_put(*put, result->revision);
        else if (const auto* removed = std::get_if<etcd::Delete>(&operation))
            picture_.note_delete(removed->key, result->revision);
        else if (const auto& read = result->gets.at(gets++); !read.empty())
            picture_.note_read(read.front());
        else
            picture_.note_delete(std::get<etcd::Get>(operation).key, result->revision);
    }
    return result->succeeded;
}

Status Member::check_connected() const {
    if (connected_) return {};
    return Error(ErrorKind::kUnavailable, "the cluster cannot be asked: " + away_.message());
}

Compare Member::still_registered() const {
    return {picture_.keys().of(HostKey{settings_.host}),
            {},
            Compare::Target::kCreateRevision,
            Compare::Relation::kEqual,
            registered_};
}

std::optional<std::string> Member::holder_of_key(const Key& key) const {
    const etcd::KeyValue* kv = picture_.find(key);
    if (!kv) return std::nullopt;
    auto claim = decode_claim(kv->value);
    if (!claim) return "somebody";
    return "endpoint " + claim->endpoint + " of " +
           (claim->host == settings_.host ? "this host" : "host " + claim->host);
}

std::optional<std::string> Member::holder_of(uint32_t vni, const IpAddress& address) const {
    return holder_of_key(AddressKey{vni, address});
}

Result<control::ClusterState> Member::refresh() {
    if (Status status = check_connected(); !status) return status.error();
    for (const char* kind : {"networks/", "vnis/"}) {
        const std::string prefix = picture_.keys().root() + kind;
        auto range = kv_.range(prefix);
        if (!range) {
            if (went_away(range.error())) {
                connected_ = false;
                away_ = range.error();
            }
            return range.error();
        }
        picture_.replace(prefix, std::move(range->kvs), range->revision);
        look_.reset();
        if (prefix == picture_.keys().networks()) networks_read_ = range->revision;
    }
    return state();
}

const Member::Look& Member::look() const {
    if (!look_) {
        Look look;
        look.state = picture_.state(look.complaints);
        look_ = std::move(look);
    }
    return *look_;
}

uint32_t Member::free_vni() const {
    for (uint32_t vni = settings_.vni_min; vni <= settings_.vni_max; vni++) {
        if (!picture_.find(VniKey{vni})) return vni;
    }
    return 0;
}

Result<control::Network> Member::create_network(const control::Network& wanted) {
    if (Status status = check_connected(); !status) return status.error();
    control::Network network = wanted;
    if (network.vni == 0) network.vni = free_vni();
    if (network.vni == 0) return Error(ErrorKind::kExhausted, "every VNI of vni_range is taken");
    const std::string name_key = picture_.keys().of(NetworkKey{network.name});
    const std::string vni_key = picture_.keys().of(VniKey{network.vni});
    const std::string all = picture_.keys().networks();
    // Subnets may overlap those of a network that was not there when they were chosen.
    const Compare no_news{all, etcd::prefix_end(all), Compare::Target::kModRevision,
                          Compare::Relation::kLess, networks_read_ + 1};
    const std::string record = encode(network);
    // Half of a network that was lost is taken up again.
    const etcd::KeyValue* left = picture_.find(VniKey{network.vni});
    const Compare free_vni = left && left->value == network.name ? value_is(vni_key, network.name)
                                                                 : Compare::absent(vni_key);
    auto made = commit({Compare::absent(name_key), free_vni, no_news},
                       {etcd::Put{name_key, record}, etcd::Put{vni_key, network.name}},
                       {etcd::Get{name_key}, etcd::Get{vni_key}});
    if (!made) return made.error();
    const etcd::KeyValue* there = picture_.find(NetworkKey{network.name});
    const etcd::KeyValue* named = picture_.find(VniKey{network.vni});
    if (!there || there->value != record || !named || named->value != network.name)
        return conflict("networks of the cluster changed at the same time: try again");
    return network;
}

Status Member::update_network(const control::Network& network) {
    if (Status status = check_connected(); !status) return status;
    const etcd::KeyValue* known = picture_.find(NetworkKey{network.name});
    if (!known) return Error(ErrorKind::kNotFound, "the cluster has no network " + network.name);
    const std::string key = known->key;
    auto done =
        commit({Compare::unchanged(*known)}, {etcd::Put{key, encode(network)}}, {etcd::Get{key}});
    if (!done) return done.error();
    const etcd::KeyValue* now = picture_.find(NetworkKey{network.name});
    if (!now || now->value != encode(network))
        return conflict("network " + network.name +
                        " was changed by another host at the same time: look again");
    return {};
}

std::string Member::who_is_in(const control::Network& network) const {
    for (const etcd::KeyValue* kv : picture_.below(picture_.keys().addresses(network.vni))) {
        if (const auto claim = decode_claim(kv->value))
            return "endpoint " + claim->endpoint + " of host " + claim->host;
    }
    for (const etcd::KeyValue* kv : picture_.below(picture_.keys().endpoints(network.vni))) {
        if (const auto key = picture_.keys().parse(kv->key))
            return std::get<EndpointKey>(*key).name + " of host " +
                   std::get<EndpointKey>(*key).host;
    }
    return "an endpoint made just now";
}

Status Member::delete_network(const control::Network& network) {
    if (Status status = check_connected(); !status) return status;
    // Hosts that are there give theirs back when they hear of it.
    for (const control::ClusterSubnet& subnet : state().subnets) {
        if (subnet.vni != network.vni || picture_.find(AliveKey{subnet.host})) continue;
        return conflict("subnet " + subnet.prefix.to_string() + " of network " + network.name +
                        " is host " + subnet.host +
                        "'s, which may run containers in it and cannot be asked: peer delete it "
                        "first");
    }
    const std::string name_key = picture_.keys().of(NetworkKey{network.name});
    const std::string vni_key = picture_.keys().of(VniKey{network.vni});
    auto done = commit({value_is(vni_key, network.name),
                        nothing_below(picture_.keys().addresses(network.vni)),
                        nothing_below(picture_.keys().endpoints(network.vni))},
                       {etcd::Delete{name_key}, etcd::Delete{vni_key}}, {etcd::Get{vni_key}});
    if (!done) return done.error();
    // Another host may have deleted it, or made a new one of that name since.
    const etcd::KeyValue* vni = picture_.find(VniKey{network.vni});
    if (*done || !vni || vni->value != network.name) return {};
    return conflict("network " + network.name + " is in use in the cluster: " + who_is_in(network));
}

std::vector<Key> Member::claim_keys(const ClusterEndpoint& endpoint) const {
    std::vector<Key> keys;
    if (!endpoint.agreed) return keys;
    for (const IpAddress& address : endpoint.addresses)
        keys.emplace_back(AddressKey{endpoint.vni, address});
    if (!endpoint.mac.is_zero()) keys.emplace_back(MacKey{endpoint.vni, endpoint.mac});
    return keys;
}

Status Member::check_registered() const {
    if (Status status = check_connected(); !status) return status;
    if (registered_ != 0) return {};
    return conflicts_.empty()
               ? Error(ErrorKind::kUnavailable, "this host is not registered yet: try again")
               : conflict(conflicts_.front());
}

Status Member::claim(const ClusterEndpoint& endpoint) {
    if (Status status = check_registered(); !status) return status;
    const std::string vni_key = picture_.keys().of(VniKey{endpoint.vni});
    Conditions conditions{still_registered(), value_is(vni_key, endpoint.network)};
    Operations puts;
    Operations gets{etcd::Get{conditions.front().key}, etcd::Get{vni_key}};
    const std::vector<Key> keys = claim_keys(endpoint);
    const std::string value = encode(Claim{settings_.host, endpoint.name});
    for (const Key& key : keys) {
        const std::string text = picture_.keys().of(key);
        conditions.push_back(Compare::absent(text));
        puts.emplace_back(etcd::Put{text, value});
        gets.emplace_back(etcd::Get{text});
    }
    const EndpointRecord record{endpoint.mac, endpoint.addresses, endpoint.aliases};
    puts.emplace_back(
        etcd::Put{picture_.keys().of(EndpointKey{endpoint.vni, settings_.host, endpoint.name}),
                  encode(record), lease_});
    auto done = commit(conditions, puts, gets);
    if (!done) return done.error();
    const bool all_ours = std::all_of(keys.begin(), keys.end(),
                                      [&](const Key& key) { return is_ours(key, endpoint); });
    if (*done || (all_ours && !keys.empty())) return {};
    for (const Key& key : keys) {
        if (const auto holder = holder_of_key(key))
            return conflict(words_of(key) + " is " + *holder + " already");
    }
    if (!has_network_of(endpoint))
        return Error(ErrorKind::kNotFound,
                     "network " + endpoint.network + " has just been deleted");
    return taken_out();
}

Error Member::taken_out() {
    registered_ = 0;
    wants_retry_ = true;
    return {ErrorKind::kUnavailable, "this host has just been taken out of the cluster"};
}

std::optional<control::ClusterSubnet> Member::own_subnet(uint32_t vni) const {
    for (const control::ClusterSubnet& subnet : state().subnets) {
        if (subnet.vni == vni && subnet.host == settings_.host) return subnet;
    }
    return std::nullopt;
}

Result<control::ClusterSubnet> Member::lease_subnet(const control::Network& network,
                                                    const IpAddress& vtep) {
    if (Status status = check_registered(); !status) return status.error();
    const std::string vni_key = picture_.keys().of(VniKey{network.vni});
    if (auto own = own_subnet(network.vni)) return *own;
    for (uint32_t index = 0; index < network.pool->parts(); index++) {
        const IpPrefix part = network.pool->part(index);
        const Key key = SubnetKey{network.vni, part};
        if (picture_.find(key)) continue;
        const std::string text = picture_.keys().of(key);
        const control::ClusterSubnet subnet{network.vni, part, settings_.host, vtep,
                                            control::vtep_mac(part)};
        auto done =
            commit({still_registered(), value_is(vni_key, network.name), Compare::absent(text)},
                   {etcd::Put{text, encode(SubnetRecord{settings_.host, vtep, subnet.mac})}},
                   {etcd::Get{vni_key}, etcd::Get{text}});
        if (!done) return done.error();
        if (*done) return subnet;
        // The answer to the first try may have been lost.
        if (auto own = own_subnet(network.vni)) return *own;
        if (const etcd::KeyValue* vni = picture_.find(VniKey{network.vni});
            !vni || vni->value != network.name)
            return Error(ErrorKind::kNotFound,
                         "network " + network.name + " has just been deleted");
        if (!picture_.find(key)) return taken_out();
    }
    return Error(ErrorKind::kExhausted, "every part of " + network.pool->prefix.to_string() +
                                            " is a host's: there are " +
                                            std::to_string(network.pool->parts()));
}

Status Member::forget_host(const std::string& name) {
    if (Status status = check_connected(); !status) return status;
    const etcd::KeyValue* host = picture_.find(HostKey{name});
    if (!host) return Error(ErrorKind::kNotFound, "the cluster has no host " + name);
    if (picture_.find(AliveKey{name}))
        return conflict("host " + name + " is alive: stop its cnetd first");
    const Compare gone = Compare::absent(picture_.keys().of(AliveKey{name}));
    std::vector<Step> steps;
    for (const std::string& key : picture_.claims_of(name)) {
        const auto parsed = picture_.keys().parse(key);
        if (!parsed) continue;
        steps.push_back({{Compare::unchanged(*picture_.find(*parsed)), gone}, etcd::Delete{key}});
    }
    // Last, so that what is broken off can be done again.
    steps.push_back({{Compare::unchanged(*host), gone}, etcd::Delete{host->key}});
    return commit_all(steps);
}

control::ClusterStatus Member::status() const {
    control::ClusterStatus status;
    status.host = settings_.host;
    status.connected = connected();
    if (!connected_) status.error = away_.message();
    status.revision = picture_.revision();
    status.hosts = picture_.below(picture_.keys().root() + "alive/").size();
    status.conflicts = conflicts_;
    const std::vector<std::string>& complaints = look().complaints;
    status.conflicts.insert(status.conflicts.end(), complaints.begin(), complaints.end());
    return status;
}

bool Member::has_network_of(const ClusterEndpoint& endpoint) const {
    const etcd::KeyValue* vni = picture_.find(VniKey{endpoint.vni});
    return vni && vni->value == endpoint.network && picture_.find(NetworkKey{endpoint.network});
}

} // namespace cnet::cluster
