#include "userspace/etcd/wire.h"

#include <charconv>

#include "userspace/etcd/base64.h"

namespace cnet::etcd {
namespace {

Error not_understood(const std::string& what) {
    return {ErrorKind::kSystem, "an answer that is not understood: " + what};
}

const Json* find(const Json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
}

// An empty list when absent.
Result<const Json*> find_list(const Json& object, const char* key) {
    static const Json kEmpty = Json::array();
    const Json* list = find(object, key);
    if (!list) return &kEmpty;
    if (!list->is_array()) return not_understood(std::string(key) + " is no list");
    return list;
}

Result<std::string> read_bytes(const Json& object, const char* key) {
    auto bytes = base64_decode(read_text(object, key));
    if (!bytes) return not_understood(std::string(key) + " is not base64");
    return bytes;
}

Result<int64_t> read_revision(const Json& answer) {
    const Json* header = find(answer, "header");
    if (!header) return not_understood("it has no header");
    return read_int64(*header, "revision");
}

Result<KeyValue> read_kv(const Json& object) {
    KeyValue kv;
    auto key = read_bytes(object, "key");
    auto value = read_bytes(object, "value");
    if (!key) return key.error();
    if (!value) return value.error();
    kv.key = std::move(*key);
    kv.value = std::move(*value);
    const std::pair<const char*, int64_t*> numbers[] = {{"create_revision", &kv.create_revision},
                                                        {"mod_revision", &kv.mod_revision},
                                                        {"version", &kv.version},
                                                        {"lease", &kv.lease}};
    for (auto [name, out] : numbers) {
        auto number = read_int64(object, name);
        if (!number) return number.error();
        *out = *number;
    }
    return kv;
}

Result<std::vector<KeyValue>> read_kvs(const Json& range) {
    auto list = find_list(range, "kvs");
    if (!list) return list.error();
    std::vector<KeyValue> kvs;
    for (const Json& one : **list) {
        auto kv = read_kv(one);
        if (!kv) return kv.error();
        kvs.push_back(std::move(*kv));
    }
    return kvs;
}

Json keys(const std::string& key, const std::string& range_end) {
    // No key is empty; the smallest that can be is one zero byte.
    Json object = {{"key", base64_encode(key.empty() ? std::string(1, '\0') : key)}};
    if (!range_end.empty()) object["range_end"] = base64_encode(range_end);
    return object;
}

Json operation_request(const Operation& operation) {
    if (const auto* put = std::get_if<Put>(&operation)) {
        Json object = {{"key", base64_encode(put->key)}, {"value", base64_encode(put->value)}};
        if (put->lease != 0) object["lease"] = std::to_string(put->lease);
        return {{"request_put", std::move(object)}};
    }
    if (const auto* removal = std::get_if<Delete>(&operation))
        return {{"request_delete_range", keys(removal->key, removal->range_end)}};
    const auto& get = std::get<Get>(operation);
    return {{"request_range", keys(get.key, get.range_end)}};
}

const char* name_of(Compare::Relation relation) {
    switch (relation) {
    case Compare::Relation::kEqual:
        return "EQUAL";
    case Compare::Relation::kNotEqual:
        return "NOT_EQUAL";
    case Compare::Relation::kGreater:
        return "GREATER";
    case Compare::Relation::kLess:
        break;
    }
    return "LESS";
}

struct TargetNames {
    const char* target;
    const char* operand;
};

TargetNames names_of(Compare::Target target) {
    switch (target) {
    case Compare::Target::kCreateRevision:
        return {"CREATE", "create_revision"};
    case Compare::Target::kModRevision:
        return {"MOD", "mod_revision"};
    case Compare::Target::kVersion:
        return {"VERSION", "version"};
    case Compare::Target::kLease:
        return {"LEASE", "lease"};
    case Compare::Target::kValue:
        break;
    }
    return {"VALUE", "value"};
}

Json compare_request(const Compare& compare) {
    Json object = keys(compare.key, compare.range_end);
    TargetNames names = names_of(compare.target);
    object["target"] = names.target;
    object["result"] = name_of(compare.relation);
    object[names.operand] = compare.target == Compare::Target::kValue
                                ? base64_encode(compare.value)
                                : std::to_string(compare.number);
    return object;
}

} // namespace

Result<Json> parse_answer(std::string_view text) {
    Json answer = Json::parse(text, nullptr, false);
    if (!answer.is_object()) return not_understood("it is no JSON object");
    return answer;
}

Result<int64_t> read_int64(const Json& object, const char* key) {
    const Json* value = find(object, key);
    if (!value) return 0;
    if (value->is_number_integer()) return value->get<int64_t>();
    int64_t number = 0;
    if (value->is_string()) {
        const auto& text = value->get_ref<const std::string&>();
        const char* end = text.data() + text.size();
        auto [rest, error] = std::from_chars(text.data(), end, number);
        if (error == std::errc() && rest == end) return number;
    }
    return not_understood(std::string(key) + " is no number");
}

std::string read_text(const Json& object, const char* key) {
    const Json* value = find(object, key);
    return value && value->is_string() ? value->get<std::string>() : "";
}

bool read_bool(const Json& object, const char* key) {
    const Json* value = find(object, key);
    return value && value->is_boolean() && value->get<bool>();
}

Json txn_request(const std::vector<Compare>& conditions, const std::vector<Operation>& then,
                 const std::vector<Operation>& otherwise) {
    Json request = {
        {"compare", Json::array()}, {"success", Json::array()}, {"failure", Json::array()}};
    for (const Compare& compare : conditions)
        request["compare"].push_back(compare_request(compare));
    for (const Operation& operation : then)
        request["success"].push_back(operation_request(operation));
    for (const Operation& operation : otherwise)
        request["failure"].push_back(operation_request(operation));
    return request;
}

Result<TxnResult> read_txn(const Json& answer) {
    TxnResult result;
    result.succeeded = read_bool(answer, "succeeded");
    auto revision = read_revision(answer);
    auto responses = find_list(answer, "responses");
    if (!revision) return revision.error();
    if (!responses) return responses.error();
    result.revision = *revision;
    for (const Json& response : **responses) {
        const Json* range = find(response, "response_range");
        if (!range) continue;
        auto kvs = read_kvs(*range);
        if (!kvs) return kvs.error();
        result.gets.push_back(std::move(*kvs));
    }
    return result;
}

Json range_request(const std::string& key, const std::string& range_end, int64_t limit,
                   int64_t revision) {
    Json request = keys(key, range_end);
    request["limit"] = std::to_string(limit);
    if (revision != 0) request["revision"] = std::to_string(revision);
    return request;
}

Result<Page> read_page(const Json& answer) {
    auto revision = read_revision(answer);
    auto kvs = read_kvs(answer);
    if (!revision) return revision.error();
    if (!kvs) return kvs.error();
    return Page{*revision, std::move(*kvs), read_bool(answer, "more")};
}

Json watch_request(const std::string& prefix, int64_t from_revision) {
    Json create = keys(prefix, prefix_end(prefix));
    create["start_revision"] = std::to_string(from_revision);
    create["progress_notify"] = true;
    create["fragment"] = true;
    return {{"create_request", std::move(create)}};
}

Result<WatchMessage> read_watch_message(const Json& result) {
    WatchMessage message;
    auto revision = read_revision(result);
    auto compact_revision = read_int64(result, "compact_revision");
    auto events = find_list(result, "events");
    if (!revision) return revision.error();
    if (!compact_revision) return compact_revision.error();
    if (!events) return events.error();
    message.store_revision = *revision;
    message.compact_revision = *compact_revision;
    message.created = read_bool(result, "created");
    message.canceled = read_bool(result, "canceled");
    message.fragment = read_bool(result, "fragment");
    message.cancel_reason = read_text(result, "cancel_reason");
    for (const Json& one : **events) {
        const Json* object = find(one, "kv");
        if (!object) return not_understood("an event without its key");
        auto kv = read_kv(*object);
        if (!kv) return kv.error();
        auto type = read_text(one, "type") == "DELETE" ? Event::Type::kDelete : Event::Type::kPut;
        message.events.push_back({type, std::move(*kv)});
    }
    return message;
}

Refusal read_refusal(const Json& answer) {
    const Json* error = find(answer, "error");
    const Json& holder = error && error->is_object() ? *error : answer;
    // etcd 3.4 and 3.5 have an "error" in all shapes, 3.6 in streams alone.
    if (!error && !(find(answer, "code") && find(answer, "message"))) return {};
    const char* key = find(holder, "grpc_code") ? "grpc_code" : "code";
    auto code = read_int64(holder, key);
    constexpr int64_t kUnknownCode = 2;
    return {code && *code > 0 ? *code : kUnknownCode, read_text(holder, "message")};
}

} // namespace cnet::etcd
