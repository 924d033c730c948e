// Carries out what it reads, one JSON object a line, with one etcd::Client, and answers each with
// a line. tests/harness/etcd_client.py is its other end.
//
//   cnet-etcd-driver '{"endpoints": [...], "ca": FILE, ...}'
//   {"op": "txn", "if": [...], "then": [...], "else": [...]}   conditions: ["absent"|"exists",
//   KEY],
//       ["unchanged", KEY, REVISION]; operations: ["put", KEY, VALUE, LEASE], ["delete", KEY, END],
//       ["get", KEY, END]
//   {"op": "range", "prefix": P, "revision": N}
//   {"op": "grant", "ttl": N}   {"op": "keep_alive", "lease": N}   {"op": "revoke", "lease": N}
//   {"op": "watch", "prefix": P, "from": N}   answers with batches and an end; the next line of the
//       input stops it, and has to come when it has ended by itself too
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "userspace/etcd/client.h"

namespace {

using namespace cnet;
using Json = nlohmann::json;

void say(const Json& answer) {
    std::cout << answer.dump() << std::endl;
}

const char* word_of(ErrorKind kind) {
    switch (kind) {
    case ErrorKind::kInvalid:
        return "invalid";
    case ErrorKind::kNotFound:
        return "not_found";
    case ErrorKind::kConflict:
        return "conflict";
    case ErrorKind::kExhausted:
        return "exhausted";
    case ErrorKind::kDenied:
        return "denied";
    case ErrorKind::kUnavailable:
        return "unavailable";
    case ErrorKind::kUnknown:
        return "unknown";
    case ErrorKind::kSystem:
        break;
    }
    return "system";
}

Json to_json(const Error& error) {
    return {{"error", {{"kind", word_of(error.kind())}, {"message", error.message()}}}};
}

Json to_json(const std::vector<etcd::KeyValue>& kvs) {
    Json list = Json::array();
    for (const etcd::KeyValue& kv : kvs)
        list.push_back({{"key", kv.key},
                        {"value", kv.value},
                        {"create_revision", kv.create_revision},
                        {"mod_revision", kv.mod_revision},
                        {"version", kv.version},
                        {"lease", kv.lease}});
    return list;
}

std::string text_at(const Json& list, size_t index) {
    return index < list.size() ? list[index].get<std::string>() : "";
}

std::vector<etcd::Compare> conditions_of(const Json& list) {
    std::vector<etcd::Compare> conditions;
    for (const Json& one : list) {
        if (one[0] == "absent")
            conditions.push_back(etcd::Compare::absent(one[1]));
        else if (one[0] == "exists")
            conditions.push_back(etcd::Compare::exists(one[1]));
        else
            conditions.push_back(etcd::Compare::unchanged({one[1], "", 0, one[2], 0, 0}));
    }
    return conditions;
}

std::vector<etcd::Operation> operations_of(const Json& list) {
    std::vector<etcd::Operation> operations;
    for (const Json& one : list) {
        if (one[0] == "put")
            operations.emplace_back(
                etcd::Put{one[1], one[2], one.size() > 3 ? one[3].get<int64_t>() : 0});
        else if (one[0] == "delete")
            operations.emplace_back(etcd::Delete{one[1], text_at(one, 2)});
        else
            operations.emplace_back(etcd::Get{one[1], text_at(one, 2)});
    }
    return operations;
}

Json txn(etcd::Client& client, const Json& order) {
    auto result = client.txn(conditions_of(order.value("if", Json::array())),
                             operations_of(order.value("then", Json::array())),
                             operations_of(order.value("else", Json::array())));
    if (!result) return to_json(result.error());
    Json gets = Json::array();
    for (const auto& kvs : result->gets)
        gets.push_back(to_json(kvs));
    return {{"succeeded", result->succeeded}, {"revision", result->revision}, {"gets", gets}};
}

Json range(etcd::Client& client, const Json& order) {
    auto range = client.range(order["prefix"], order.value("revision", int64_t{0}));
    if (!range) return to_json(range.error());
    return {{"revision", range->revision}, {"kvs", to_json(range->kvs)}};
}

Json number(const Result<int64_t>& result) {
    return result ? Json{{"value", *result}} : to_json(result.error());
}

const char* word_of(etcd::WatchEnd::Reason reason) {
    switch (reason) {
    case etcd::WatchEnd::Reason::kStopped:
        return "stopped";
    case etcd::WatchEnd::Reason::kCompacted:
        return "compacted";
    case etcd::WatchEnd::Reason::kBroken:
        break;
    }
    return "broken";
}

// Returns when the next line has been read.
void watch(etcd::Client& client, const Json& order) {
    std::stop_source source;
    std::jthread stopper([&source] {
        std::string line;
        std::getline(std::cin, line);
        source.request_stop();
    });
    auto report = [](const etcd::WatchBatch& batch) {
        Json events = Json::array();
        for (const etcd::Event& event : batch.events)
            events.push_back({event.type == etcd::Event::Type::kPut ? "put" : "delete",
                              event.kv.key, event.kv.value, event.kv.mod_revision});
        say({{"events", events}, {"revision", batch.revision}});
    };
    auto end = client.watch(order["prefix"], order["from"], report, source.get_token());
    say({{"end", word_of(end.reason)},
         {"revision", end.revision},
         {"compact_revision", end.compact_revision},
         {"message", end.error.message()}});
}

Json carry_out(etcd::Client& client, const Json& order) {
    const std::string op = order["op"];
    if (op == "txn") return txn(client, order);
    if (op == "range") return range(client, order);
    if (op == "grant") return number(client.grant_lease(order["ttl"]));
    if (op == "keep_alive") return number(client.keep_alive(order["lease"]));
    auto revoked = client.revoke_lease(order["lease"]);
    return revoked ? Json::object() : to_json(revoked.error());
}

etcd::ClientConfig config_of(const Json& json) {
    etcd::ClientConfig config;
    config.endpoints = json["endpoints"].get<std::vector<std::string>>();
    config.tls = {json.value("ca", ""), json.value("cert", ""), json.value("key", "")};
    config.user = json.value("user", "");
    config.password = json.value("password", "");
    auto milliseconds = [&](const char* key, std::chrono::milliseconds& out) {
        if (json.contains(key)) out = std::chrono::milliseconds(json[key].get<int64_t>());
    };
    milliseconds("connect_timeout_ms", config.connect_timeout);
    milliseconds("request_timeout_ms", config.request_timeout);
    milliseconds("watch_silence_ms", config.watch_silence);
    return config;
}

} // namespace

int main(int argc, char** argv) {
    CNET_CHECK(argc == 2);
    auto client = etcd::Client::open(config_of(Json::parse(argv[1])));
    if (!client) {
        say(to_json(client.error()));
        return 1;
    }
    for (std::string line; std::getline(std::cin, line);) {
        Json order = Json::parse(line);
        if (order["op"] == "watch")
            watch(*client, order);
        else
            say(carry_out(*client, order));
    }
    return 0;
}
